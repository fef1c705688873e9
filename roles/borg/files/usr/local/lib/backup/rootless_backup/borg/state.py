# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""What this host knows of its repositories, and the lock of all that uses Borg here."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import stat

from rootless_backup import engine, host, untrusted, voice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK = host.STATE + "/lock"
# Files that Borg keeps of a repository, such as its key, have no more bytes, and a directory of them has no more entries.
MOST = 1 << 20
MOST_ENTRIES = 1000


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One at a time on this host: a check holds its repository for longer than a backup should wait for a lock."""
    with open(LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            voice.JOURNAL.info("Another task of this host uses Borg; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stamp(location: str) -> str:
    """The file that says which repository was initialised there; without it none was."""
    return "%s/initialised/%s" % (host.STATE, engine.digest(location))


def read_stamp(location: str) -> str | None:
    """The id of the repository that was initialised there, or None."""
    try:
        with open(stamp(location), encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return None


def write_stamp(location: str, known: str) -> None:
    os.makedirs(os.path.dirname(stamp(location)), exist_ok=True)
    with open(stamp(location) + ".new", "w", encoding="ascii") as file:
        file.write(known + "\n")
    os.rename(stamp(location) + ".new", stamp(location))


def exported_key(location: str) -> str:
    """The file that the key of a repository is exported to."""
    return "%s/exported-keys/%s" % (host.STATE, engine.digest(location))


@contextlib.contextmanager
def kept_from_change() -> Iterator[None]:
    """Let no task of this host change a local repository while it is restored from: what restores cannot lock it.

    A task that is at work already is not waited for: while it saves it takes nothing away, and what it prunes Borg would miss, and say.
    """
    from rootless_backup.restore import target

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            state = target.reached(host.STATE)
            stack.callback(os.close, state)
            # Of the user borg, so it may be anything.
            lock = os.open("lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=state)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield


def borrow(tell: Callable[[str], object]) -> None:
    """Have Borg use a copy of its state that ends with the unit.

    What is kept as the user borg, code of that user may have written; and what is written here, with more rights, it could use.
    `tell`: called with a text for each file that is left out.
    """
    import tempfile

    borrowed = tempfile.mkdtemp(prefix="borg-")
    for name, depth in (("keys", 1), ("security", 2)):
        copy(os.path.join(host.STATE, ".config/borg", name), os.path.join(borrowed, ".config/borg", name), depth, tell)
    os.environ["BORG_BASE_DIR"] = borrowed
    os.environ["BORG_CACHE_DIR"] = os.path.join(borrowed, "cache")


def copy(directory: str, new: str, depth: int, tell: Callable[[str], object]) -> None:
    """Copy the small files of a directory, and of those in it, so many deep."""
    from rootless_backup.restore import target

    os.makedirs(new)
    try:
        opened = target.reached(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        tell("%s of Borg's own is left out: %s" % (directory, error.strerror))
        return
    try:
        for name in itertools.islice(os.listdir(opened), MOST_ENTRIES):
            if stat.S_ISDIR(os.lstat(name, dir_fd=opened).st_mode) and depth > 1:
                copy(os.path.join(directory, name), os.path.join(new, name), depth - 1, tell)
                continue
            try:
                content = untrusted.read_plain(name, most=MOST, dir_fd=opened)
            except (OSError, untrusted.Untrustworthy) as error:
                tell("%s of Borg's own is left out: %s" % (os.path.join(directory, name), error))
                continue
            with open(os.path.join(new, name), "wb") as file:
                file.write(content)
    finally:
        os.close(opened)
