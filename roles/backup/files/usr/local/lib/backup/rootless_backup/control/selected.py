# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What would be saved of this machine, and what is left out of it and by which pattern, in the order of size: `backupctl check-paths`.

Names and sizes only: no file is opened, and no link is followed.
"""

from __future__ import annotations

import os
import re
import stat
import sys

from rootless_backup import engine, host, paths, roots, settings
from rootless_backup.control import codes
from rootless_backup.figures import size
from rootless_backup.restore.terminal import Terminal, tell
from rootless_backup.selection import Selection
from rootless_backup.untrusted import die, printable, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

# Of a root so many of the largest directories and files in it are shown.
SHOWN = 10
MOUNTED = "another file system (backup_one_file_system)"


class Sum:
    """How many files, and how many bytes they have."""

    def __init__(self) -> None:
        self.files = self.bytes = 0

    def add(self, file_stat: os.stat_result) -> None:
        self.files += 1
        self.bytes += file_stat.st_size if stat.S_ISREG(file_stat.st_mode) else 0


class Walk:
    """What is below the roots."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        # What has no real file system is not walked: it has no size, and no end.
        self.excludes = [
            (pattern, why, re.compile(paths.shell_pattern(pattern), re.DOTALL)) for pattern, why in selection.excludes().items()
        ]
        self.left_out, self.unreal = selection.left_out(), set(selection.excludes()) - set(selection.patterns)
        self.saved: dict[str, Sum] = {}
        self.excluded: dict[tuple[str, str], Sum] = {}
        self.troubles: list[str] = []
        # What has a second name is saved once.
        self.seen: set[tuple[int, int]] = set()

    def root(self, root: str) -> None:
        """Sum up a root, and what is directly below it. What is a root too is summed up by itself."""
        device = os.lstat(root).st_dev if self.selection.one_file_system else None
        for path in [root, *self.entries(root)]:
            if path == root or path not in self.selection.paths:
                self.below(path, device, [self.saved.setdefault(top, Sum()) for top in sorted({root, path})], alone=path == root)

    def below(self, top: str, device: int | None, sums: Iterable[Sum], alone: bool = False) -> None:
        pending = [top]
        while pending:
            path = pending.pop()
            try:
                file_stat = os.lstat(path)
            except OSError as error:
                self.troubles.append("%s cannot be read: %s" % (path, error.strerror))
                continue
            counted = self.counted(path, file_stat, device)
            for total in sums if counted is None else counted:
                if file_stat.st_nlink == 1 or stat.S_ISDIR(file_stat.st_mode) or (file_stat.st_dev, file_stat.st_ino) not in self.seen:
                    total.add(file_stat)
            if file_stat.st_nlink > 1 and not stat.S_ISDIR(file_stat.st_mode):
                self.seen.add((file_stat.st_dev, file_stat.st_ino))
            if stat.S_ISDIR(file_stat.st_mode) and not alone and counted != []:
                pending += [entry for entry in self.entries(path) if entry not in self.selection.paths]

    def counted(self, path: str, file_stat: os.stat_result, device: int | None) -> list[Sum] | None:
        """The sum of the pattern that leaves a path out; none of it is counted if the list is empty; None: it is saved."""
        if device is not None and file_stat.st_dev != device:
            self.excluded.setdefault((path, MOUNTED), Sum())
            return []
        if not self.left_out.fullmatch(path):
            return None
        pattern, why = next((pattern, why) for pattern, why, regular in self.excludes if regular.fullmatch(path))
        total = self.excluded.setdefault((pattern, why), Sum())
        return [] if pattern in self.unreal else [total]

    def entries(self, path: str) -> list[str]:
        try:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                return []
            return [os.path.join(path, name) for name in sorted(os.listdir(path))]
        except OSError as error:
            self.troubles.append("%s cannot be read: %s" % (path, error.strerror))
            return []


def main(_options: argparse.Namespace) -> int:
    """Print what would be saved and what not. Return 1 if a run would fail by what was found."""
    if os.geteuid() != 0:
        die("backupctl check-paths: only root may ask, since it tells names and sizes of everybody's files", codes.NOT_ALLOWED)
    try:
        used = engine.in_use()
    except (OSError, ValueError) as error:
        die("backupctl check-paths: %s" % printable(str(error)))
    selection = Selection(settings.read(), used.own(), Terminal("check-paths"))
    problems = roots.missing([*selection.paths, host.DUMPS]) + selection.wake().problems + selection.troubles
    walk = Walk(selection)
    for root in selection.paths:
        if os.path.lexists(root):
            walk.root(root)
    say("Would be saved:")
    for root in by_size(walk.saved, selection.paths):
        row(walk.saved[root], root)
        within = [path for path in walk.saved if os.path.dirname(path) == root and path not in selection.paths]
        for path in by_size(walk.saved, within)[:SHOWN]:
            row(walk.saved[path], path, indent="    ")
    say("Left out:")
    for pattern, why in sorted(walk.excluded, key=lambda exclude: -walk.excluded[exclude].bytes):
        row(walk.excluded[(pattern, why)], pattern, why=why)
    unused = [(pattern, why) for pattern, why, _regular in walk.excludes if (pattern, why) not in walk.excluded]
    for pattern, why in unused:
        say("  %20s  %s" % ("nothing matches", printable(pattern)), "  ", printable(why))
    for problem in problems + walk.troubles[:SHOWN]:
        tell("backupctl check-paths: " + printable(problem))
    sys.stderr.flush()
    return codes.FAILED if problems or walk.troubles else codes.GOOD


def by_size(sums: dict[str, Sum], chosen: Iterable[str]) -> list[str]:
    return sorted((path for path in chosen if path in sums and sums[path].files > 0), key=lambda path: (-sums[path].bytes, path))


def row(total: Sum, path: str, indent: str = "", why: str = "") -> None:
    say("  %10s %9d  %s%s" % (size(total.bytes), total.files, indent, printable(path)), "  " if why else "", printable(why))
