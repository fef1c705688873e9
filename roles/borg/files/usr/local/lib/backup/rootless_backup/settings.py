# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""The settings, as the role lays them down."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Those of the frame. Borg's stand in it too.
BACKUP = "/etc/backup/borg.json"


def read(path: str = BACKUP) -> dict[str, Any]:
    """What the settings in a file say."""
    with open(path, encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found
