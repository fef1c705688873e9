# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The record of an archive: what the drill will hold it to. It is kept on this machine, where no change of the repository reaches.

Shape: `{"begun": UTC time, "roots": [path], "hooks": [name], "files": {path: SHA-256}, "size": bytes}`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import re
import time

from rootless_backup import engine, host, paths, statefile, untrusted
from rootless_backup.figures import DAY
from rootless_backup.records import status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import TypedDict

    from typing_extensions import NotRequired

    class Record(TypedDict):
        """See above."""

        # In UTC.
        begun: str
        roots: list[str]
        hooks: list[str]
        # SHA-256 by path.
        files: dict[str, str]
        # In bytes. Of an archive that nothing was recorded of it is not known.
        size: NotRequired[int]


RECORDS = host.STATE + "/records"
RECORD = status.fields(
    {"begun": status.text, "roots": status.many(status.text), "hooks": status.many(status.text), "files": status.named(status.text)},
    {"size": status.number},
)
# Of files that are read for their checksums, in bytes: a hundred large files would cost more than the backup.
BUDGET = 256 << 20
# Of a directory with a million entries some are enough.
ENTRIES = 10_000


class Sample:
    """At most `size` of all that is offered, each with the same chance. See Vitter, "Random sampling with a reservoir" (1985), R."""

    def __init__(self, size: int) -> None:
        self.size, self.offered = size, 0
        self.taken: list[str] = []

    def offer(self, what: str) -> None:
        self.offered += 1
        if len(self.taken) < self.size:
            self.taken.append(what)
        else:
            place = random.randrange(self.offered)
            if place < self.size:
                self.taken[place] = what


def path_of(location: str, archive: str) -> str:
    return "%s/%s/%s.json" % (RECORDS, engine.digest(location), archive)


def write(location: str, archive: str, record: Record) -> None:
    path = path_of(location, archive)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    statefile.write(path, json.dumps(record, indent=1))


def read(location: str, archive: str) -> Record | None:
    """What was recorded of an archive; None: nothing that can be read, or that was before this machine did, or on another one."""
    try:
        path = path_of(location, archive)
        record: Record = status.checked(RECORD, untrusted.read_plain(path), path)
        return record
    except FileNotFoundError:
        return None
    except (OSError, untrusted.Untrustworthy) as trouble:
        untrusted.tell(4, "The record of archive %s is left out: %s" % (archive, untrusted.reason(trouble)))
        return None


def names(location: str) -> list[str]:
    """Of which archives something is recorded."""
    directory = os.path.dirname(path_of(location, ""))
    return [name[: -len(".json")] for name in os.listdir(directory) if name.endswith(".json")] if os.path.isdir(directory) else []


def forget(location: str, archives: Collection[str]) -> None:
    """Forget what was kept of all but these archives; nothing if there are none."""
    directory = os.path.dirname(path_of(location, ""))
    for name in os.listdir(directory) if archives and os.path.isdir(directory) else ():
        if name.rpartition(".json")[0] not in archives:
            os.unlink(os.path.join(directory, name))


def on_file_system_of(roots: Iterable[str], directories: Iterable[str]) -> list[str]:
    """Those of the directories that are on the same file system as the root which they are below."""
    return [directory for directory in directories if is_on_file_system_of(roots, directory)]


def is_on_file_system_of(roots: Iterable[str], path: str) -> bool:
    root = max((root for root in roots if paths.is_below(path, root)), key=len, default=None)
    try:
        return root is not None and os.lstat(path).st_dev == os.lstat(root).st_dev
    except OSError:
        return False


def checksums(directories: Sequence[str], excludes: Iterable[str], count: int, before: float) -> dict[str, str]:
    """Of at most `count` files in these directories that did not change since `before`, in seconds since 1970: `{path: SHA-256}`."""
    left_out = re.compile("|".join(map(paths.shell_pattern, excludes)) or "(?!)", re.DOTALL)
    digests: dict[str, str] = {}
    budget = BUDGET
    for directory in random.sample(directories, len(directories)):
        if len(digests) == count or budget < 0:
            break
        try:
            path = any_file(directory)
            # A list of patterns, a line each, holds no other names.
            if path is None or left_out.fullmatch(path) or not path.isprintable() or path != path.strip():
                continue
            with open(untrusted.open_plain(path), "rb") as file:
                begun = os.fstat(file.fileno())
                # What changed in a time far to come did so before the clock was set back.
                if begun.st_size > BUDGET // 8 or before <= begun.st_ctime < time.time() + DAY:
                    continue
                # No more than there was: it may grow while it is read.
                digest = hashlib.sha256(file.read(begun.st_size)).hexdigest()
                # What changed meanwhile may be another thing than what was saved.
                if os.fstat(file.fileno()).st_ctime_ns == begun.st_ctime_ns:
                    digests[path] = digest
        except (OSError, untrusted.Untrustworthy):
            # It went away, or is another thing by now; that it could not be read has been told.
            continue
        budget -= begun.st_size
    return digests


def any_file(directory: str) -> str | None:
    """The path of a regular file in a directory, chosen at random; None: there is none."""
    with os.scandir(directory) as listing:
        entries = [entry.path for entry in itertools.islice(listing, ENTRIES) if entry.is_file(follow_symlinks=False)]
    return random.choice(entries) if entries else None


def run_began(now: str) -> str:
    """When the backup began, its hooks first: the time that their dumps cannot be older than. By hand it begins with the saving."""
    from rootless_backup import systemd

    wanted = "ActiveState", "InactiveExitTimestamp", "InactiveExitTimestampMonotonic"
    properties = systemd.show_or_nothing("backup.service", *wanted)
    match = re.fullmatch(r"@(\d+)", properties["InactiveExitTimestamp"])
    if properties["ActiveState"] == "activating" and match:
        # Where the clock was set since then, the time that it would have shown may be the earlier one.
        took = time.monotonic() - int(properties["InactiveExitTimestampMonotonic"] or 0) / 1e6
        return utc(min(int(match[1]), int(time.time() - took)))
    return now


def utc(seconds: float) -> str:
    """A time as records have it, and the names of archives: such texts are compared."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
