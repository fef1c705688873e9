# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is recorded of the runs, as those who may ask see it."""

from __future__ import annotations

import grp
import os
import sys

from rootless_backup import untrusted
from rootless_backup.control import codes
from rootless_backup.records import status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless_backup.records.status import Known


def read() -> tuple[Known, list[str]]:
    """What is known of the runs, and in a list why nothing is if there is something that cannot be read."""
    try:
        return {"units": {}, **status.read()}, []
    except FileNotFoundError:
        return {"units": {}}, []
    except PermissionError:
        return untrusted.die("backupctl: only root and the members of the group %s may ask" % group_of(status.STATUS), codes.NOT_ALLOWED)
    except (OSError, untrusted.Untrustworthy) as trouble:
        return {"units": {}}, ["What is known of the runs cannot be read: %s. The next run begins it anew." % trouble]


def list_archives() -> int:
    """Print the archives that the last good backup kept, for who cannot open the repository. Return the exit code."""
    known, damaged = read()
    for repository, archives in known.get("repositories", {}).items():
        untrusted.say(untrusted.printable(repository), ":")
        for archive in sorted(archives):
            untrusted.say("  ", untrusted.printable(archive))
    for message in damaged:
        untrusted.say(message, file=sys.stderr)
    return codes.FAILED if damaged else codes.GOOD


def group_of(path: str) -> str:
    gid = os.stat(path).st_gid
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
