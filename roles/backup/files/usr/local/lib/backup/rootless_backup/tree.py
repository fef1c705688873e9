# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""A tree that came out of an archive, with whatever is in it: links, FIFOs, directories of any depth and with any modes."""

from __future__ import annotations

import contextlib
import os
import subprocess

from rootless_backup import untrusted
from rootless_backup.engine import Refused
from rootless_backup.records import manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def directories(top: str) -> Iterator[tuple[str, list[str]]]:
    """Each directory at or below `top`, as deep as a manifest may lie, and the names in it that are no directory's; no link is followed."""
    pending = [(top, 0)]
    while pending:
        path, depth = pending.pop()
        files = []
        with os.scandir(path) as listing:
            for entry in listing:
                if not entry.is_dir(follow_symlinks=False):
                    files.append(entry.name)
                elif depth < manifest.DEEPEST:
                    pending.append((entry.path, depth + 1))
        yield path, files


def open_up(top: str) -> None:
    """Let this user read and remove all of it."""
    # Not by os.walk: it ends at a thousand directories below each other. chmod(1) follows no link on its way down.
    subprocess.run(["chmod", "--recursive", "--silent", "u+rwX", "--", top], stdin=subprocess.DEVNULL, check=False)


def remove(*tops: str) -> None:
    """Remove trees, however deep."""
    subprocess.run(["rm", "--recursive", "--force", "--one-file-system", "--", *tops], stdin=subprocess.DEVNULL, check=True)


def room(directory: str) -> int:
    """How many bytes can be written to the file system of a directory."""
    filesystem = os.statvfs(directory)
    return filesystem.f_bavail * filesystem.f_frsize


def make_sure_of_room(directory: str, size: int, archive: str) -> None:
    """Refused: the file system of a directory has no room for so many bytes of an archive."""
    free = room(directory)
    if size > free:
        raise Refused(
            "archive %s: %.1f MB are needed in %s, and %.1f MB are free. Make room there, or mount a larger disk there."
            % (archive, size / 1e6, directory, free / 1e6)
        )


@contextlib.contextmanager
def place_of(top: str, path: str) -> Iterator[tuple[int, str]]:
    """The open directory that a relative path lies in below another, and its name there; no link is followed on the way.

    Untrustworthy: a link, or what is no directory, is in the way. FileNotFoundError: there is no such directory.
    """
    *above, name = path.split("/")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    place = os.open(top, flags)
    try:
        for part in above:
            try:
                inner = os.open(part, flags, dir_fd=place)
            except NotADirectoryError:
                raise untrusted.Untrustworthy("%s is no directory" % part) from None
            os.close(place)
            place = inner
        yield place, name
    finally:
        os.close(place)


def plain_below(top: str, path: str) -> int:
    """A descriptor of the regular file at a relative path below a directory. Untrustworthy: it is something else; see `place_of`."""
    with place_of(top, path) as (place, name):
        return untrusted.open_plain(name, dir_fd=place)


def is_there(top: str, path: str) -> bool:
    """Whether there is anything at a relative path below a directory, without a link on the way."""
    try:
        with place_of(top, path) as (place, name):
            os.lstat(name, dir_fd=place)
            return True
    except (untrusted.Untrustworthy, OSError):
        return False


def is_plain(top: str, path: str) -> bool:
    """Whether it is a file, and not a link to one, which would be another's."""
    try:
        os.close(plain_below(top, path))
        return True
    except (untrusted.Untrustworthy, OSError):
        return False
