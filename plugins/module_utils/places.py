# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands at the top of a host, and is not saved."""

from __future__ import annotations

import os

# What every system has or makes anew, what only leads to other disks, and what the backup itself has there.
SYSTEM = {"backup", "backup.last", "bin", "boot", "dev", "initrd.img", "initrd.img.old", "lib", "lib32", "lib64", "libo32", "libx32",
          "lost+found", "media", "mnt", "proc", "run", "sbin", "sys", "tmp", "usr", "vmlinuz", "vmlinuz.old"}


def uncovered(covered, top="/", swaps="/proc/swaps"):
    """The places at the top that none of these paths is, or is below, and that hold something."""
    covered = [os.path.normpath(path) for path in covered]
    if "/" in covered:
        return []
    known = {path.split("/")[1] for path in covered} | {path.strip("/") for path in in_swaps(swaps)} | SYSTEM
    return ["/" + name for name in sorted(os.listdir(top)) if name not in known and not is_empty(os.path.join(top, name))]


def is_empty(path):
    """Whether it is a directory that holds nothing."""
    try:
        return os.path.isdir(path) and not os.path.islink(path) and not os.listdir(path)
    except OSError:
        return False


def in_swaps(path):
    """The files that the kernel swaps to."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return {line.split()[0] for line in file if line.startswith("/")}
    except OSError:
        return set()
