# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided in TypeScript, run by the Node.js of the control node: JSON on standard input, JSON on standard output."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from ansible.errors import AnsibleActionFail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OLDEST = 18


def run(name: str, node: str, request: str) -> dict[str, Any]:
    """What the bundle of the module `rootless.backup.NAME` answers. AnsibleActionFail: it failed, or there is no Node.js for it."""
    bundle = os.path.join(os.path.dirname(os.path.abspath(__file__)), name.partition("_")[0] + ".cjs")
    program = shutil.which(node)
    if program is None:
        raise AnsibleActionFail(
            "rootless.backup.%s needs Node.js %d or later on the control node, and there is no %s. Install it (Debian: apt "
            "install nodejs), or name it in the variable rootless_backup_node. The hosts need none." % (name, OLDEST, node))
    # Not by the locale: what is said is UTF-8.
    ended = subprocess.run([program, bundle], input=request.encode("utf-8", "backslashreplace"), capture_output=True, check=False)
    if ended.returncode == 0:
        answer: dict[str, Any] = json.loads(ended.stdout.decode("utf-8"))
        return answer
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if version.startswith("v") and int(version[1:].split(".")[0]) < OLDEST:
        raise AnsibleActionFail("rootless.backup.%s needs Node.js %d or later on the control node; %s is %s. Name another in "
                                "the variable rootless_backup_node." % (name, OLDEST, program, version))
    raise AnsibleActionFail("%s failed, which is an error of rootless.backup:\n%s"
                            % (bundle, ended.stderr.decode("utf-8", "backslashreplace").strip()))
