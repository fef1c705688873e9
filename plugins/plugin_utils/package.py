# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python package that the programs of the backup share on a host.

Whichever role comes first lays it down in its own transaction, and the last that is taken away takes it along: it belongs to all whose
plan has it. Its modules are the frame's, and what a role adds below the same place.
"""

from __future__ import annotations

import json
import os
import re

from ansible.errors import AnsibleActionFail
from ansible_collections.rootless.backup.plugins.plugin_utils import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COLLECTION = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The role whose tree has the package's own modules, and all else of the frame.
FRAME = os.path.join(COLLECTION, "roles", "backup")
HOME = os.path.join(FRAME, "files")
# Where programs lie on a host, and the package.
PROGRAMS = "/usr/local/lib/backup/"
PACKAGE = "rootless_backup"
PLACE = PROGRAMS + PACKAGE + "/"


def add_to(plan: dict[str, Any]) -> None:
    """Make a plan lay the package down too, with its version: an older one than a host has is refused there."""
    files = {file["path"]: file for file in plan["files"]}
    for file in tree.static(HOME):
        if not file["path"].startswith(PLACE):
            continue
        if files.setdefault(file["path"], file)["content"] != file["content"]:
            raise AnsibleActionFail("%s is a module of the collection's own, and another file of this name is given; give it another name"
                                    % file["path"])
    plan["files"] = [dict(file, shared=file.get("shared") or (PACKAGE if path.startswith(PLACE) else None)) for path, file in files.items()]
    plan["version"] = version()


def is_ours(directory: str) -> bool:
    """Whether a directory of the control node is in this collection, whose roles add modules to the package."""
    return os.path.realpath(directory).startswith(os.path.join(os.path.realpath(COLLECTION), "roles", ""))


def version() -> str:
    """The version of the collection: as it was installed, or as it is in version control."""
    try:
        with open(os.path.join(COLLECTION, "MANIFEST.json"), encoding="utf-8") as file:
            return str(json.load(file)["collection_info"]["version"])
    except FileNotFoundError:
        with open(os.path.join(COLLECTION, "galaxy.yml"), encoding="utf-8") as file:
            match = re.search(r"^version: *(\S+)", file.read(), re.MULTILINE)
        if match is None:
            raise AnsibleActionFail("galaxy.yml of the collection has no version") from None
        return match[1]
