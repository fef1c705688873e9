# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is to be saved, and what is left out."""

from __future__ import annotations

import os

from rootless_backup import host, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rootless_backup.voice import Voice


def what_to_save(asked: Iterable[str], voice: Voice) -> list[str]:
    """The roots of the archive of files: each once, without the dumps, and what a link points to beside the link."""
    roots = []
    for path in asked:
        roots.append(os.path.normpath(path))
        if os.path.islink(path) and os.path.isdir(path):
            voice.warning("%s is a symbolic link: what it points to, %s, is saved too" % (path, os.path.realpath(path)))
            roots.append(os.path.realpath(path))
    # An engine need not go into a root again that it has saved, so the deeper ones first: else they would be in twice.
    return sorted({path for path in roots if not paths.is_below(path, host.DUMPS)}, key=lambda path: (-path.count("/"), path))


def missing(saved: Iterable[str]) -> list[str]:
    """Messages for what is to be saved and is not there."""
    return ["%s does not exist; take it out of backup_paths if that is right" % path for path in saved if not os.path.lexists(path)]


def injected_excludes() -> list[str]:
    """What other software wants left out: in each file of a directory a pattern a line."""
    patterns = []
    for name in sorted(os.listdir(host.EXCLUDES)) if os.path.isdir(host.EXCLUDES) else ():
        with open(os.path.join(host.EXCLUDES, name), encoding="utf-8", errors="surrogateescape") as file:
            patterns += [line.rstrip("\n") for line in file if line.startswith("/")]
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
