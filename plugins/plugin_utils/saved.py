# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What opens the repositories of a host, in a directory of the control node.

A copy follows what the host has. Nothing is ever lost by that: it may be all that opens what a machine that is lost has saved. What was in
the place of the new one stays beside it, with its date.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import hmac
import os
import re
import secrets
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Any

# No passphrase and no key is larger, in bytes.
MOST = 64 << 10
# Behind the name of a secret: the one that is to take its place, and has not yet.
NEW = "-new"
# Where a file can have no second name: vfat and some file systems of networks.
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP}


class Saved:
    """That directory: names and places are ours, only contents are the host's. ValueError: the options are not what they have to be."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.directory = str(options["directory"])
        self.files: list[dict[str, str]] = [dict(zip(("from", "as", "of"), map(str, names))) for names in options["files"]]
        # Shell patterns of the names of what opens a repository of this host, of whatever time.
        self.known: list[str] = list(map(str, options.get("known", [])))
        # Files of the host of which each is what is saved, on one that has been given back what opens its repositories.
        self.opens: list[str] = list(map(str, options.get("opens", [])))
        # Secrets that can be changed, by their names here: where they are on the host.
        self.changes: dict[str, str] = {str(change["as"]): str(change["path"]) for change in options.get("changes", [])}
        # Which of them are to be, from now on.
        self.renew: list[str] = [str(name) for name in options.get("renew", [])]
        for entry in self.files:
            if not re.fullmatch("[a-z0-9-]{1,40}", entry["as"]):
                raise ValueError("%r is no name of a file" % entry["as"])
        if not os.path.isabs(self.directory):
            raise ValueError("%s is no absolute path" % self.directory)

    def of(self, created: Collection[str]) -> list[dict[str, str]]:
        """The files to save when these marks are there: those of each mark, and, if there is any, those that belong to none."""
        return [entry for entry in self.files if (entry["of"] in created if entry.get("of") else created)]

    def has(self, entry: Mapping[str, str]) -> bool:
        return os.path.isfile(os.path.join(self.directory, entry["as"]))

    def names(self) -> list[str]:
        """The names of all that is saved."""
        try:
            entries = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []
        return [name for name in entries if any(fnmatch.fnmatchcase(name, pattern) for pattern in self.known)
                and os.path.isfile(os.path.join(self.directory, name))]

    def expected(self, given: Mapping[str, str]) -> dict[str, bytes]:
        """What the host has to have of what opens its repositories: by its path what is `given` there, or else what is saved."""
        contents = {path: given[path].encode() for path in self.opens if path in given}
        for entry in self.files:
            if entry["from"] in self.opens and entry["from"] not in contents and self.has(entry):
                with open(os.path.join(self.directory, entry["as"]), "rb") as file:
                    contents[entry["from"]] = file.read(MOST + 1)
        return contents

    def begin(self, make: Callable[[str, str], None]) -> None:
        """Make what is to take the place of the old: `make` gets the name of a secret, and where to write it. OSError: it cannot be.

        A change that is under way goes on with what it began with: some repositories may be opened by that alone.
        """
        for name in self.renew:
            path = self.new(name)
            if name in self.changes and not os.path.lexists(path):
                self.prepare()
                make(name, path)

    def under_way(self, planned: Mapping[str, str]) -> list[str]:
        """The names of what is to take the place of the old by a plan: `planned` has the contents of files of the host, by their paths."""
        names = []
        for name, path in self.changes.items():
            if os.path.isfile(self.new(name)):
                with open(self.new(name), "rb") as file:
                    if same(planned.get(path, "").encode(), file.read(MOST + 1)):
                        names.append(name)
        return names

    def new(self, name: str) -> str:
        """Where the secret is that is to take the place of the one of this name."""
        return os.path.join(self.directory, name + NEW)

    def finish(self, name: str) -> list[str]:
        """What was new takes the place of the old, which stays beside it. Return the paths that were written."""
        new = self.new(name)
        with open(new, "rb") as file:
            written = self.write({"as": name}, file.read(MOST + 1))
        for path in (new, new + ".pub"):
            if os.path.lexists(path):
                os.unlink(path)
        return written

    def retire(self, name: str, content: bytes) -> list[str]:
        """Keep what opened the repositories until now, with its date: under its own name it would be taken for what opens them. Return the
        paths that were written.
        """
        self.prepare()
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            before = [] if any(same(kept(directory, other), content) for other in of_name(directory, name)) else [
                lay_down(directory, dated(directory, name), content)]
            os.fsync(directory)
        finally:
            os.close(directory)
        return [os.path.join(self.directory, file) for file in before]

    def dismiss(self, name: str) -> list[str]:
        """Give a secret that opens the repositories no more a name with the date. Return the paths that were written."""
        written = []
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for old in (name, name + NEW):
                if self.has({"as": old}):
                    written.append(dated(directory, name))
                    os.rename(old, written[-1], src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
        finally:
            os.close(directory)
        return [os.path.join(self.directory, file) for file in written]

    def digests(self, under_way: Collection[str]) -> dict[str, list[str]]:
        """Of each secret that is saved, by its path on the host, a salt and a digest, by which the host tells whether its own differs."""
        digests = {}
        for entry in self.files:
            # What is to take its place has done so by then.
            path = self.new(entry["as"]) if entry["as"] in under_way else os.path.join(self.directory, entry["as"])
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    salt = secrets.token_hex(16)
                    digests[entry["from"]] = [salt, keyed(salt, file.read(MOST + 1))]
        return digests

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

    def write(self, entry: Mapping[str, str], content: bytes) -> list[str]:
        """Lay the file down under its name. What has the name already and is another one stays beside it, with the day in its name. Return
        the paths that were written, the last of which is the file's own.
        """
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fchmod(directory, 0o700)
            name, before = entry["as"], kept(directory, entry["as"])
            if same(before, content):
                os.chmod(name, 0o600, dir_fd=directory)
                return [os.path.join(self.directory, name)]
            if before is None and name in os.listdir(directory):
                # A directory, or a link to elsewhere: not for us to move.
                return [os.path.join(self.directory, lay_down(directory, dated(directory, name), content))]
            written = []
            if before is not None:
                others = (other for other in of_name(directory, name) if other != name)
                if not any(same(kept(directory, other), before) for other in others):
                    written.append(lay_down(directory, dated(directory, name), before))
                new = lay_down(directory, free(directory, ".%s.%d.new" % (name, os.getpid())), content)
                # The old one is beside by now.
                os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
            else:
                lay_down(directory, name, content)
            os.fsync(directory)
        finally:
            os.close(directory)
        return [os.path.join(self.directory, path) for path in [*written, name]]


def keyed(salt: str, content: bytes) -> str:
    """A digest of a secret that says nothing without the salt. A line end more is none of a secret's."""
    return hmac.new(salt.encode(), content.rstrip(b"\n"), hashlib.sha256).hexdigest()


