# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is to be restored, and where: checked and completed before anything begins."""

from __future__ import annotations

import os
import tempfile
import time

from rootless_backup import untrusted
from rootless_backup.control import codes
from rootless_backup.restore import target
from rootless_backup.restore.metadata import is_trusted
from rootless_backup.restore.terminal import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    import contextlib

    from rootless_backup.engine import Engine


def targets_of(options: argparse.Namespace, host: Engine, stack: contextlib.ExitStack) -> list[int]:
    """Check and complete what is to be restored, and where. Return the directories that are written below, opened.

    `host`: the engine of this host.
    """
    for path in options.paths:
        if not path.startswith("/") or os.path.normpath(path) in ("/", "//"):
            untrusted.die(
                "backupctl restore: PATH: %s is not allowed. Use absolute paths other than /" % untrusted.printable(path), codes.WRONG_USE
            )
    options.paths = [os.path.normpath(path) for path in options.paths]
    for path in options.without:
        if not path.startswith("/"):
            untrusted.die("backupctl restore: --except: %s is not allowed. Use absolute paths" % untrusted.printable(path), codes.WRONG_USE)
    options.without = [os.path.normpath(path) for path in options.without]
    if options.in_place:
        options.bases = [base_of(path) for path in options.paths]
        directories = []
        for path, base in zip(options.paths, options.bases):
            refuse_own(base, host)
            try:
                directories.append(target.reached(base))
            except OSError as error:
                raise target.refusal("--in-place", path, error) from None
            stack.callback(os.close, directories[-1])
        # Whoever may change the directory above could have put another of those in it into the place of this one.
        options.trusted = [is_trusted(os.open("..", os.O_PATH, dir_fd=directory), close=True) for directory in directories]
        return directories
    if options.into is None:
        options.fresh = True
        options.into = tempfile.mkdtemp(prefix="restored-%s-" % time.strftime("%Y-%m-%d", time.gmtime()), dir=os.path.realpath("/var/tmp"))
    else:
        options.into = os.path.abspath(options.into)
        refuse_own(os.path.realpath(options.into), host)
    return [stack.enter_context(target.lent(options.into))]


def note(unit: str, options: argparse.Namespace, directories: list[int]) -> None:
    """Note what the restore is about to make, by which it is found again when somebody takes it away."""
    from rootless_backup.restore import leftovers

    options.kept, options.token = leftovers.name_of_kept(), os.urandom(16).hex()
    kept = sorted({os.path.join(base, options.kept) for base in options.bases}) if options.in_place else []
    fresh = [options.into] if options.fresh else []
    if not kept and not fresh:
        return
    try:
        leftovers.note(unit, {"token": options.token, "kept": kept, "fresh": fresh, "inode": str(os.fstat(directories[0]).st_ino)})
    except OSError as error:
        # No reason not to restore.
        tell("backupctl restore: what it lays down could not be noted (%s): remove it by hand when you are content" % error.strerror)


def refuse_own(place: str, host: Engine) -> None:
    """Nothing is restored into a repository, or into what the engine keeps: files of others lock it out."""
    for own in host.own():
        if place == own or place.startswith(own.rstrip("/") + "/"):
            raise target.Refused("%s is not allowed, since %s is %s's own. Restore into another directory" % (place, own, host.title))


def base_of(path: str) -> str:
    """The nearest directory at or above a path that is there: new files are made in it first, then take their places.

    Of what it says nothing holds a moment later; it is opened without following any link after.
    """
    base = path
    while not os.path.isdir(base) or os.path.islink(base):
        base = os.path.dirname(base)
    if base == "/":
        untrusted.die(
            "backupctl restore: --in-place: %s is not there, and restoring right below / would make all of it writable; make the "
            "directory first" % untrusted.printable(path),
            codes.WRONG_USE,
        )
    if os.path.realpath(base) != base:
        raise target.Refused("--in-place: a symbolic link is in %s. Use %s" % (path, os.path.realpath(base) + path[len(base) :]))
    return base
