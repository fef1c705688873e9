# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The settings, as the role lays them down."""

from __future__ import annotations

import json

from rootless_backup import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Those of the frame; an engine has its own.
BACKUP = host.SETTINGS_DIRECTORY + "/backup.json"


def read(path: str = BACKUP) -> dict[str, Any]:
    """What the settings in a file say."""
    with open(path, encoding="utf-8") as file:
        try:
            settings: dict[str, Any] = json.load(file)
        except ValueError as trouble:
            raise ValueError("%s is damaged (%s): apply the role again" % (path, trouble)) from None
    return settings
