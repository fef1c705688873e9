# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What all hooks that dump databases have in common: how a dump takes its place, what it is called, and what is said of it."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import time

from rootless_backup import untrusted
from rootless_backup.records import manifest as manifests
from rootless_backup.records.manifest import PARTIAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from typing import TypeVar

    from rootless_backup.records.manifest import Entry, Manifest

    T = TypeVar("T")

# What stays as it is in a file name.
PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


# -- dumps -------------------------------------------------------------------------------------------------------------


def clear(directory: str) -> None:
    """Make a directory of dumps, or take away what a run that was cut off left in it."""
    os.makedirs(directory, exist_ok=True)
    for name in os.listdir(directory):
        if name.endswith(PARTIAL):
            os.unlink(os.path.join(directory, name))


class Dump:
    """A file that is written beside the last good one of a database, and takes its place when it is complete."""

    def __init__(self, manifest: Manifest, name: str, database: str | None, partial: str | None = None) -> None:
        """`name`: of the file, in the manifest's directory. `partial`: its path until then, if it is not that of the dump with PARTIAL."""
        self.manifest, self.name, self.database = manifest, name, database
        self.place = os.path.join(manifest.directory, name)
        self.partial = self.place + PARTIAL if partial is None else partial
        self.finished: time.struct_time | None = None

    @contextlib.contextmanager
    def or_nothing(self) -> Iterator[None]:
        """What is raised in here goes on when the new file is gone."""
        try:
            yield
        except BaseException:
            if os.path.lexists(self.partial):
                os.unlink(self.partial)
            raise

    def write(self, make: Callable[[str], T]) -> T:
        """Have `make(path)` write it, and return what that does; see `or_nothing`."""
        with self.or_nothing():
            made = make(self.partial)
            self.finished = time.gmtime()
            return made

    def put_in_place(self, more: Entry, optional: Collection[str] = frozenset()) -> bool:
        """Give it its name, and tell of it in the manifest, with what `more` has. Return what `Manifest.put` does; see `or_nothing`."""
        with self.or_nothing():
            assert self.finished, "it is written first"
            entry = {
                "database": self.database,
                "size": os.path.getsize(self.partial),
                "finished": time.strftime(manifests.TIME, self.finished),
                **more,
            }
            if "sha256" not in entry:
                entry["sha256"] = manifests.checksum(self.partial)
            os.makedirs(os.path.dirname(self.place), exist_ok=True)
            os.rename(self.partial, self.place)
            return self.manifest.put(self.name, entry, optional)


def keep_only(manifest: Manifest, names: Collection[str], earlier: Collection[str] = frozenset()) -> None:
    """Forget and remove all dumps but these; see `Manifest.keep`."""
    manifest.keep(names, earlier)
    remove_others(manifest.directory, {*names, *earlier, manifests.NAME})


def remove_others(top: str, kept: Collection[str]) -> None:
    """Remove all that is neither at nor below one of these relative paths, and the directories that become empty."""
    for entry in sorted(os.listdir(top)):
        remove_unless_kept(top, entry, kept)


def remove_unless_kept(top: str, path: str, kept: Collection[str]) -> None:
    if path in kept:
        return
    place = os.path.join(top, path)
    if not os.path.isdir(place) or os.path.islink(place):
        os.unlink(place)
        untrusted.tell(6, "Removed %s: there is no such database any more, or it is left out." % shown(place))
        return
    for name in sorted(os.listdir(place)):
        remove_unless_kept(top, os.path.join(path, name), kept)
    if not os.listdir(place):
        os.rmdir(place)


def percent_encoded(name: str, plain: frozenset[int] = PLAIN) -> str:
    """A name that is fit for a file: each of its bytes that is not plain is percent-encoded."""
    return os.fsdecode(b"".join(bytes([byte]) if byte in plain else b"%%%02X" % byte for byte in os.fsencode(name)))


# -- live data ---------------------------------------------------------------------------------------------------------


def warn_of_uncovered(places: Iterable[str], patterns: Collection[str], setting: str) -> None:
    """Warn of directories of live data that the archive of files does not leave out; `setting` is the one with the patterns."""
    for place in places:
        # An engine meets the data where a link leads to.
        met = {place, os.path.realpath(place)} if place.startswith("/") else set()
        if not all(any(covers(pattern, path) for pattern in patterns) for path in met):
            untrusted.tell(
                4, "%s holds live data and is not in %s: the archive of files will hold an inconsistent copy of it." % (place, setting)
            )


def covers(pattern: str, path: str) -> bool:
    """Whether a shell pattern matches the path or a directory above it; `*` stays within a directory."""
    parts, wanted = path.strip("/").split("/"), pattern.strip("/").split("/")
    if "**" in wanted:
        # Good enough for a warning: what stands before it.
        wanted = wanted[: wanted.index("**")]
    return len(wanted) <= len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted))


# -- words -------------------------------------------------------------------------------------------------------------


def failed(what: str, error: BaseException) -> bool:
    """Say that there is no new dump, and why. Return False."""
    return complain("%s was not dumped; the last good dump, if there is one, is still there. %s" % (what, reason(error)))


def in_either(was: Mapping[str, T], now: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    """What two have by name, in the order of the names: the name, and what each of them has by it, if it has something."""
    for name in sorted({*was, *now}):
        yield name, was.get(name), now.get(name)


def complain(text: str) -> bool:
    """Say what went wrong. Return False."""
    untrusted.tell(3, text)
    return False


def reason(error: BaseException) -> str:
    """What an exception says, for people; of a program that failed, what that said."""
    output = getattr(error, "stderr", None)
    text = str(error) if output is None else output.decode(errors="backslashreplace").strip()
    # There may be any name in it: none of its lines is one of ours.
    return text.replace("\n", "\n    ")


def shown(name: str) -> str:
    """A name in quotes."""
    return json.dumps(name, ensure_ascii=False)
