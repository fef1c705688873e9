# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands at the top of a host, and is not saved."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# What every system has or makes anew, what only leads to other disks, and what the backup itself has there.
SYSTEM = {"backup", "backup.last", "bin", "boot", "dev", "initrd.img", "initrd.img.old", "lib", "lib32", "lib64", "libo32", "libx32",
          "lost+found", "media", "mnt", "proc", "run", "sbin", "sys", "tmp", "usr", "vmlinuz", "vmlinuz.old"}


def uncovered(covered: Iterable[str], top: str = "/", swaps: str = "/proc/swaps", mounts: str = "/proc/self/mountinfo") -> list[str]:
    """The places at the top that none of these paths is, or is below, and that hold something.

    What is mounted there is not looked into: a server may not answer.
    """
    covered = [os.path.normpath(path) for path in covered]
    if "/" in covered:
        return []
    known = {path.split("/")[1] for path in covered} | {path.strip("/") for path in in_swaps(swaps)} | SYSTEM
    mounted = mounted_in(mounts)
    return ["/" + name for name in sorted(os.listdir(top))
            if name not in known and ("/" + name in mounted or not is_empty(os.path.join(top, name)))]


def is_empty(path: str) -> bool:
    """Whether it is a directory that holds nothing."""
    try:
        # First: where a link leads may not answer.
        return not os.path.islink(path) and os.path.isdir(path) and not os.listdir(path)
    except OSError:
        return False


def in_swaps(path: str) -> set[str]:
    """The files that the kernel swaps to."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return {line.split()[0] for line in file if line.startswith("/")}
    except OSError:
        return set()


def mounted_in(path: str) -> set[str]:
    """The places on which something is mounted, as the kernel writes them."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return {line.split(" ")[4] for line in file if line.count(" ") > 4}
    except OSError:
        return set()
