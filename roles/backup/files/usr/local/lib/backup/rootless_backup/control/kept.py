# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Taking away what restores laid down: `backupctl remove-kept`."""

from __future__ import annotations

import contextlib
import os
import sys

from rootless_backup import systemd, untrusted
from rootless_backup.control import codes
from rootless_backup.figures import size
from rootless_backup.restore import leftovers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from rootless_backup.restore.leftovers import Leftover


def main(options: argparse.Namespace) -> int:
    return remove(options.yes)


def remove(agreed: bool) -> int:
    """List what restores laid down, and take it away if that is meant. Return 1 if something of it stays that should not."""
    if os.geteuid() != 0:
        untrusted.die("backupctl remove-kept: only root may take away what restores laid down", codes.NOT_ALLOWED)
    forget_over()
    removable = [leftover for leftover in leftovers.found() if is_over(leftover.unit)]
    if not removable:
        untrusted.say("restores have left nothing")
        return 0
    for leftover in removable:
        untrusted.say("%10s  " % size_of(leftover), untrusted.printable(leftover.path))
    if not agreed and not confirmed():
        untrusted.die("backupctl remove-kept: nothing was removed; --yes does without a question")
    stayed = 0
    for leftover in removable:
        trouble = attempt(leftover)
        if trouble:
            stayed += 1
            untrusted.say(untrusted.printable("backupctl remove-kept: %s: %s" % (leftover.path, trouble)), file=sys.stderr)
    forget_over()
    untrusted.say("%d of %d were removed" % (len(removable) - stayed, len(removable)))
    return 1 if stayed else 0


def size_of(leftover: Leftover) -> str:
    """How large a leftover is, for people."""
    try:
        amount = leftover.size()
    except OSError:
        amount = None
    return "large" if amount is None else size(amount)


def is_over(unit: str) -> bool:
    return systemd.show_or_nothing(unit + ".service", "ActiveState")["ActiveState"] in ("inactive", "failed")


def confirmed() -> bool:
    if not sys.stdin.isatty():
        return False
    untrusted.say("Remove all of them? [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def attempt(leftover: Leftover) -> str:
    """Take a leftover away. Return what kept it from going, or nothing."""
    try:
        return leftover.remove()
    except OSError as error:
        return error.strerror or str(error)


def forget_over() -> None:
    """Forget the notes of restores that have left nothing; where a directory is not there, its disk may come back."""
    for unit, note in list(leftovers.notes()):
        above = {os.path.dirname(path) for path in [*note["kept"], *note["fresh"]]}
        if is_over(unit) and all(map(os.path.isdir, above)) and not list(leftovers.of(unit, note)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(leftovers.directory(), unit))
