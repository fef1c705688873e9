# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a machine how its backups do; whatever it answers, and if it does not, that is an answer."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.rootless.backup.plugins.plugin_utils import answer, fleet


class ActionModule(ActionBase):
    """What the machine says is made anew of known keys and types."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        if self._task.args:
            raise AnsibleActionFail("rootless.backup.fleet has no options")
        try:
            response = self._execute_module(module_name="rootless.backup.fleet", module_args={}, task_vars=task_vars)
        except AnsibleConnectionFailure as trouble:
            summary = fleet.unreached(trouble)
        else:
            summary = fleet.of_machine(response.get("fleet"))
            if response.get("unreachable"):
                summary = fleet.unreached(response.get("msg"))
            elif response.get("failed") or not isinstance(response.get("fleet"), dict):
                summary.update(known=False, trouble=answer.line(answer.failure(response), fleet.LONGEST))
        result.update(changed=False, fleet=summary, **answer.interpreter(self))
        return answer.unsafe(result)
