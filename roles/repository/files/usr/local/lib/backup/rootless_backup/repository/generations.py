# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""Generations of a repository: trees of hard links that its account cannot reach.

Borg makes and removes files and never writes into one that is there, so such a tree stays a whole repository, and costs what is deleted
from the repository later. Its files become root's, so that nobody who has the account can write into them either.
"""

from __future__ import annotations

import calendar
import contextlib
import errno
import os
import re
import shutil
import stat
import time

from rootless_backup.repository import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless_backup.repository.listing import File

# Directly in a repository, and written in place, or of whom it is not known that they are not.
COPIED = re.compile(r"config|nonce|README|transactions|[^/]*\.(?:old|tmp)")
NAME = "%Y-%m-%dT%H-%M-%SZ"
NEW = ".new"
HOUR = 3600


class Restless(Exception):
    """The repository changed whenever a generation of it was made."""


def names(directory: str) -> list[str]:
    """The generations in a directory, oldest first."""
    try:
        return sorted(name for name in os.listdir(directory) if made_at(name) is not None)
    except FileNotFoundError:
        return []


def made_at(name: str) -> float | None:
    """When a generation was made, by its name."""
    try:
        return calendar.timegm(time.strptime(name, NAME))
    except ValueError:
        return None


def is_due(directory: str, now: float) -> bool:
    """Whether the newest one is an hour old, or of a time to come."""
    known = names(directory)
    age = now - (made_at(known[-1]) or 0) if known else HOUR
    return not 0 <= age < HOUR


def same(one: dict[str, File], other: dict[str, File]) -> bool:
    """Whether two listings are of the same content, but for what is copied."""

    def kept(found: dict[str, File]) -> dict[str, tuple[int, int]]:
        return {path: (file.size, file.changed) for path, file in found.items() if not COPIED.fullmatch(path)}

    return kept(one) == kept(other)


def make(repository: int, directory: str, now: float, patience: float = 60) -> str | None:
    """Make a generation of an open repository if it changed since the last one. Return its name; None: it did not, or is none yet.

    A session may be at work: its files are taken as of a moment at which none came or went. Restless: there was none.
    """
    deadline = time.monotonic() + patience
    os.makedirs(directory, mode=0o700, exist_ok=True)
    while True:
        before = listing.of(repository)
        if "config" not in before or not any(path.startswith("data/") for path in before):
            return None
        known = names(directory)
        if known and same(before, listed(os.path.join(directory, known[-1]))):
            return None
        new = os.path.join(directory, NEW)
        if os.path.lexists(new):
            shutil.rmtree(new)
        os.mkdir(new, 0o700)
        if link_all(repository, new, before) and same(before, listing.of(repository)):
            name = time.strftime(NAME, time.gmtime(now))
            os.rename(new, os.path.join(directory, name))
            return name
        shutil.rmtree(new)
        if time.monotonic() > deadline:
            raise Restless("it changed whenever it was looked at, for %d seconds" % patience)
        time.sleep(0.5)


def listed(path: str) -> dict[str, File]:
    """The listing of a generation."""
    top = os.open(path, listing.DIRECTORY)
    try:
        return listing.of(top)
    finally:
        os.close(top)


def link_all(repository: int, new: str, wanted: dict[str, File]) -> bool:
    """Link or copy what was listed. Return whether all of it was still there."""
    opened: dict[str, tuple[int, int]] = {}
    with contextlib.ExitStack() as stack:

        def directories(path: str) -> tuple[int, int]:
            if path not in opened:
                above = directories(os.path.dirname(path)) if path else None
                name = os.path.basename(path)
                if above is not None:
                    os.mkdir(name, 0o700, dir_fd=above[1])
                source = os.dup(repository) if above is None else os.open(name, listing.DIRECTORY, dir_fd=above[0])
                stack.callback(os.close, source)
                target = os.open(new if above is None else name, listing.DIRECTORY, dir_fd=None if above is None else above[1])
                stack.callback(os.close, target)
                opened[path] = source, target
            return opened[path]

        try:
            for path, file in wanted.items():
                source, target = directories(os.path.dirname(path))
                name = os.path.basename(path)
                if COPIED.fullmatch(path):
                    copy(source, target, name)
                else:
                    link(source, target, name, file)
        except (FileNotFoundError, NotADirectoryError, Changed):
            return False
    return True


class Changed(Exception):
    """Something else has the name by now."""


def link(source: int, target: int, name: str, file: File) -> None:
    """Give a file a second name, and root. Changed: it is another one than was listed."""
    try:
        os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        # ext4 ends at 64,999 names.
        copy(source, target, name)
        return
    found = os.stat(name, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode) or found.st_ino != file.inode:
        os.unlink(name, dir_fd=target)
        raise Changed(name)
    if found.st_uid != 0 or stat.S_IMODE(found.st_mode) != 0o440:
        # By our own name of it, which nobody else can exchange.
        os.chown(name, 0, -1, dir_fd=target, follow_symlinks=False)
        os.chmod(name, 0o440, dir_fd=target)


def copy(source: int, target: int, name: str) -> None:
    """Copy a file with its time. Changed: it is none any more."""
    try:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    except OSError as error:
        raise Changed(name) from error
    with open(opened, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise Changed(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o600, dir_fd=target), "wb") as made:
            shutil.copyfileobj(file, made, 1 << 20)
            made.flush()
            os.utime(made.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))


def expire(directory: str, now: float, days: int) -> list[str]:
    """Remove the generations that are older than so many days, but never the newest. Return their names."""
    old = [name for name in names(directory)[:-1] if now - (made_at(name) or now) > days * 24 * HOUR]
    for name in old:
        shutil.rmtree(os.path.join(directory, name))
    return old


def room(repository: dict[str, File], directory: str) -> tuple[int, int]:
    """The bytes on the disk that a repository takes, and those that its generations hold beside it."""
    live = {file.inode: file.room for file in repository.values()}
    held: dict[int, int] = {}
    for name in names(directory):
        for file in listed(os.path.join(directory, name)).values():
            if file.inode not in live:
                held[file.inode] = file.room
    return sum(live.values()), sum(held.values())
