# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""What this host knows of its repositories, and the lock of all that uses Borg here."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import itertools
import os
import re
import shutil
import stat

from rootless_backup import engine, host, statefile, untrusted, voice
from rootless_backup.records import archive as records
from rootless_backup.records import before, unfinished

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless_backup.voice import Voice

LOCK = host.STATE + "/lock"
REPOSITORY_ID = re.compile("[0-9a-f]{64}")
# What Borg knows of a repository, in files of these forms, and what is lost with one.
SECURITY = {
    "key-type": (re.compile(r"\d+"), ""),
    "location": (re.compile(r"[^\x00-\x1f\ufffd]+"), ""),
    "manifest-timestamp": (
        re.compile(r"\d{4}-\d\d-\d\dT[\d:.+-]+"),
        ": in the next run alone an older copy of the repository, put in its place, would not be noticed",
    ),
    "nonce": (re.compile("[0-9a-f]{16}"), ""),
}
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


def read_stamp(location: str, voice: Voice) -> str | None:
    """The id of the repository that was initialised there; None: none was, or the file that says so is damaged, which is told."""
    return read(stamp(location), REPOSITORY_ID, voice)


def stamps() -> dict[str, str]:
    """The ids of the repositories that were initialised, by the digest of their location."""
    ids = {}
    for name in os.listdir(os.path.dirname(stamp(""))) if os.path.isdir(os.path.dirname(stamp(""))) else ():
        # A damaged one is told by `read_stamp`, which reads it by its location.
        known = look(os.path.join(os.path.dirname(stamp("")), name), REPOSITORY_ID)[0]
        if known is not None:
            ids[name] = known
    return ids


def take_over(digest: str, location: str) -> None:
    """What is known of a repository goes on under its new place; that it was at the old one is forgotten."""
    for directory in (records.RECORDS, before.directory(), os.path.dirname(unfinished.path("")), os.path.dirname(authentic(""))):
        old, new = os.path.join(directory, digest), os.path.join(directory, engine.digest(location))
        if os.path.lexists(old) and not os.path.lexists(new):
            os.rename(old, new)
    for old in (os.path.join(os.path.dirname(stamp("")), digest), os.path.join(os.path.dirname(exported_key("")), digest)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(old)


def is_stamped(location: str) -> bool:
    """Whether a repository was initialised there once, even if it is not known any more which."""
    return os.path.lexists(stamp(location))


def write_stamp(location: str, known: str) -> None:
    os.makedirs(os.path.dirname(stamp(location)), exist_ok=True)
    statefile.write(stamp(location), known + "\n")


def read(path: str, form: re.Pattern[str], voice: Voice) -> str | None:
    """What a file of a line says; None: it is not there, or is not of the form, which is told."""
    content, trouble = look(path, form)
    if trouble:
        voice.warning("%s counts as absent: %s" % (path, trouble))
    return content


def look(path: str, form: re.Pattern[str]) -> tuple[str | None, str]:
    """What a file of a line says, or None, and what is wrong with it."""
    try:
        content = untrusted.read_plain(path, most=MOST).decode(errors="replace").strip()
    except FileNotFoundError:
        return None, ""
    except (OSError, untrusted.Untrustworthy) as trouble:
        return None, untrusted.reason(trouble)
    return (content, "") if form.fullmatch(content) else (None, "it is damaged" if content else "it is empty")


def mend_security(voice: Voice, encryption: str) -> None:
    """Take away what a power failure left of what Borg knows of repositories: with it Borg fails, and without it goes on."""
    for name, (form, lost) in SECURITY.items():
        for path in glob.glob(os.path.join(glob.escape(host.STATE), ".config/borg/security/*", name)):
            trouble = look(path, form)[1]
            if trouble:
                try:
                    os.unlink(path)
                except OSError as kept:
                    voice.error("%s: %s, and it cannot be taken away: %s" % (path, trouble, kept.strerror))
                    continue
                voice.warning("%s was taken away, since %s%s." % (path, trouble, lost))
                if encryption == "none":
                    # To Borg the repository is unknown now. Which one it has to be the stamp says.
                    os.environ["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] = "yes"


def drop_cache(location: str, voice: Voice) -> bool:
    """Take away what Borg keeps to be faster; of all repositories where it is not known which this is. Return whether that succeeded."""
    known = read_stamp(location, voice)
    top = os.environ.get("BORG_CACHE_DIR", host.CACHE)
    try:
        for name in os.listdir(top):
            path = os.path.join(top, name)
            if REPOSITORY_ID.fullmatch(name) and known in (None, name) and os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
    except OSError as trouble:
        voice.error("%s: its damaged cache cannot be taken away: %s" % (location, untrusted.reason(trouble)))
        return False
    return True


def authentic(location: str) -> str:
    """Is there once no archive of a repository is left that an older version of this collection renamed."""
    return "%s/authentic/%s" % (host.STATE, engine.digest(location))


def is_authentic(location: str) -> bool:
    return os.path.lexists(authentic(location))


def set_authentic(location: str) -> None:
    os.makedirs(os.path.dirname(authentic(location)), exist_ok=True)
    statefile.write(authentic(location), "")


@contextlib.contextmanager
def checked_whole(location: str) -> Iterator[None]:
    """Note that a repository is being checked all at once, for as long as that takes: what ends it from outside leaves the note."""
    os.makedirs(os.path.dirname(whole_check(location)), exist_ok=True)
    statefile.write(whole_check(location), "")
    try:
        yield
    finally:
        forget_whole_check(location)


def forget_whole_check(location: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(whole_check(location))


def whole_check(location: str) -> str:
    return "%s/checked-whole/%s" % (host.STATE, engine.digest(location))


def is_checked_whole(location: str) -> bool:
    """Whether that was noted, and not taken back: it was ended from outside."""
    return os.path.lexists(whole_check(location))


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
