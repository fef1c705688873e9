# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What belongs to a file or a directory, and whose it is."""

from __future__ import annotations

import os
import stat

from rootless_backup import untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

DEFAULT_ACL = "system.posix_acl_default"


def is_trusted(directory: int, close: bool = False) -> bool:
    """Whether only root, or this process, could have put there what is in an open directory."""
    file_stat = os.fstat(directory)
    if close:
        os.close(directory)
    writable = file_stat.st_mode & 0o022 and not file_stat.st_mode & stat.S_ISVTX
    return file_stat.st_uid in (0, os.geteuid()) and not writable


def look(name: str, directory: int) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return None


def alike(source: int, name: str, target: int, below: str, there: os.stat_result) -> bool:
    """Whether a file, of whatever kind, is there as in the archive, so that it can stay."""
    here = os.lstat(name, dir_fd=source)

    def facts(file_stat: os.stat_result) -> tuple[float, ...]:
        return file_stat.st_mode, file_stat.st_uid, file_stat.st_gid, file_stat.st_size, file_stat.st_mtime_ns, file_stat.st_nlink

    if here.st_nlink != 1 or facts(here) != facts(there) or here.st_rdev != there.st_rdev:
        return False
    if stat.S_ISLNK(here.st_mode):
        return os.readlink(name, dir_fd=source) == os.readlink(below, dir_fd=target)
    if not stat.S_ISREG(here.st_mode):
        return True
    try:
        # Another may be in its place by now, such as a FIFO.
        theirs = untrusted.open_plain(below, dir_fd=target)
    except untrusted.Untrustworthy:
        return False
    with open(theirs, "rb") as target_file, open(untrusted.open_plain(name, dir_fd=source), "rb") as source_file:
        return (
            facts(os.fstat(theirs)) == facts(here)
            and attributes(source_file.fileno()) == attributes(theirs)
            and same_content(source_file, target_file)
        )


def same_content(first: IO[bytes], second: IO[bytes]) -> bool:
    while True:
        block = first.read(1 << 20)
        if block != second.read(1 << 20):
            return False
        if not block:
            return True


def attributes(file: int) -> dict[str, bytes]:
    return {name: os.getxattr(file, name) for name in os.listxattr(file)}


def copy_metadata(source: int, was: os.stat_result, target: int) -> None:
    """Give a directory the owner, mode, ACLs, other extended attributes and times of another, which `was` so."""
    os.fchown(target, was.st_uid, was.st_gid)
    wanted, present = attributes(source), attributes(target)
    for name in present.keys() - wanted.keys():
        # Labels of security modules are the host's.
        if not name.startswith("security."):
            os.removexattr(target, name)
    # Only now: beside an ACL it would set the mask of that in place of the group's rights.
    os.fchmod(target, stat.S_IMODE(was.st_mode))
    for name, value in wanted.items():
        if present.get(name) != value:
            os.setxattr(target, name, value)
    os.utime(target, ns=(was.st_atime_ns, was.st_mtime_ns))
