# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a role's settings on the control node, by rules that the build derived from their schema."""

from __future__ import annotations

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.rootless.backup.plugins.plugin_utils import facts, package, settings


class ActionModule(ActionBase):
    """Names every setting that is wrong, what was given and what is allowed; touches no host."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        # First of all: what a host said before this role came to it must not stand for a setting of the inventory.
        facts.refuse(task_vars)
        args, template = self._task.args, self._templar.template
        rules = [settings.read(args["rules"]), *([settings.of_role(package.FRAME)] if boolean(args.get("frame", False)) else [])]
        problems = settings.problems(rules, settings.values(rules, task_vars, template), list(task_vars), self._display.warning)
        if not problems:
            # Not by an option, which Ansible renders before this is called: of settings of which none is wrong.
            problems = settings.together(rules, task_vars, template)
        result.update(changed=False)
        if problems:
            result.update(settings.refusal(problems))
        return result
