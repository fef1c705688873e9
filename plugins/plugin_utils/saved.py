# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What opens the repositories of a host, in a directory of the control node.

Nothing in it is ever overwritten: it may be all that opens what a machine that is lost has saved. What differs is laid down beside it.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import re
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any

# No passphrase and no key is larger, in bytes.
MOST = 64 << 10
# Where a file can have no second name: vfat and some file systems of networks.
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP}


class Saved:
    """That directory: names and places are ours, only contents are the host's. ValueError: the options are not what they have to be."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.directory = str(options["directory"])
        self.files: list[dict[str, str]] = [dict(zip(("from", "as", "of"), map(str, each))) for each in options["files"]]
        # Shell patterns of the names of what opens a repository of this host, of whatever time.
        self.known: list[str] = list(map(str, options.get("known", [])))
        # Files of the host of which each is what is saved, on one that has been given back what opens its repositories.
        self.opens: list[str] = list(map(str, options.get("opens", [])))
        for each in self.files:
            if not re.fullmatch("[a-z0-9-]{1,40}", each["as"]):
                raise ValueError("%r is no name of a file" % each["as"])
        if not os.path.isabs(self.directory):
            raise ValueError("%s is no absolute path" % self.directory)

    def of(self, created: Collection[str]) -> list[dict[str, str]]:
        """What there is to save when these marks are there: of each its own, and what all need if there is any."""
        return [each for each in self.files if (each["of"] in created if each.get("of") else created)]

    def has(self, each: Mapping[str, str]) -> bool:
        return os.path.isfile(os.path.join(self.directory, each["as"]))

    def names(self) -> list[str]:
        """The names of all that is saved."""
        try:
            found = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []
        return [name for name in found if any(fnmatch.fnmatchcase(name, pattern) for pattern in self.known)
                and os.path.isfile(os.path.join(self.directory, name))]

    def expected(self, given: Mapping[str, str]) -> dict[str, bytes]:
        """What the host has to have of what opens its repositories: by its path what is `given` there, or else what is saved."""
        found = {path: given[path].encode() for path in self.opens if path in given}
        for each in self.files:
            if each["from"] in self.opens and each["from"] not in found and self.has(each):
                with open(os.path.join(self.directory, each["as"]), "rb") as file:
                    found[each["from"]] = file.read(MOST + 1)
        return found

    def prepare(self) -> None:
        """Make the directory, and see that files can be laid down in it. OSError: they cannot."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        probe = os.path.join(self.directory, ".%d.probe" % os.getpid())
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        os.unlink(probe)

    def set_aside(self) -> str | None:
        """Move what is saved into a directory of its own in this one. Return its path; None: there was nothing."""
        names = self.names()
        if not names:
            return None
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            aside = free(directory, time.strftime("before-%Y-%m-%d"))
            os.mkdir(aside, 0o700, dir_fd=directory)
            for name in names:
                os.rename(name, os.path.join(aside, name), src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
        finally:
            os.close(directory)
        return os.path.join(self.directory, aside)

    def write(self, each: Mapping[str, str], content: bytes) -> str:
        """Lay the file down: under its name if nothing has it yet, else beside what has it. Return its path."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fchmod(directory, 0o700)
            for name in of_name(directory, each["as"]):
                there = kept(directory, name)
                # A line end more is none of a secret's.
                if there is not None and there.rstrip(b"\n") == content.rstrip(b"\n"):
                    os.chmod(name, 0o600, dir_fd=directory)
                    return os.path.join(self.directory, name)
            new = ".%s.%d.new" % (each["as"], os.getpid())
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(new, flags, 0o600, dir_fd=directory), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            name = each["as"]
            if name in os.listdir(directory):
                # Of what is in it, and not by the id of its repository, which the host says.
                digest = hashlib.sha256(content).hexdigest()[:8]
                name = free(directory, "%s.%s-%s" % (name, time.strftime("%Y-%m-%d"), digest))
            put(directory, new, name)
            os.fsync(directory)
        finally:
            os.close(directory)
        return os.path.join(self.directory, name)


def of_name(directory: int, name: str) -> Iterator[str]:
    """What is in the directory of that name, and beside it."""
    yield from (each for each in sorted(os.listdir(directory)) if each == name or each.startswith(name + "."))


def put(directory: int, new: str, name: str) -> None:
    """Give a file a name that nothing has. OSError: something has it by now."""
    try:
        os.link(new, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        os.unlink(new, dir_fd=directory)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)


def kept(directory: int, name: str) -> bytes | None:
    """What is in a file of the directory; None if there is none, or no regular file of that name."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with open(descriptor, "rb") as file:
        return file.read(MOST + 1)


def free(directory: int, name: str) -> str:
    """This name, or one like it that nothing has yet."""
    taken, number, found = set(os.listdir(directory)), 1, name
    while found in taken:
        number += 1
        found = "%s-%d" % (name, number)
    return found
