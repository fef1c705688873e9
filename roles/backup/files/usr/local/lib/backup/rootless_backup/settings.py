# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The settings, as the role lays them down."""

import json

from rootless_backup import host

# Those of the frame; an engine has its own.
BACKUP = host.SETTINGS_DIRECTORY + "/backup.json"


def read(path=BACKUP):
    """What the settings in a file say."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)
