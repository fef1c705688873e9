# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What was there before files were restored in its place."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os

from rootless_backup.restore import leftovers, target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Keeping(Protocol):
        """What keeps a file: by its name and its new one, each in an open directory."""

        def __call__(self, name: str, new: str, /, *, src_dir_fd: int, dst_dir_fd: int) -> None: ...


LIBC = ctypes.CDLL(None, use_errno=True)


class Kept:
    """What was in a directory, in directories of their own in it, which are made when they are needed."""

    def __init__(self, opened: int, base: str, name: str, token: str) -> None:
        self.opened, self.base, self.name, self.token = opened, base, name, token
        # `(opened, path)`
        self.places: list[tuple[int, str]] = []

    def paths(self) -> list[str]:
        return [path for _opened, path in self.places]

    def keep(self, directory: int, name: str, path: str, how: Keeping) -> None:
        """Keep what is there, by link(2), or by an exchange with what comes, so that its place is never empty."""
        # Neither call crosses from one mount to another: there what is kept stays in the first directory that something is kept of.
        for place in (None, os.path.dirname(path)):
            for kept, _where in self.places:
                if os.fstat(kept).st_dev == os.fstat(directory).st_dev and self.keep_in(kept, directory, name, path, how):
                    return
            if place is not None or not self.places:
                self.open(directory if place else self.opened, place or self.base)
        if not self.keep_in(self.places[-1][0], directory, name, path, how):
            raise OSError(errno.EXDEV, "what is there cannot be kept, so it was left")

    def open(self, where: int, path: str) -> None:
        for count in itertools.count(1):
            name = self.name if count == 1 else "%s-%d" % (self.name, count)
            # There already: another restore kept something in this second.
            with contextlib.suppress(FileExistsError):
                kept = target.made(name, where)
                break
        # Without it they are to be removed by hand: nothing that keeps what comes back from its place.
        with contextlib.suppress(OSError):
            leftovers.mark(kept, self.token, self.places[0][0] if self.places else None, os.path.join(path, name))
        os.fchown(kept, 0, 0)
        self.places.append((kept, os.path.join(path, name)))

    def keep_in(self, place: int, directory: int, name: str, path: str, how: Keeping) -> bool:
        """Keep it in this place. Return whether that can be."""
        *above, last = os.path.relpath(path, os.path.dirname(self.base)).split("/")
        place = os.dup(place)
        try:
            for part in above:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=place)
                outer, place = place, target.opened(part, place)
                os.close(outer)
            how(name, last, src_dir_fd=directory, dst_dir_fd=place)
            return True
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
        finally:
            os.close(place)


def link(name: str, new: str, src_dir_fd: int, dst_dir_fd: int) -> None:
    os.link(name, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=False)


def exchanging(name: str, source: int) -> Keeping:
    """What puts the file `name` of the directory `source` into a place, and what was there into a new one, at the same instant."""

    def exchange(there: str, new: str, src_dir_fd: int, dst_dir_fd: int) -> None:
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=dst_dir_fd)
        # RENAME_EXCHANGE; see renameat2(2).
        if LIBC.renameat2(dst_dir_fd, os.fsencode(new), src_dir_fd, os.fsencode(there), 2) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    return exchange
