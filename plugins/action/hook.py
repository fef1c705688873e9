# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry the options of a hook to the planner, and its plan to the host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from ansible.errors import AnsibleActionFail
from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.action import ActionBase
from ansible_collections.rootless.backup.plugins.plugin_utils import answer as host_answer
from ansible_collections.rootless.backup.plugins.plugin_utils import facts

PLANNER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "plugin_utils", "hook.cjs")
OLDEST_NODE = 18


class ActionModule(ActionBase):
    """What a hook becomes is decided in TypeScript; this only carries."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        # Which program is run here is fixed before the host is asked anything.
        facts.refuse(task_vars)
        # On standard input: an argument or a file would show secrets. Vault and unsafe values are text here.
        options = json.dumps(dict(self._task.args), cls=AnsibleJSONEncoder, vault_to_text=True)
        node = str(self._templar.template(task_vars.get("rootless_backup_node", "node")))
        answer = plan(node, options)
        if "problems" in answer:
            result.update(failed=True, problems=answer["problems"],
                          msg="The options of the hook are not usable:\n- " + "\n- ".join(answer["problems"]))
            return result
        came = self._execute_module(
            module_name="rootless.backup.transaction", module_args={"plan": json.dumps(answer["plan"])}, task_vars=task_vars)
        result.update(host_answer.of_transaction(came, answer["plan"]), **host_answer.interpreter(self))
        return host_answer.unsafe(result)


def plan(node, options):
    """The planner's answer."""
    program = shutil.which(node)
    if program is None:
        raise AnsibleActionFail(
            "rootless.backup.hook needs Node.js %d or later on the control node, and there is no %s. Install it (Debian: apt "
            "install nodejs), or name it in the variable rootless_backup_node. The hosts need none." % (OLDEST_NODE, node))
    run = subprocess.run([program, PLANNER], input=options, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return json.loads(run.stdout)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if version.startswith("v") and int(version[1:].split(".")[0]) < OLDEST_NODE:
        raise AnsibleActionFail("rootless.backup.hook needs Node.js %d or later on the control node; %s is %s. Name another in "
                                "the variable rootless_backup_node." % (OLDEST_NODE, program, version))
    raise AnsibleActionFail("%s failed, which is an error of rootless.backup:\n%s" % (PLANNER, run.stderr.strip()))
