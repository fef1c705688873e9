# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The directory that files are restored into: opened once, attached where only root comes, and used from there only.

Whoever owns a directory above it could put another in its place, or a link, between any two looks at its path. So each part of the
path is opened in the one before and never through a link, and what was opened is bound by mount(2) below PLACES: of /proc/self/fd/N
that call takes the very directory, while `BindPaths=` and mount(8) read the text of the link, and look that up again.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import pwd
import stat

from rootless_backup import systemd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PLACES = "/run/backup-restore"
LIBC = ctypes.CDLL(None, use_errno=True)
# See mount(2) and umount(2).
MS_BIND, MS_REC, MS_SLAVE, MS_SHARED, MNT_DETACH, UMOUNT_NOFOLLOW = 4096, 16384, 1 << 19, 1 << 20, 2, 8


class Refused(Exception):
    """It cannot be restored there; the text says why, for people."""


def opened(name: str, directory: int | None = None) -> int:
    """A directory that can be listed, and is no link."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)


def made(name: str, directory: int) -> int:
    """A new directory, opened. OSError: somebody put another in its place meanwhile."""
    os.mkdir(name, 0o700, dir_fd=directory)
    new = opened(name, directory)
    file_stat, above = os.fstat(new), os.fstat(directory)
    own = file_stat.st_uid == os.geteuid() and stat.S_IMODE(file_stat.st_mode) & 0o777 == 0o700
    # A file system without owners and modes gives every directory those of the one above; then nobody else may write there.
    given = (file_stat.st_uid, file_stat.st_mode) == (above.st_uid, above.st_mode) and above.st_uid == 0 and not above.st_mode & 0o022
    if not (own or given) or os.listdir(new):
        os.close(new)
        raise OSError(errno.EBUSY, "somebody put another directory in the place of a new one")
    return new


def reached(path: str, make: bool = False) -> int:
    """The directory at an absolute path, opened part by part, none of which is a link; made where it is not there, if it may be.

    OSError: it cannot be.
    """
    here = opened("/")
    for part in path.split("/"):
        if part:
            try:
                there = opened(part, here)
            except FileNotFoundError:
                if not make:
                    raise
                there = made(part, here)
            finally:
                os.close(here)
            here = there
    return here


def refusal(option: str, path: str, error: OSError) -> Refused:
    """Why a directory could not be opened."""
    real = os.path.realpath(path)
    if error.errno in (errno.ELOOP, errno.ENOTDIR) and real != path:
        return Refused("%s: a symbolic link is in %s. Use %s" % (option, path, real))
    return Refused("%s: %s cannot be opened or made: %s" % (option, path, error.strerror))


@contextlib.contextmanager
def lent(path: str, mode: int = 0o700) -> Iterator[int]:
    """An empty directory at a path, made if it is not there, opened; until the end it is the restore's alone.

    What is being restored may be for fewer eyes than what it is restored into, and the engine looks names up by path.
    """
    path = os.path.abspath(path)
    there = os.path.lexists(path)
    try:
        directory = reached(path, make=True)
    except OSError as error:
        raise refusal("--into", path, error) from None
    try:
        # Asked again below: somebody else's that is in use is not even touched.
        demand_empty(directory, path)
        was = os.fstat(directory)
        before = was.st_uid, was.st_gid, stat.S_IMODE(was.st_mode) if there else mode
        try:
            user = pwd.getpwnam("backup-restore")
            # A file system may have no owners and modes.
            with contextlib.suppress(OSError):
                os.fchmod(directory, 0o700)
                os.fchown(directory, user.pw_uid, user.pw_gid)
            # Now, when nobody else can put anything into it.
            demand_empty(directory, path)
            yield directory
        finally:
            with contextlib.suppress(OSError):
                os.fchown(directory, *before[:2])
                os.fchmod(directory, before[2])
    finally:
        os.close(directory)


def demand_empty(directory: int, path: str) -> None:
    if os.listdir(directory):
        raise Refused("--into: %s is not empty. Use a directory that is empty or does not exist" % path)


@contextlib.contextmanager
def attached(unit: str, directories: Sequence[int]) -> Iterator[list[str]]:
    """Attach open directories for a unit of this name, with what is mounted below them. Yields where each of them is then."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(PLACES, 0o700)
    own = os.path.join(PLACES, unit)
    places = [os.path.join(own, str(number)) for number in range(len(directories))]
    held = None
    try:
        # Another one that sweeps just then must not take this for what one left that was killed.
        with open(os.path.join(PLACES, ".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            sweep()
            demand_alone(directories)
            os.mkdir(own, 0o700)
            held = opened(own)
            # Until the end of this process, whatever ends it: see sweep.
            fcntl.flock(held, fcntl.LOCK_EX)
            for directory, place in zip(directories, places):
                os.mkdir(place, 0o700)
                mount("/proc/self/fd/%d" % directory, place, MS_BIND | MS_REC)
                # What is mounted below would else be unmounted everywhere with it. And when it goes, it goes from every sandbox.
                mount(None, place, MS_REC | MS_SLAVE)
                mount(None, place, MS_REC | MS_SHARED)
                if not os.path.samestat(os.stat(place), os.fstat(directory)):
                    raise Refused("what was attached at %s is not what was opened" % place)
        yield places
    finally:
        if held is not None:
            # What cannot be taken away now the next one sweeps away.
            with contextlib.suppress(OSError):
                detach(own)
            os.close(held)


def demand_alone(directories: Sequence[int]) -> None:
    """Refused: another restore is at work in one of these, and would take the staging of this one for that of a killed one.

    By what is attached, and not by a lock on the directory itself, which anybody who may read it can hold.
    """
    attached = [os.path.join(place, name) for place in units() for name in os.listdir(place)]
    for directory in directories:
        if any(os.path.samestat(os.stat(place), os.fstat(directory)) for place in attached):
            raise Refused("another restore into %s is at work; wait for its end" % os.readlink("/proc/self/fd/%d" % directory))


def units() -> list[str]:
    """The directories of the units that something is attached for."""
    return [entry.path for entry in os.scandir(PLACES) if entry.is_dir(follow_symlinks=False)]


def mount(source: str | None, place: str, flags: int) -> None:
    if LIBC.mount(source and os.fsencode(source), os.fsencode(place), None, ctypes.c_ulong(flags), None) != 0:
        error = ctypes.get_errno()
        raise Refused("the target cannot be attached at %s: %s" % (place, os.strerror(error)))


def detach(own: str) -> None:
    """Take away what is attached in a directory of PLACES, and the directory."""
    for name in os.listdir(own):
        place = os.path.join(own, name)
        # As often as there is something: EINVAL says that there is nothing.
        while LIBC.umount2(os.fsencode(place), MNT_DETACH | UMOUNT_NOFOLLOW) == 0:
            pass
        # Never what is in it, should it be there still.
        os.rmdir(place)
    os.rmdir(own)


def sweep() -> None:
    """Take away what one left attached that was killed, once its unit has ended too."""
    for own in units():
        unit = os.path.basename(own)
        with contextlib.suppress(OSError):
            held = opened(own)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if systemd.show_or_nothing(unit + ".service", "ActiveState")["ActiveState"] in ("inactive", "failed"):
                    for name in os.listdir(own):
                        # It may have been killed before it did.
                        with contextlib.suppress(Refused):
                            mount(None, os.path.join(own, name), MS_REC | MS_SLAVE)
                    detach(own)
            finally:
                os.close(held)


def properties(places: Iterable[str]) -> Iterator[str]:
    """What systemd-run(1) is told of attached directories."""
    for place in places:
        yield "ReadWritePaths=" + place
        # What comes back is not run there.
        yield "NoExecPaths=" + place
        # Also if this program is killed. `+`: as root; the mounts of the unit are its own all the same.
        yield "ExecStopPost=-+/usr/bin/nsenter --target 1 --mount -- /usr/bin/umount --lazy --internal-only --no-canonicalize " + place
