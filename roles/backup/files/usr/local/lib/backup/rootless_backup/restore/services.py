# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Bring back what services have in `/etc` and `/var`: `backupctl restore-services`."""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import os
import shutil
import subprocess
import tempfile
import time

from rootless_backup import engine, host, paths, statefile, untrusted
from rootless_backup.control import codes
from rootless_backup.restore import holders, listing, program
from rootless_backup.restore.belonging import DIVIDED, TREES, Belonging, row_of
from rootless_backup.restore.dpkg import Packages
from rootless_backup.restore.terminal import INTERRUPTED, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CONTROL = "/usr/local/sbin/backupctl"
# What tells of the packages of a machine.
DPKG = "/var/lib/dpkg/info", "/var/lib/dpkg/status", "/var/lib/dpkg/statoverride", "/var/lib/apt/extended_states"


def main(options: argparse.Namespace) -> int:
    """Bring back what services have in /etc and /var. Return the exit code."""
    if os.geteuid() != 0:
        untrusted.die("backupctl restore-services: only root may stop services and write into /etc and /var", codes.NOT_ALLOWED)
    # What was stopped is started again.
    program.interruptible()
    try:
        if options.start:
            return 0 if holders.start() else 1
        return 0 if restore(options, engine.in_use()) else 1
    except engine.NoSuchRepository as refused:
        untrusted.die("backupctl restore-services: %s" % refused, codes.WRONG_USE)
    except engine.Refused as refused:
        untrusted.die("backupctl restore-services: %s" % refused)
    except (OSError, subprocess.SubprocessError, untrusted.Untrustworthy) as trouble:
        untrusted.die("backupctl restore-services: %s" % untrusted.reason(trouble))
    except KeyboardInterrupt:
        untrusted.die(INTERRUPTED % "restore-services", codes.INTERRUPTED)


def restore(options: argparse.Namespace, used: engine.Engine) -> bool:
    """Return whether all that is to come back did, and all services run again that should."""
    contents = listing.read("restore-services", used, options.repository, options.archive)
    saved_paths, rows = set[str](), set[str]()
    # No list of all paths: there may be millions.
    for item in contents.items:
        path = "/" + item["path"]
        saved_paths.update({path} & {*DPKG})
        if any(paths.is_below(path, tree) for tree in TREES):
            rows.add(row_of(path))
    divided = sorted(filter(DIVIDED.fullmatch, rows))
    rows = rows.difference(divided)
    with former_packages(options.repository, contents.archive, saved_paths) as former:
        belonging = Belonging(rows, Packages(), former, options.etc, options.host_keys)
        left = {row: why for row, why in ((row, belonging.why_left(row)) for row in sorted(rows)) if why}
    coming = sorted(rows - left.keys())
    units = holders.Holders(belonging).of(coming)
    for row in coming:
        untrusted.say("comes back  ", untrusted.printable(row))
    untrusted.say("services    ", untrusted.printable(", ".join(sorted(units)) or "none has to be stopped"))
    if options.list:
        for row, why in left.items():
            untrusted.say("stays       ", untrusted.printable("%s: %s" % (row, why)))
        return True
    remember(contents.archive, left)
    ok = tell_unmatched(options.etc or (), rows)
    try:
        if not holders.stop(units, holders.enabled(coming)):
            ok = False
            tell("backupctl restore-services: not all of them could be stopped, so what they hold may not come back whole")
        ok = put(options.repository, contents.archive, coming, left, divided) and ok
    finally:
        subprocess.run(["systemctl", "daemon-reload"], stdin=subprocess.DEVNULL, check=False)
        if options.keep_stopped:
            left_stopped()
        else:
            ok = holders.start() and ok
    return ok


def left_stopped() -> None:
    """Name what is stopped until somebody says otherwise."""
    names = holders.stopped()
    if names:
        untrusted.say("stopped until `backupctl restore-services --start`: ", untrusted.printable(", ".join(names)))


def tell_unmatched(patterns: Sequence[str], rows: set[str]) -> bool:
    """Name what was asked for of /etc and is nothing that can come back by itself. Return whether there is none."""
    lacking = [
        pattern for pattern in patterns if not any(fnmatch.fnmatchcase(row, pattern) or paths.is_below(row, pattern) for row in rows)
    ]
    for pattern in lacking:
        tell(
            "backupctl restore-services: --etc: %s is no directory or file right below /etc that is in the archive"
            % untrusted.printable(pattern)
        )
    return not lacking


def put(number: int | str, archive: str, coming: Sequence[str], left: dict[str, str], divided: Sequence[str]) -> bool:
    """Bring rows back in place, and nothing of those that stay. Return whether that succeeded."""
    trees = [tree for tree in TREES if any(paths.is_below(row, tree) for row in coming)]
    if not trees:
        return True
    options = argparse.Namespace(
        action="restore",
        repository=number,
        archive=archive,
        into=None,
        in_place=True,
        damaged=False,
        no_room_check=False,
        without=list(left),
        paths=trees,
        # What is divided is the new machine's, whoever has something in it.
        as_they_are=divided,
    )
    return program.main(options) == codes.GOOD


@contextlib.contextmanager
def former_packages(number: int | str, archive: str, saved_paths: set[str]) -> Iterator[Callable[[], Packages | None]]:
    """What gives the packages of the machine that was saved, taken out of the archive when it is asked for the first time."""
    directory = tempfile.mkdtemp(prefix="backup-packages-", dir=os.path.realpath("/var/tmp"))

    def give() -> Packages | None:
        wanted = [path for path in DPKG if path in saved_paths]
        if DPKG[1] not in wanted:
            return None
        command = [CONTROL, "restore", "--repository", str(number), "--archive", archive, "--into", directory, "--", *wanted]
        process = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if process.returncode != 0:
            tell(untrusted.printable_lines(process.stderr.decode(errors="backslashreplace").rstrip()))
            return None
        return Packages(directory + os.path.dirname(DPKG[1]))

    try:
        yield give
    finally:
        # Where nothing came it is gone already.
        shutil.rmtree(directory, ignore_errors=True)


# -- what was left, for who compares ----------------------------------------------------------------------------------


def note() -> str:
    # No hook has a name with a dot.
    return host.RESTORE_STATE + "/.left"


def remember(archive: str, left: dict[str, str]) -> None:
    os.makedirs(host.RESTORE_STATE, mode=0o711, exist_ok=True)
    statefile.write(note(), json.dumps({"archive": archive, "left": left, "begun": int(time.time())}) + "\n")


def remembered(archive: str) -> tuple[dict[str, str], int] | None:
    """What the last restore from an archive left, and why, and when it began; None: there was none."""
    from rootless_backup.records import status

    form = status.fields({"archive": status.text, "left": status.named(status.text), "begun": status.number})
    with contextlib.suppress(OSError, untrusted.Untrustworthy):
        known = status.checked(form, untrusted.read_plain(note()), note())
        if known["archive"] == archive:
            return known["left"], known["begun"]
    return None
