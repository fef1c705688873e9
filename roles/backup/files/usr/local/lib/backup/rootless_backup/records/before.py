# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What a repository held of this machine when the machine was new: archives from before it was lost.

Until somebody says that all is back, nothing is forgotten from that repository; the newest of those archives stay whatever the rules say.
One file a repository; its being there also says that the repository was looked at. Shape: see BEFORE.
"""

from __future__ import annotations

import itertools
import json
import os
import re

from rootless_backup import engine, host, statefile, untrusted
from rootless_backup.records import archive as records
from rootless_backup.records import status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import TypedDict

    class Before(TypedDict):
        """See BEFORE."""

        machine: str
        repository: str
        waits: bool
        newest: list[str]


# `machine`: which one looked, see machine-id(5); `newest`: of each series the newest archive from before.
BEFORE = status.fields({"machine": status.text, "repository": status.text, "waits": status.flag, "newest": status.many(status.text)})
MACHINE = "/etc/machine-id"
# How every text begins that says of a repository that it waits.
WAITS = "nothing is forgotten"
# A file has no more bytes, and a host no more repositories.
MOST, MOST_FILES = 1 << 16, 1000
NAME = re.compile("[0-9a-f]{64}")


def path(location: str) -> str:
    return os.path.join(directory(), engine.digest(location))


def directory() -> str:
    return host.STATE + "/before"


def read(location: str) -> Before | None:
    """What is known; None: the repository was never looked at. What is damaged counts as one that waits, which keeps what there is."""
    try:
        known: Before = status.checked(BEFORE, untrusted.read_plain(path(location), MOST), path(location))
        return known
    except FileNotFoundError:
        return None
    except (OSError, untrusted.Untrustworthy) as trouble:
        untrusted.tell(4, "%s cannot be read, so nothing is forgotten: %s" % (path(location), untrusted.reason(trouble)))
        return {"machine": machine(), "repository": location, "waits": True, "newest": []}


def machine() -> str:
    """Which machine this is; nothing if that is not known."""
    try:
        with open(MACHINE, encoding="ascii", errors="replace") as file:
            return file.read(100).strip()
    except OSError:
        return ""


def write(location: str, waits: bool, newest: list[str]) -> Before:
    """Note what is known of a repository, and return it."""
    known: Before = {"machine": machine(), "repository": location, "waits": waits, "newest": newest}
    os.makedirs(directory(), mode=0o700, exist_ok=True)
    statefile.write(path(location), json.dumps(known) + "\n")
    return known


def look(repository: engine.Repository, made: Collection[str] = ()) -> Before:
    """What is known of a repository; the first time it is found out. `made`: the archives that this run has made in it.

    A machine that has recorded archives of earlier runs is not new; one that finds the notes of another is, though their disk was not lost.
    Refused: they cannot be listed.
    """
    known = read(repository.location)
    if known is None or known["machine"] != machine():
        new = known is not None or not set(records.names(repository.location)).difference(made)
        newest = newest_of(repository, made) if new else []
        known = write(repository.location, bool(newest), newest)
    return known


def newest_of(repository: engine.Repository, made: Collection[str]) -> list[str]:
    """Of each series the newest archive that is not of this run: a whole one, if there is any."""
    newest = []
    for series in engine.SERIES:
        for incomplete in (False, True):
            archives = [name for name in repository.archives(series, incomplete=incomplete) if name not in made]
            if archives:
                newest.append(archives[-1])
                break
    return newest


def settle(locations: Collection[str]) -> list[Before]:
    """Note that all is back. Return what was known of the repositories that waited for that.

    What was noted of others than these is of no use any more.
    """
    settled = [known for known in map(read, locations) if known is not None and known["waits"]]
    for known in settled:
        write(known["repository"], False, known["newest"])
    used = set(map(engine.digest, locations))
    for name in filter(NAME.fullmatch, os.listdir(directory()) if os.path.isdir(directory()) else ()):
        if name not in used:
            os.unlink(os.path.join(directory(), name))
    return settled


def spared(location: str) -> list[str]:
    """The archives that stay whatever the rules say."""
    known = read(location)
    return known["newest"] if known else []


def told(known: Before) -> str:
    """What the administrator has to know of a repository that waits."""
    return (
        "%s in %s, since this machine was rebuilt: it holds archives from before (the newest: %s). When all is back, run "
        "`backupctl restored`" % (WAITS, known["repository"], ", ".join(known["newest"]) or "unknown")
    )


def waiting() -> list[str] | None:
    """What is to be said of all repositories that wait, a line each, for who may ask; None: this process may not.

    The directory is of the account, which could put a link in its place.
    """
    lines = []
    try:
        opened = os.open(directory(), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    except OSError:
        return None
    try:
        for name in itertools.islice(filter(NAME.fullmatch, sorted(os.listdir(opened))), MOST_FILES):
            try:
                known: Before = status.checked(BEFORE, untrusted.read_plain(name, MOST, dir_fd=opened), name)
                lines += [told(known)] if known["waits"] else []
            except FileNotFoundError:
                continue
            except (OSError, untrusted.Untrustworthy) as trouble:
                lines.append(
                    "%s, since %s/%s cannot be read: %s. When all is back on this machine, run `backupctl restored`"
                    % (WAITS, directory(), name, untrusted.reason(trouble))
                )
    finally:
        os.close(opened)
    return lines
