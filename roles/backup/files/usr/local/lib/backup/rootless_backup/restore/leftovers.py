# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What restores laid down, and nobody took away: what was put aside in place, and fresh directories below /var/tmp.

Each restore notes what it is about to make, in a file of root's, before it begins. What is of such a name counts only if it is what was
noted: others may own the directory around it. So a directory of what was put aside, into which nobody but root can come, has a mark in it
with the token of its restore; below that stand further ones, which are on mounts below. A fresh directory has its number.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import stat
import subprocess
import time

from rootless_backup import host, statefile, untrusted
from rootless_backup.records import status
from rootless_backup.restore import target
from rootless_backup.restore.metadata import look
from rootless_backup.restore.staging import remove_emptied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypedDict

    # See NOTE.
    Note = TypedDict("Note", {"token": str, "kept": list[str], "fresh": list[str], "inode": str})


# What was put aside: PATH, and PATH-2 and so on; and the fresh directory.
NOTE = status.fields({"token": status.text, "kept": status.many(status.text), "fresh": status.many(status.text), "inode": status.text})
# What the names of directories begin with in which something is put aside; and of the file in it that says whose it is.
KEPT = ".backup-kept-"
MARK = KEPT + "mark"
# A host has no more notes, a file of them or a mark no more bytes, and a restore no more directories of one name.
MOST_NOTES, MOST, MOST_ALIKE = 10_000, 1 << 20, 20
# In seconds, for finding out how large one is.
PATIENCE = 10


class Leftover:
    """One of them."""

    def __init__(self, unit: str, path: str, note: Note) -> None:
        # The unit of the restore that it is of, without its suffix.
        self.unit, self.path, self.note = unit, path, note

    def opened(self) -> tuple[int, int]:
        """The directory it is in, and itself, opened. OSError: it is not there, or is another one."""
        above = target.reached(os.path.dirname(self.path))
        try:
            directory = target.opened(os.path.basename(self.path), above)
        except OSError:
            os.close(above)
            raise
        file_stat = os.fstat(directory)
        own = file_stat.st_uid == 0 and stat.S_IMODE(file_stat.st_mode) == 0o700
        if own and (marked(directory)[:1] == [self.note["token"]] if self.note["kept"] else str(file_stat.st_ino) == self.note["inode"]):
            return above, directory
        os.close(directory)
        os.close(above)
        raise FileNotFoundError("%s is another one" % self.path)

    def further(self) -> list[str]:
        """Where more was put aside by the same restore, on mounts below."""
        with contextlib.suppress(OSError):
            above, directory = self.opened()
            try:
                lines = marked(directory)[1:]
            finally:
                os.close(directory)
                os.close(above)
            return [line for line in lines if line == os.path.abspath(line) and os.path.basename(line).startswith(KEPT)]
        return []

    def size(self) -> int | None:
        """How many bytes it takes; None: that could not be found out soon."""
        above, directory = self.opened()
        try:
            process = run_in(directory, "du", "--summarize", "--block-size=1", "--null", ".", timeout=PATIENCE)
            match = re.match(rb"\d+", process.stdout)
            return int(match[0]) if match else None
        except subprocess.TimeoutExpired:
            return None
        finally:
            os.close(directory)
            os.close(above)

    def remove(self) -> str:
        """Take it away, by open directories only, and nothing that is mounted in it. Return what kept it from going, or nothing."""
        above, directory = self.opened()
        try:
            # The mark last: what is interrupted can be found again.
            process = run_in(directory, "find", ".", "-xdev", "-mindepth", "1", "!", "-path", "./" + MARK, "-delete")
            if process.returncode != 0:
                return untrusted.printable(process.stderr.decode(errors="backslashreplace").strip().replace("\n", "; "))[:1000]
            with contextlib.suppress(FileNotFoundError):
                os.unlink(MARK, dir_fd=directory)
            remove_emptied(os.path.basename(self.path), directory, above)
            file_stat = look(os.path.basename(self.path), above)
            return "it could not be removed" if file_stat is not None and os.path.samestat(file_stat, os.fstat(directory)) else ""
        finally:
            os.close(directory)
            os.close(above)


def run_in(directory: int, *call: str, timeout: float | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a program in an open directory, wherever that is by now."""
    place = "/proc/self/fd/%d" % directory
    return subprocess.run(
        call, cwd=place, pass_fds=[directory], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
    )


def directory() -> str:
    # No hook has a name with a dot.
    return host.RESTORE_STATE + "/.laid-down"


def name_of_kept() -> str:
    return KEPT + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def note(unit: str, content: Note) -> None:
    """Note what a restore is about to make. OSError: that cannot be."""
    os.makedirs(directory(), mode=0o700, exist_ok=True)
    statefile.write(os.path.join(directory(), unit), json.dumps(content) + "\n")


def mark(kept: int, token: str, first: int | None, path: str) -> None:
    """Have a directory that something is put aside in be known by its token; a further one also by the first one's mark."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(MARK, flags, 0o600, dir_fd=kept), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(json.dumps(token) + "\n")
    if first is not None:
        with open(os.open(MARK, flags, 0o600, dir_fd=first), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(json.dumps(path) + "\n")


def marked(kept: int) -> list[str]:
    """What a mark says: the token, and where further directories are."""
    try:
        lines = untrusted.read_plain(MARK, MOST, dir_fd=kept).decode(errors="surrogateescape").splitlines()
        return [value for value in map(untrusted.parse_json, lines) if isinstance(value, str)]
    except (OSError, untrusted.Untrustworthy):
        return []


def notes() -> Iterator[tuple[str, Note]]:
    """The notes of all restores, by their units. OSError: they cannot be read."""
    try:
        names = sorted(os.listdir(directory()))
    except FileNotFoundError:
        return
    for name in itertools.islice(names, MOST_NOTES):
        # One that was cut short tells of nothing that was made.
        with contextlib.suppress(FileNotFoundError, untrusted.Untrustworthy):
            yield name, status.checked(NOTE, untrusted.read_plain(os.path.join(directory(), name), MOST), name)


def of(unit: str, content: Note) -> Iterator[Leftover]:
    """What is there of what a restore noted."""
    for path in content["fresh"]:
        yield from there(Leftover(unit, path, content))
    for path in content["kept"]:
        for number in range(1, MOST_ALIKE):
            for leftover in there(Leftover(unit, path if number == 1 else "%s-%d" % (path, number), content)):
                for line in leftover.further():
                    yield from there(Leftover(unit, line, content))
                yield leftover


def there(leftover: Leftover) -> Iterator[Leftover]:
    """The leftover, if it is there."""
    with contextlib.suppress(OSError):
        for opened in leftover.opened():
            os.close(opened)
        yield leftover


def found() -> list[Leftover]:
    """All that is there. OSError: that cannot be told."""
    by_path = {leftover.path: leftover for unit, content in notes() for leftover in of(unit, content)}
    return [by_path[path] for path in sorted(by_path)]


def kept_paths() -> list[str]:
    """Where something was put aside, so that it is not saved. Where that cannot be told, it is saved."""
    try:
        return [leftover.path for leftover in found() if leftover.note["kept"]]
    except OSError:
        return []
