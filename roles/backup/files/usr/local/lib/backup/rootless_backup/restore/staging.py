# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The directory in which what comes is made whole, before it takes its place."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat

from rootless_backup.restore import target
from rootless_backup.restore.metadata import DEFAULT_ACL, look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

STAGING = ".backup-restore-"
# A directory that is to take the place of a file.
SPARE = STAGING + "directory"
# Tells a staging directory from another one of the same user, such as a repository, that somebody gave the name of one.
MARK = STAGING + "mark"


def new_staging(directory: int) -> tuple[str, int]:
    """A new directory in another that nobody but this process can enter: its name, and itself, opened."""
    name = STAGING + os.urandom(6).hex()
    staging = target.made(name, directory)
    os.close(os.open(MARK, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=staging))
    for acl in (DEFAULT_ACL, "system.posix_acl_access"):
        # See without_default_acl.
        with contextlib.suppress(OSError):
            os.removexattr(staging, acl)
    os.fchmod(staging, 0o700)
    return name, staging


def sweep(directory: int) -> None:
    """Take away what a restore left that was killed."""
    for name in os.listdir(directory):
        if name.startswith(STAGING):
            discard(name, directory)


def discard(name: str, directory: int) -> None:
    """Take away the staging of a restore that was killed, and nothing else that somebody gave its name."""
    try:
        staging = target.opened(name, directory)
    except OSError:
        return
    try:
        file_stat, mark = os.fstat(staging), look(MARK, staging)
        if file_stat.st_uid == os.geteuid() and mark is not None and mark.st_uid == os.geteuid():
            clear(staging)
            remove_emptied(name, staging, directory)
    finally:
        os.close(staging)


def clear(directory: int) -> None:
    """Remove what is in an open directory, going by open directories only."""
    for name in sorted(os.listdir(directory), key=lambda name: name == MARK):
        if stat.S_ISDIR(os.lstat(name, dir_fd=directory).st_mode):
            inner = target.opened(name, directory)
            try:
                clear(inner)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=directory)
        else:
            os.unlink(name, dir_fd=directory)


def remove_emptied(name: str, emptied: int, directory: int) -> None:
    """Remove a directory that was emptied, also if somebody gave it another name meanwhile. What is not empty no rmdir(2) removes."""
    for candidate in itertools.chain([name], anew(directory)):
        file_stat = look(candidate, directory)
        if file_stat is not None and os.path.samestat(file_stat, os.fstat(emptied)):
            with contextlib.suppress(OSError):
                os.rmdir(candidate, dir_fd=directory)
                return


def anew(directory: int) -> Iterator[str]:
    """The names in an open directory, looked up when they are asked for."""
    yield from os.listdir(directory)


def linked_again(first: tuple[int, str, int], beside: int) -> bool:
    """Link a file that was put into its place before as `copy`. Return whether it was still that file."""
    place, name, made = first
    try:
        os.link(name, "copy", src_dir_fd=place, dst_dir_fd=beside, follow_symlinks=False)
    except OSError:
        return False
    if os.path.samestat(os.lstat("copy", dir_fd=beside), os.fstat(made)):
        return True
    os.unlink("copy", dir_fd=beside)
    return False
