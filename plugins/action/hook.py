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
from ansible_collections.rootless.backup.plugins.plugin_utils import facts, package, tree

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
        whole = with_files(answer["plan"])
        came = self._execute_module(
            module_name="rootless.backup.transaction", module_args={"plan": json.dumps(whole)}, task_vars=task_vars)
        result.update(host_answer.of_transaction(came, whole), **host_answer.interpreter(self))
        return host_answer.unsafe(result)


def with_files(planned):
    """The plan with the files that the planner, which reads none, only named; hooks that lay down the same file share it."""
    root, wants_package = planned.pop("tree", None), planned.pop("package", False)
    if root is not None:
        if not os.path.isdir(root):
            raise AnsibleActionFail("files: given is %s, which is no directory of the control node" % root)
        taken = {each["path"] for each in planned["files"]}
        for each in tree.static(root):
            if not each["path"].startswith(package.PROGRAMS) or each["path"] in taken:
                raise AnsibleActionFail("files: given is %s, with %s in it; allowed are files below usr/local/lib/backup, but not the "
                                        "hook's own script" % (root, each["path"][1:]))
            if each["path"].startswith(package.PLACE) and not package.is_ours(root):
                raise AnsibleActionFail("files: given is %s, with %s in it; allowed is any other directory: that one is this collection's"
                                        % (root, each["path"][1:]))
            # Of one role, by whatever path it was installed.
            planned["files"].append(dict(each, shared=os.path.basename(os.path.dirname(os.path.abspath(root)))))
    if wants_package:
        package.add_to(planned)
    return planned


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
