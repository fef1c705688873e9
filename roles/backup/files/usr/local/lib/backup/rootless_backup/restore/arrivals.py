# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Files while they come out of an archive."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time

from rootless_backup import tree, untrusted
from rootless_backup.records import manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO


class Arrivals:
    """SHA-256 of files while they are laid down in the working directory, one after the other, each from its beginning to its end.

    What is known of a file when all are there counts only if it is of all of the file that is there then.
    """

    def __init__(self) -> None:
        # `{absolute path: (inode, size, SHA-256)}`
        self.found: dict[str, tuple[int, int, str]] = {}

    def __enter__(self) -> None:
        # What came before may be replaced now, by a file that gets its inode.
        self.found = {}
        self.ended = threading.Event()
        top = os.getcwd()
        self.thread = threading.Thread(target=self.follow, args=[top, files_below(top)])
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def follow(self, top: str, seen: set[str]) -> None:
        current = None
        while True:
            # Once more when all of it is there.
            last = self.ended.is_set()
            begun = time.monotonic()
            new = files_below(top) - seen
            # A file that is whole has its old time again, so the one that is being written is the last.
            for path in sorted(new, key=lambda path: os.lstat(path).st_mtime_ns):
                self.note(current)
                current = None
                # What cannot be read has no checksum here.
                with contextlib.suppress(OSError, untrusted.Untrustworthy):
                    current = Arriving(path)
            seen |= new
            if current is not None:
                current.go_on()
            if last:
                self.note(current)
                return
            # When all are there it is waited for what came since. Of many files the list takes its time.
            self.ended.wait(max(0.005, 5 * (time.monotonic() - begun)))

    def note(self, current: Arriving | None) -> None:
        if current is not None:
            self.found[current.path] = current.end()

    def checksum(self, path: str, file: IO[bytes]) -> str:
        """The checksum of the open file that is at this path; it is read again if that is not the one that came."""
        file_stat = os.fstat(file.fileno())
        inode, size, checksum = self.found.get(os.path.abspath(path), (None, None, ""))
        return checksum if (inode, size) == (file_stat.st_ino, file_stat.st_size) else manifest.checksum_of(file)


class Arriving:
    """A file that is being laid down."""

    def __init__(self, path: str) -> None:
        self.path, self.size, self.digest = path, 0, hashlib.sha256()
        self.descriptor = untrusted.open_plain(path)

    def go_on(self) -> None:
        """Read what has come."""
        while block := os.read(self.descriptor, 1 << 20):
            self.digest.update(block)
            self.size += len(block)

    def end(self) -> tuple[int, int, str]:
        """Read the rest. Return inode, size and checksum."""
        self.go_on()
        inode = os.fstat(self.descriptor).st_ino
        os.close(self.descriptor)
        return inode, self.size, self.digest.hexdigest()


def files_below(top: str) -> set[str]:
    """What is no directory below `top`, while files come there: what goes meanwhile is left out."""
    with contextlib.suppress(OSError):
        return {os.path.join(path, name) for path, files in tree.directories(top) for name in files}
    return set()
