# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a role's tree on the control node and hand it to the host as one transaction."""

from __future__ import annotations

import json
import os

from ansible.errors import AnsibleActionFail
from ansible.module_utils.ansible_release import __version__ as core_version
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

# Before 2.19 a template that looks like JSON comes back as what it holds, unless that is turned off; since then the
# option is deprecated.
AS_TEXT = {"convert_data": False} if tuple(map(int, core_version.split(".")[:2])) < (2, 19) else {}
# How a collection has to name the interpreter of a program (ansible-test's `shebang`), and what Debian calls it. Isolated: neither the
# environment, nor the working directory, nor a home (site-packages, .pth) brings code into it; and it writes none (__pycache__).
PORTABLE, DEBIAN = "#!/usr/bin/env python\n", "#!/usr/bin/python3 -IB\n"
OPTIONS = {"name", "state", "templates", "files", "sensitive", "keep", "expect", "enable", "start", "users", "remove", "disown"}


class ActionModule(ActionBase):
    """Templates here, one module call there: the host pays for one connection, whatever the tree holds."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        unknown = set(args) - OPTIONS
        if unknown:
            raise AnsibleActionFail("rootless.backup.deploy has no option %s; it has %s"
                                    % (", ".join(sorted(unknown)), ", ".join(sorted(OPTIONS))))
        if not args.get("name"):
            raise AnsibleActionFail("rootless.backup.deploy: name is missing; it says whose tree this is")
        state = args.get("state", "present")
        if state not in ("present", "absent"):
            raise AnsibleActionFail("rootless.backup.deploy: state is %r; allowed are present and absent" % (state,))

        plan = {
            "name": args["name"],
            "state": state,
            "files": self._tree(args, task_vars) if state == "present" else [],
            "keep": args.get("keep", []),
            "expect": args.get("expect", {}),
            "enable": args.get("enable", []),
            "start": args.get("start", []),
            "users": args.get("users", []),
            "remove": args.get("remove", []),
            "disown": args.get("disown", []),
        }
        # A string, because the host's journal would show what a dict holds.
        result.update(self._execute_module(
            module_name="rootless.backup.transaction", module_args={"plan": json.dumps(plan)}, task_vars=task_vars))
        return result

    def _tree(self, args, task_vars):
        """Every file of the two trees as `{path, content, mode, sensitive}`."""
        sensitive = set(args.get("sensitive", []))
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        files = []
        for root, path in walk(args.get("templates")):
            if path.endswith(".j2"):
                content = lookup.run([os.path.join(root, path)], variables=task_vars, **AS_TEXT)[0] or ""
                # An empty rendering says that this host has no such file.
                if content.strip():
                    files.append(entry(path[:-len(".j2")], content, sensitive))
        for root, path in walk(args.get("files")):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                content = file.read()
            if content.startswith(PORTABLE):
                content = DEBIAN + content[len(PORTABLE):]
            files.append(entry(path, content, sensitive))
        return files


def walk(root):
    """Yield `(root, path)` for each file below `root`, sorted."""
    for directory, names, files in os.walk(root) if root else ():
        names.sort()
        for name in sorted(files):
            yield root, os.path.relpath(os.path.join(directory, name), root)


def entry(path, content, sensitive):
    path = "/" + path
    secret = path in sensitive
    mode = 0o600 if secret else 0o755 if content.startswith("#!") else 0o644
    return {"path": path, "content": str(content), "mode": mode, "sensitive": secret}
