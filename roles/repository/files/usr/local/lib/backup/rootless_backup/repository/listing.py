# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""What is in a repository, read by open directories: whoever has its account may make links there, and exchange anything meanwhile."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NamedTuple

    class File(NamedTuple):
        """A regular file: its inode, size in bytes, time of change in ns, and bytes on the disk."""

        inode: int
        size: int
        changed: int
        room: int

else:
    from collections import namedtuple

    File = namedtuple("File", "inode size changed room")

# Borg's files are two directories deep.
DEEPEST = 8
# Files and directories. Of 500 MB each, as Borg makes them, 100 TB; a listing of them takes 100 MB of memory.
MOST = 200_000
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Odd(Exception):
    """There is more, or deeper, than Borg makes."""


class Count:
    """How much was looked at. Odd: more than any repository has."""

    def __init__(self) -> None:
        self.seen = 0

    def add(self, more: int) -> None:
        self.seen += more
        if self.seen > MOST:
            raise Odd("there are more than %d files, which Borg does not make" % MOST)


def files(top: int, count: Count, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, File]]:
    """The path and state of each regular file below an open directory; locks are none. Odd: it is none that Borg makes."""
    if depth > DEEPEST:
        raise Odd("there are directories deeper than Borg makes")
    for name in entries(top, count):
        if not depth and name.startswith("lock."):
            continue
        try:
            status = os.stat(name, dir_fd=top, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                below = os.open(name, DIRECTORY, dir_fd=top)
                try:
                    yield from files(below, count, prefix + name + "/", depth + 1)
                finally:
                    os.close(below)
            elif stat.S_ISREG(status.st_mode):
                yield prefix + name, File(status.st_ino, status.st_size, status.st_mtime_ns, status.st_blocks * 512)
        except (FileNotFoundError, NotADirectoryError):
            # It went meanwhile.
            continue


def entries(top: int, count: Count) -> list[str]:
    """The names in an open directory. Odd: they are too many, before all are read."""
    names = []
    with os.scandir(top) as scan:
        for entry in scan:
            count.add(1)
            names.append(entry.name)
    return sorted(names)


def of(top: int) -> dict[str, File]:
    """All regular files below an open directory, by path. Odd: there are more than any repository has."""
    return dict(files(top, Count()))
