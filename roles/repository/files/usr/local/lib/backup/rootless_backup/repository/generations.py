# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""Generations of a repository: trees of hard links that its account cannot reach.

Borg makes and removes files and never writes into one that is there, so such a tree stays a whole repository, and costs what is deleted
from the repository later. Its files become root's, so that nobody who has the account can write into them either.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import time

from rootless_backup.repository import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootless_backup.repository.listing import File

    # The name of the next generation; of each file its inode and bytes on the disk.
    Gone = tuple[str, Sequence[Sequence[int]]]

# Directly in a repository, and written in place, or of whom it is not known that they are not.
COPIED = re.compile(r"config|nonce|README|transactions|[^/]*\.(?:old|tmp)")
NAME = "%Y-%m-%dT%H-%M-%SZ"
NAMED = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ", re.ASCII)
SEGMENT = re.compile(r"data/\d+/(\d+)", re.ASCII)
NEW, OLD = ".new", ".old"
# Files that were deleted and can be had back: of more even the names would take the memory that the program has.
MOST_GONE = 300_000
HOUR, DAY = 3600, 86_400


class Restless(Exception):
    """The repository changed whenever a generation of it was made."""


def known(directory: str) -> list[tuple[float, str]]:
    """When each generation in a directory was made, by the count of `clock`, and its name; oldest first.

    A name says what the clock said, for people; a clock can be wrong.
    """
    try:
        with os.scandir(directory) as entries:
            return sorted((entry.stat(follow_symlinks=False).st_mtime, entry.name) for entry in entries if NAMED.fullmatch(entry.name))
    except FileNotFoundError:
        return []


def names(directory: str) -> list[str]:
    """The generations in a directory, oldest first."""
    return [name for _made, name in known(directory)]


def is_due(directory: str, stood: float) -> bool:
    """Whether the newest one is an hour old, or made at a count that is still to come."""
    generations = known(directory)
    return not generations or not 0 <= stood - generations[-1][0] < HOUR


def same(one: dict[str, File], other: dict[str, File], but: str = "") -> bool:
    """Whether two listings are of the same content, but for what is copied, and one file."""

    def kept(files: dict[str, File]) -> dict[str, tuple[int, int]]:
        return {path: (file.size, file.changed) for path, file in files.items() if path != but and not COPIED.fullmatch(path)}

    return kept(one) == kept(other)


def written(files: dict[str, File]) -> str:
    """The segment that a session may be writing: the newest. What it has after its last commit counts for nothing."""
    numbers = {path: int(match[1]) for path, match in ((path, SEGMENT.fullmatch(path)) for path in files) if match}
    return max(numbers, key=lambda path: numbers[path], default="")


def make(repository: int, directory: str, now: float, stood: float, patience: float = 60) -> str | None:
    """Make a generation of an open repository if it changed since the last one. Return its name; None: it did not, or is none yet.

    A session may be at work: its files are taken as of a moment at which none came or went. Restless: there was none.
    """
    deadline = time.monotonic() + patience
    os.makedirs(directory, mode=0o700, exist_ok=True)
    new = os.path.join(directory, NEW)
    while True:
        before = listing.of(repository)
        if "config" not in before or not any(path.startswith("data/") for path in before):
            return None
        generations = known(directory)
        if generations and same(before, listed(os.path.join(directory, generations[-1][1]))):
            return None
        if os.path.lexists(new):
            shutil.rmtree(new)
        os.mkdir(new, 0o700)
        if link_all(repository, new, before) and same(before, listing.of(repository), but=written(before)):
            # After those that are there, whatever became of the count.
            made = max(stood, generations[-1][0] + 1) if generations else stood
            os.utime(new, (made, made))
            return put(new, directory, now)
        shutil.rmtree(new)
        if time.monotonic() > deadline:
            raise Restless("it changed whenever it was looked at, for %d seconds" % patience)
        time.sleep(0.5)


def put(new: str, directory: str, now: float) -> str:
    """Give a generation a name of now, or the next one that is free. Return it."""
    while True:
        name = time.strftime(NAME, time.gmtime(now))
        path = os.path.join(directory, name)
        if not os.path.lexists(path):
            os.rename(new, path)
            return name
        now += 1


def listed(path: str) -> dict[str, File]:
    """The listing of a generation."""
    top = os.open(path, listing.DIRECTORY)
    try:
        return listing.of(top)
    finally:
        os.close(top)


