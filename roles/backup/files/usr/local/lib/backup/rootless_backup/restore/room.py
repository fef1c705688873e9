# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The room that files need which are restored in place."""

from __future__ import annotations

import contextlib
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless_backup.engine import Files

# Of what is no content, such as names, owners and attributes, in bytes for each file.
BESIDE = 512


def lacking(opened: int, base: str, files: Files) -> Iterator[str]:
    """Where there is too little room to restore files in place below an open directory, a line each.

    All of it is laid down there first; what is on another file system below is copied to it then.
    """
    devices = Devices(opened)
    needed = {devices.of("."): sum(map(cost, files.sizes.values()))}
    for path, size in files.sizes.items():
        device = devices.of(os.path.relpath(os.path.dirname("/" + path), base))
        if device != devices.of("."):
            needed[device] = needed.get(device, 0) + cost(size)
    for device, bytes_needed in needed.items():
        where = devices.first[device]
        free = devices.room(where)
        if free is not None and bytes_needed > free:
            yield (
                "%.1f MB are needed on the file system of %s, and %.1f MB are free, so nothing was begun. Make room there, restore fewer "
                "paths at a time, or to another disk by --into; --no-room-check tries it all the same"
                % (bytes_needed / 1e6, os.path.normpath(os.path.join(base, where)), free / 1e6)
            )


def cost(size: int | None) -> int:
    return (size or 0) + BESIDE


class Devices:
    """The file systems of directories below an open one, as they are now. No link is followed."""

    def __init__(self, opened: int) -> None:
        self.opened = opened
        device = os.fstat(opened).st_dev
        # Of each path: its file system, and whether it is a directory.
        self.known = {".": (device, True)}
        # Of each file system the first directory.
        self.first = {device: "."}

    def of(self, path: str) -> int:
        """The file system that a directory is on, or would be."""
        if path.startswith(".."):
            return self.known["."][0]
        if path not in self.known:
            self.of(os.path.dirname(path) or ".")
            device, exists = self.known[os.path.dirname(path) or "."]
            if exists:
                exists = False
                with contextlib.suppress(OSError):
                    file_stat = os.lstat(path, dir_fd=self.opened)
                    exists = stat.S_ISDIR(file_stat.st_mode)
                    device = file_stat.st_dev if exists else device
            self.known[path] = device, exists
            self.first.setdefault(device, path)
        return self.known[path][0]

    def room(self, path: str) -> int | None:
        """How many bytes can be written there; None: that is not known."""
        try:
            directory = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.opened)
        except OSError:
            return None
        try:
            file_system = os.fstatvfs(directory)
            return file_system.f_bavail * file_system.f_frsize if file_system.f_blocks else None
        finally:
            os.close(directory)