def same(known: bytes | None, content: bytes) -> bool:
    """Whether both are one secret."""
    return known is not None and known.rstrip(b"\n") == content.rstrip(b"\n")


def dated(directory: int, name: str) -> str:
    """The name of what was called so until today."""
    return free(directory, "%s.%s" % (name, time.strftime("%Y-%m-%d")))


def create(path: str, content: bytes) -> None:
    """Write a file that is not there, whole or not at all. OSError: it could not be written, or something is there."""
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lay_down(directory, os.path.basename(path), content)
        os.fsync(directory)
    finally:
        os.close(directory)


def lay_down(directory: int, name: str, content: bytes) -> str:
    """Write a file of this name, which nothing has, whole or not at all. Return the name. OSError: something has it by now."""
    new = ".%s.%d.tmp" % (name.lstrip("."), os.getpid())
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(new, flags, 0o600, dir_fd=directory), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        put(directory, new, name)
    except BaseException:
        if new in os.listdir(directory):
            os.unlink(new, dir_fd=directory)
        raise
    return name


def of_name(directory: int, name: str) -> Iterator[str]:
    """What is in the directory of that name, and beside it."""
    yield from (candidate for candidate in sorted(os.listdir(directory)) if candidate == name or candidate.startswith(name + "."))


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
    taken, number, candidate = set(os.listdir(directory)), 1, name
    while candidate in taken:
        number += 1
        candidate = "%s-%d" % (name, number)
    return candidate
