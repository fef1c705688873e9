# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Files that tell a program what it knew the last time. Who reads one takes what is not of its form for absent, and says so."""

from __future__ import annotations

import contextlib
import os


def write(path: str, content: str, mode: int = 0o600) -> None:
    """Write by rename, once it is on the disk: nobody reads half of it, and no power failure leaves an empty one."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path + ".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path + ".new", flags, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
