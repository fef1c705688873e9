# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""repositoryctl: look after the repositories of other machines."""

from __future__ import annotations

import sys

from rootless_backup import untrusted

USAGE = "usage: repositoryctl accounts"


def main() -> None:
    if sys.argv[1:] == ["accounts"]:
        from rootless_backup.repository import accounts

        accounts.let_in()
        return
    untrusted.die(USAGE)
