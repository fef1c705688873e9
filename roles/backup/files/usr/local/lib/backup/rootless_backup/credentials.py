# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What systemd hands to a unit by LoadCredential=."""

from __future__ import annotations

import os


def path(name: str) -> str:
    """The file that is a credential of this unit."""
    return os.path.join(os.environ["CREDENTIALS_DIRECTORY"], name)
