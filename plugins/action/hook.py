# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry the options of a hook to the planner, and its plan to the host."""

from __future__ import annotations

import json
import os

from ansible.errors import AnsibleActionFail
from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.action import ActionBase
from ansible_collections.rootless.backup.plugins.plugin_utils import answer as host_answer
from ansible_collections.rootless.backup.plugins.plugin_utils import facts, node, package, transaction, tree


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
        name = str(self._templar.template(task_vars.get(facts.NODE, "node")))
        answer = node.run("hook", name, options)
        if "problems" in answer:
            result.update(failed=True, problems=answer["problems"],
                          msg="The options of the hook are not usable:\n- " + "\n- ".join(answer["problems"]))
            return result
        whole = with_files(answer["plan"])
        response = transaction.run(self, whole, task_vars)
        result.update(host_answer.of_transaction(response, whole), **host_answer.interpreter(self))
        return host_answer.unsafe(result)


def with_files(planned):
    """The plan with the files that the planner, which reads none, only named; hooks that lay down the same file share it."""
    root, wants_package = planned.pop("tree", None), planned.pop("package", False)
    if root is not None:
        if not os.path.isdir(root):
            raise AnsibleActionFail("files: %s is no directory of the control node. Use the absolute path of one." % root)
        taken = {file["path"] for file in planned["files"]}
        for file in tree.static(root):
            if not file["path"].startswith(package.PROGRAMS) or file["path"] in taken:
                raise AnsibleActionFail("files: %s in %s is not allowed. Use files below usr/local/lib/backup, other than the hook's own "
                                        "script." % (file["path"][1:], root))
            if file["path"].startswith(package.PLACE) and not package.is_ours(root):
                raise AnsibleActionFail("files: %s in %s is not allowed, since that directory is this collection's. Use another one."
                                        % (file["path"][1:], root))
            # Of one role, by whatever path it was installed.
            planned["files"].append(dict(file, shared=os.path.basename(os.path.dirname(os.path.abspath(root)))))
    if wants_package:
        package.add_to(planned)
    return planned
