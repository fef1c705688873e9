# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""A file beside a local repository that is given up when its disk is full: Borg needs room to take archives away."""

from __future__ import annotations

import contextlib
import os

from rootless_backup import tree

NAME = "rootless-backup.reserve"
# In bytes: a small file of Borg's and its largest object, see `repository.SMALL_SEGMENT`; more for its index, four times.
SIZE = 32 << 20
# Where there is less than so many times as much it is not the reserve that fills the disk.
PLENTY = 8


def keep(location: str) -> None:
    """Make it, or let it grow, where there is plenty of room. It is only a help: where it cannot be made there is none."""
    path = os.path.join(location, NAME)
    with contextlib.suppress(OSError):
        size = SIZE + 4 * sum(entry.stat().st_size for entry in os.scandir(location) if entry.name.startswith("index."))
        if tree.room(location) < PLENTY * size:
            return
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < size:
                os.posix_fallocate(file, 0, size)
        except OSError:
            os.unlink(path)
        finally:
            os.close(file)


def give_up(location: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(location, NAME))
