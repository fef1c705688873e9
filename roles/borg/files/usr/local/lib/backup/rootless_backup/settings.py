# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""The settings, as the role lays them down."""

import json

# Those of the frame. Borg's stand in it too.
BACKUP = "/etc/backup/borg.json"


def read(path=BACKUP):
    """What the settings in a file say."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)
