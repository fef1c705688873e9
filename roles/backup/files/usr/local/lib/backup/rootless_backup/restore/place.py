# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""A directory in which files take the places of those that are there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess

from rootless_backup import untrusted
from rootless_backup.restore import room
from rootless_backup.restore.files import extract, tell_raised
from rootless_backup.restore.kept import Kept, exchanging, link
from rootless_backup.restore.metadata import alike, copy_metadata, is_trusted, look
from rootless_backup.restore.proof import Proof
from rootless_backup.restore.staging import SPARE, clear, linked_again, new_staging, remove_emptied, sweep
from rootless_backup.restore.target import made, opened
from rootless_backup.restore.terminal import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import SimpleNamespace

    from rootless_backup.engine import Repository


class Place:
    """A directory in which files take the places of those that are there.

    Each is made whole in a directory beside, then put into its place by rename(2): whatever ends this, a file is the old or the new
    one. What was there is linked into a directory of what is kept before. Names are looked up in directories that are open already,
    never through a symbolic link: whoever owns a directory below must not lead this elsewhere.
    """

    def __init__(self, base: str, place: str, trusted: bool, kept: str, token: str) -> None:
        # What people call it; where it is attached is used once, here.
        self.base = base
        self.opened = opened(place)
        # Whether nobody but root could have put it there.
        self.trusted = trusted
        self.kept = Kept(self.opened, base, kept, token)
        # Of what had to be copied and has more names: where its first one is, and that file, open, so that no other gets its number.
        self.copied: dict[tuple[int, int], tuple[int, str, int]] = {}
        # The directories in which there is nothing left of a restore that was killed.
        self.swept: set[tuple[int, int]] = set()
        self.restored = self.same = 0
        # What times the directory itself has in the archive, if it is restored: to be given again when the staging is gone from it.
        self.times: tuple[int, int] | None = None
        # What files have to be to be put in place.
        self.proof: Proof | None = None
        # Directories that keep their owner, mode and times if they are there.
        self.as_they_are: Sequence[str] = ()
        self.problems: list[str] = []
        self.raised: list[str] = []

    def restore(self, repository: Repository, archive: str, path: str, request: SimpleNamespace) -> bool:
        """Restore one path. Return whether all of it is in its place."""
        self.restored = self.same = 0
        self.problems, self.raised, self.times = [], [], None
        self.as_they_are = getattr(request, "as_they_are", ())
        sweep(self.opened)
        ok = False
        self.proof = Proof.of(repository, archive, path, request.damaged, request.without)
        if self.proof is None:
            self.problems.append("what is in archive %s cannot be told, so nothing of %s could be held to it" % (archive, path))
        elif not request.no_room_check:
            self.problems += room.lacking(self.opened, self.base, self.proof.files)
        if not self.problems:
            try:
                ok = self.take(repository, archive, path, request.terminal, request.without)
            except OSError as error:
                self.problems.append("%s: %s" % (self.base, error.strerror))
        for problem in self.problems:
            tell("backupctl restore: " + problem)
        tell_raised(self.raised)
        ok = ok and not self.problems
        untrusted.say(
            untrusted.printable(
                "%s from archive %s in place: %s: %d files, %d were as they are%s"
                % (
                    "restored" if ok else "NOT all was restored",
                    archive,
                    path,
                    self.restored,
                    self.same,
                    "".join("; what was there is kept in %s" % kept for kept in self.kept.paths()),
                )
            )
        )
        return ok

    def take(self, repository: Repository, archive: str, path: str, terminal: bool, without: Sequence[str] = ()) -> bool:
        """Have one path come out of the archive beside its place, and put into it what is whole. Return whether the engine succeeded."""
        # The owner of the directory can give it another name, and can never enter it.
        name, staging = new_staging(self.opened)
        try:
            os.fchdir(staging)
            ok, ended = extract(repository, archive, [path], terminal, self.base, without)
            os.chdir("/")
            if ended:
                self.put_staged(staging, path)
            else:
                # Not only the last file may not be whole: directories get their owners and modes at the end.
                self.problems.append(
                    "%s was not put in place, since %s did not come to its end; without --in-place what came of it stays"
                    % (path, repository.engine.title)
                )
            return ok
        finally:
            os.chdir("/")
            clear(staging)
            remove_emptied(name, staging, self.opened)
            os.close(staging)
            if self.times is not None:
                os.utime(self.opened, ns=self.times)

    def put_staged(self, staging: int, path: str) -> None:
        """Put the path itself where it is there as a directory, else what of it is right below the one that is there."""
        above, name = os.path.split(path) if path == self.base else (self.base, os.path.relpath(path, self.base).split("/")[0])
        source = os.dup(staging)
        try:
            for part in above.strip("/").split("/"):
                if part:
                    outer = source
                    source = opened(part, outer)
                    os.close(outer)
            if look(name, source) is None:
                return
            if path != self.base:
                self.put(source, name, self.opened, name, os.path.join(self.base, name))
            elif stat.S_ISDIR(os.lstat(name, dir_fd=source).st_mode):
                self.put_top(source, name)
            else:
                self.problems.append("%s: there it is a directory, and in the archive a file: move it away first" % path)
        except FileNotFoundError:
            # Nothing came, which the engine has told.
            return
        finally:
            os.close(source)

    def put_top(self, source: int, name: str) -> None:
        """Put what is staged as the very directory that is attached."""
        inner = opened(name, source)
        try:
            was, there = os.fstat(inner), os.fstat(self.opened)
            if there.st_uid != was.st_uid and not self.trusted:
                self.problems.append(
                    "%s belongs to user %d, and in the archive to %d; others than root may change the directory above, so "
                    "it may be another one. Give it its owner, or move it away, first" % (self.base, there.st_uid, was.st_uid)
                )
                return
            saved = self.is_saved(self.base, is_there=True)
            if saved:
                self.times = was.st_atime_ns, was.st_mtime_ns
            self.fill(inner, was, self.opened, self.base, saved)
        finally:
            os.close(inner)

    def put(self, source: int, name: str, target: int, below: str, path: str) -> None:
        """Put what is staged as `name` in the directory `source` into its place `below` in the directory `target`."""
        try:
            if stat.S_ISDIR(os.lstat(name, dir_fd=source).st_mode):
                self.put_directory(source, name, target, below, path)
            else:
                self.put_file(source, name, target, below, path)
        except OSError as error:
            self.problems.append("%s: %s" % (path, error.strerror))

    def put_directory(self, source: int, name: str, target: int, below: str, path: str) -> None:
        inner = opened(name, source)
        outer = None
        try:
            # Before what is in it moves away.
            was = os.fstat(inner)
            there = look(below, target)
            if there is not None and stat.S_ISDIR(there.st_mode):
                outer = opened(below, target)
                if not (os.fstat(outer).st_uid == was.st_uid or is_trusted(target)):
                    # Its owner would get what is for others, or the owner in the archive a directory that somebody moved here.
                    os.close(outer)
                    outer = None
            is_there = outer is not None
            if outer is None:
                new = made(below if there is None else SPARE, target if there is None else source)
                if there is not None:
                    self.kept.keep(target, below, path, exchanging(SPARE, source))
                outer = new
                os.fchmod(outer, 0o755 if is_trusted(target) else 0o700)
            self.fill(inner, was, outer, path, self.is_saved(path, is_there))
        finally:
            os.close(inner)
            if outer is not None:
                os.close(outer)

    def is_saved(self, path: str, is_there: bool) -> bool:
        """Whether a directory itself becomes what the archive says of it."""
        stays = is_there and path in self.as_they_are
        return not stays and self.proof is not None and self.proof.tells_of_directory(path)

    def fill(self, inner: int, was: os.stat_result, outer: int, path: str, saved: bool) -> None:
        """Make an open directory what another is in the archive, which `was` so, if that is `saved`; what else is in it stays."""
        # First: what is put into it may be for fewer eyes than it was open to.
        try:
            if saved:
                copy_metadata(inner, was, outer)
        except OSError as error:
            # A file system may hold no owners, ACLs or attributes. What is in it comes all the same, for its owner's eyes.
            self.problems.append("%s: not all of its owner, mode and attributes: %s" % (path, error.strerror))
            with contextlib.suppress(OSError):
                os.fchmod(outer, stat.S_IMODE(was.st_mode) & ~0o077)
        for child in sorted(os.listdir(inner)):
            self.put(inner, child, outer, child, path + "/" + child)
        if saved:
            os.utime(outer, ns=(was.st_atime_ns, was.st_mtime_ns))

    def put_file(self, source: int, name: str, target: int, below: str, path: str) -> None:
        here = os.lstat(name, dir_fd=source)
        assert self.proof
        doubt = self.proof.doubt(path, here)
        if doubt:
            self.problems.append("%s: %s, so it was not put in place" % (path, doubt))
            return
        if self.proof.is_damaged(path):
            self.problems.append("%s: it was put in place with zeros, where the repository lost a part of it" % path)
        there, mode = look(below, target), here.st_mode
        if there is not None and alike(source, name, target, below, there):
            self.same += 1
            return
        if there is not None and stat.S_ISDIR(there.st_mode):
            self.kept.keep(target, below, path, exchanging(name, source))
            self.tell_restored(mode, path)
            return
        if there is not None:
            self.kept.keep(target, below, path, link)
        try:
            os.rename(name, below, src_dir_fd=source, dst_dir_fd=target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self.copy(source, name, target, below)
        self.tell_restored(mode, path)

    def tell_restored(self, mode: int, path: str) -> None:
        self.restored += 1
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            self.raised.append(path)

    def copy(self, source: int, name: str, target: int, below: str) -> None:
        """Put a file into its place on another file system: made whole in a directory beside it, then renamed."""
        here, there = os.lstat(name, dir_fd=source), os.fstat(target)
        known = here.st_ino, there.st_dev
        if (there.st_dev, there.st_ino) not in self.swept:
            self.swept.add((there.st_dev, there.st_ino))
            sweep(target)
        beside_name, beside = new_staging(target)
        try:
            first = self.copied.get(known)
            if first is None or not linked_again(first, beside):
                command = [
                    "cp",
                    "--archive",
                    "--no-target-directory",
                    "--",
                    "/proc/self/fd/%d/%s" % (source, name),
                    "/proc/self/fd/%d/copy" % beside,
                ]
                copied = subprocess.run(
                    command,
                    pass_fds=(source, beside),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    check=False,
                )
                if copied.returncode != 0:
                    raise OSError(errno.EIO, copied.stderr.decode(errors="backslashreplace").strip())
                if here.st_nlink > 1:
                    with contextlib.suppress(OSError):
                        # Where too many are open, it is copied again.
                        made = os.open("copy", os.O_PATH | os.O_NOFOLLOW, dir_fd=beside)
                        self.copied[known] = os.dup(target), below, made
            os.rename("copy", below, src_dir_fd=beside, dst_dir_fd=target)
        finally:
            clear(beside)
            remove_emptied(beside_name, beside, target)
            os.close(beside)
