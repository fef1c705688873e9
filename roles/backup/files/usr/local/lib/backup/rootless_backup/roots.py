# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is to be saved, and what is left out."""

from __future__ import annotations

import os

from rootless_backup import filesystems, host, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rootless_backup.filesystems import Mounts
    from rootless_backup.voice import Voice


def what_to_save(configured: Iterable[str], voice: Voice) -> list[str]:
    """The roots of the archive of files: each once, without the dumps, and what a link points to beside the link."""
    roots = []
    for path in configured:
        roots.append(os.path.normpath(path))
        if os.path.islink(path) and os.path.exists(path):
            voice.warning("%s is a symbolic link: what it points to, %s, is saved too" % (path, os.path.realpath(path)))
            roots.append(os.path.realpath(path))
    # An engine need not go into a root again that it has saved, so the deeper ones first: else they would be in twice.
    return sorted({path for path in roots if not paths.is_below(path, host.DUMPS)}, key=lambda path: (-depth(path), path))


def depth(path: str) -> int:
    return path.rstrip("/").count("/")


def of_dumps() -> list[str]:
    """The roots of the archive of the dumps. Of a link what it points to is saved, under the same names."""
    if os.path.islink(host.DUMPS) and os.path.isdir(host.DUMPS):
        return [os.path.join(host.DUMPS, name) for name in sorted(os.listdir(host.DUMPS))]
    return [host.DUMPS]


def missing(saved: Iterable[str]) -> list[str]:
    """Messages for what is to be saved and is not there."""
    saved = list(saved)
    absent = ["%s does not exist; take it out of backup_paths if that is right" % path for path in saved if not os.path.lexists(path)]
    dangling = [path for path in saved if os.path.islink(path) and not os.path.exists(path)]
    return absent + ["%s is a symbolic link to what does not exist, %s" % (path, os.path.realpath(path)) for path in dangling]


def ordered(roots: Sequence[str], table: Mounts, one_file_system: bool) -> tuple[list[str], list[str]]:
    """The roots as an engine takes them, which goes into no directory that was a root before; and messages for what no order saves.

    A root can be seen elsewhere too (a bind mount), with other mounts below: what leads there comes first, and the root after it.
    """
    before: dict[str, set[str]] = {root: {other for other in roots if other != root and paths.is_below(other, root)} for root in roots}
    covered, problems = set(), []
    for root in roots:
        for place in filesystems.elsewhere(table, root):
            for other in roots:
                if other == root or not paths.is_below(place, other) or not same(root, place):
                    continue
                if place == other:
                    problems += ["%s and %s are one directory: take one out of backup_paths" % (root, other)] if root < other else []
                elif one_file_system and os.lstat(root).st_dev != os.lstat(other).st_dev:
                    continue
                elif paths.is_below(root, other):
                    covered.add(root)
                else:
                    before[root].add(other)
    remaining, order = [root for root in roots if root not in covered], []
    while remaining:
        ready = [root for root in remaining if not before[root].intersection(remaining)]
        if not ready:
            problems.append("%s are mounted below each other: name in backup_paths what is to be saved of them" % ", ".join(remaining))
        order.append((ready or remaining)[0])
        remaining.remove(order[-1])
    return order, problems


def same(path: str, other: str) -> bool:
    """Whether two paths are of one thing."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except OSError:
        return False


def injected_excludes() -> dict[str, str]:
    """What other software wants left out: in each file of a directory a pattern a line. `{pattern: file}`."""
    patterns = {}
    for name in sorted(os.listdir(host.EXCLUDES)) if os.path.isdir(host.EXCLUDES) else ():
        path = os.path.join(host.EXCLUDES, name)
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            patterns.update({line.rstrip("\n"): path for line in file if line.startswith("/")})
    return patterns


def hooks() -> Iterator[os.DirEntry[str]]:
    """The directories of hooks below that of the dumps."""
    for entry in os.scandir(host.DUMPS) if os.path.isdir(host.DUMPS) else ():
        if entry.is_dir(follow_symlinks=False):
            yield entry


def empty_dumps() -> Iterator[str]:
    """The directories of hooks that hold nothing; a hook that has nothing to leave can leave a note of what it did."""
    for entry in hooks():
        try:
            if not os.listdir(entry.path):
                yield entry.path
        except OSError:
            # It went away, or it is told when it cannot be read.
            continue