def link_all(repository: int, new: str, wanted: dict[str, File]) -> bool:
    """Link or copy what was listed, directory by directory. Return whether all of it was still there."""
    # Of the directories at hand alone, from the top down: of all at once a process may have fewer open than an account can make.
    entered: list[str] = []
    sources = [os.dup(repository)]
    targets: list[int] = []
    try:
        targets.append(os.open(new, listing.DIRECTORY))
        for path, file in wanted.items():
            directory, _slash, name = path.rpartition("/")
            enter(directory.split("/") if directory else [], entered, sources, targets)
            if COPIED.fullmatch(path):
                copy(sources[-1], targets[-1], name)
            else:
                link(sources[-1], targets[-1], name, file)
    except (FileNotFoundError, NotADirectoryError, Changed):
        return False
    finally:
        for descriptor in (*sources, *targets):
            os.close(descriptor)
    return True


def enter(wanted: list[str], entered: list[str], sources: list[int], targets: list[int]) -> None:
    """Close the directories that are left, and open those that are wanted; each is made in the new tree, as a listing comes to it once."""
    while entered != wanted[: len(entered)]:
        entered.pop()
        os.close(sources.pop())
        os.close(targets.pop())
    for name in wanted[len(entered) :]:
        os.mkdir(name, 0o700, dir_fd=targets[-1])
        sources.append(os.open(name, listing.DIRECTORY, dir_fd=sources[-1]))
        targets.append(os.open(name, listing.DIRECTORY, dir_fd=targets[-1]))
        entered.append(name)


class Changed(Exception):
    """Something else has the name by now."""


def link(source: int, target: int, name: str, file: File) -> None:
    """Give a file a second name, and root. Changed: it is another one than was listed."""
    try:
        os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        # ext4 ends at 64,999 names. The account reads it as it reads all others, when it comes back.
        group = copy(source, target, name)
        os.chown(name, -1, group, dir_fd=target, follow_symlinks=False)
        os.chmod(name, 0o440, dir_fd=target)
        return
    status = os.stat(name, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode) or status.st_ino != file.inode:
        os.unlink(name, dir_fd=target)
        raise Changed(name)
    if status.st_uid != 0 or stat.S_IMODE(status.st_mode) != 0o440:
        # By our own name of it, which nobody else can exchange.
        os.chown(name, 0, -1, dir_fd=target, follow_symlinks=False)
        os.chmod(name, 0o440, dir_fd=target)


def copy(source: int, target: int, name: str) -> int:
    """Copy a file with its time, for root alone. Return the group of what was copied. Changed: it is none any more."""
    try:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    except OSError as error:
        raise Changed(name) from error
    with open(opened, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Changed(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o600, dir_fd=target), "wb") as made:
            shutil.copyfileobj(file, made, 1 << 20)
            made.flush()
            os.utime(made.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
    return status.st_gid


def expire(directory: str, stood: float, days: int) -> list[str]:
    """Remove the generations that are older than so many days, but never the newest. Return their names."""
    old = [name for made, name in known(directory)[:-1] if stood - made > days * DAY]
    # What is half removed must not pass for one.
    going = os.path.join(directory, OLD)
    if os.path.lexists(going):
        shutil.rmtree(going)
    for name in old:
        os.rename(os.path.join(directory, name), going)
        shutil.rmtree(going)
    return old


def gone(directory: str, before: dict[str, Gone]) -> dict[str, Gone]:
    """Of each generation but the newest: which is the next one, and of the files that the next one has no more, their inodes and bytes on
    the disk.

    `before`: what was found the last time. Only what is new is looked at: a file that was deleted does not come back.
    Odd: they are too many to be kept in mind.
    """
    generations, lost, count = names(directory), {}, 0
    for name, following in zip(generations, generations[1:]):
        if name in before and before[name][0] == following:
            lost[name] = before[name]
        else:
            after = {file.inode for file in listed(os.path.join(directory, following)).values()}
            files = listed(os.path.join(directory, name)).values()
            lost[name] = following, [(file.inode, file.room) for file in files if file.inode not in after]
        count += len(lost[name][1])
        if count > MOST_GONE:
            raise listing.Odd("it deleted more than %d files that can still be had back, which Borg does not do" % MOST_GONE)
    return lost


def room(repository: dict[str, File], directory: str, deleted: dict[str, Gone]) -> tuple[int, int]:
    """The bytes on the disk that a repository takes, and those that its generations hold beside it. `deleted`: see `gone`."""
    live = {file.inode: file.room for file in repository.values()}
    held = {inode: taken for _following, files in deleted.values() for inode, taken in files}
    for name in names(directory)[-1:]:
        held.update((file.inode, file.room) for file in listed(os.path.join(directory, name)).values())
    return sum(live.values()), sum(taken for inode, taken in held.items() if inode not in live)
