# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The archives that are not whole though their names do not say so, until they are taken away: noted in a file for each repository.

Its being there also says that there may be archives whose names do say so.
"""

from __future__ import annotations

import os

from rootless_backup import engine, host, statefile, untrusted


def path(location: str) -> str:
    return "%s/incomplete/%s" % (host.STATE, engine.digest(location))


def names(location: str) -> set[str]:
    """What was noted. OSError, untrusted.Untrustworthy, ValueError: that cannot be read."""
    try:
        return set(untrusted.read_plain(path(location)).decode("ascii").split())
    except FileNotFoundError:
        return set()


def is_noted(location: str) -> bool:
    return os.path.lexists(path(location))


def note(location: str, known: set[str]) -> None:
    """Note these, and no others."""
    os.makedirs(os.path.dirname(path(location)), exist_ok=True)
    statefile.write(path(location), "".join(name + "\n" for name in sorted(known)))


def forget(location: str) -> None:
    os.unlink(path(location))
