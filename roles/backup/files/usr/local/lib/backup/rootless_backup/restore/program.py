# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""List, find, show or restore what is in the archives, in a unit of its own with the sandbox that it needs.

It runs as a user of its own; a restore with the capabilities that owners and the like need, and can write below the target only.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys

from rootless_backup import engine, systemd, untrusted
from rootless_backup.control import codes, known
from rootless_backup.restore import request, target
from rootless_backup.restore.terminal import INTERRUPTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import NoReturn

PROGRAM = "/usr/local/lib/backup/backup-restore"


def main(options: argparse.Namespace) -> int:
    """List, find, show or restore. Return the exit code."""
    if options.action == "list" and options.archive is None and os.geteuid() != 0:
        return known.list_archives()
    prepare()
    if os.geteuid() != 0:
        untrusted.die("backupctl %s: only root may start it; it then runs as another user" % options.action, codes.NOT_ALLOWED)
    interruptible()
    try:
        used = engine.in_use()
        return everywhere(options, used) if options.action in ("list", "find") and options.repository is None else in_unit(options, used)
    except engine.NoSuchRepository as refused:
        untrusted.die("backupctl %s: %s" % (options.action, refused), codes.WRONG_USE)
    except engine.Refused as refused:
        untrusted.die(str(refused))
    except target.Refused as refused:
        untrusted.die("backupctl restore: " + untrusted.printable(str(refused)))
    except KeyboardInterrupt:
        untrusted.die(INTERRUPTED % options.action, codes.INTERRUPTED)


def interruptible() -> None:
    """End as by Ctrl-C when the terminal or the connection is gone, or when told to end."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup(1) it is to go on.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def inside_unit(arguments: list[str]) -> int:
    """In the transient unit, as a user without privileges, or with those of restoring. Return the exit code."""
    prepare()
    if arguments[:1] != ["--in-unit"]:
        untrusted.die("backup-restore: `backupctl` starts it", codes.WRONG_USE)
    from rootless_backup.restore import unit

    return unit.main(**json.loads(arguments[1]))


def prepare() -> None:
    for stream in (sys.stdout, sys.stderr):
        untrusted.escape_rest(stream)
    # Each directory in another takes some calls.
    sys.setrecursionlimit(50_000)


def interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def everywhere(options: argparse.Namespace, host: engine.Engine) -> int:
    """Act in each repository, whatever comes of the others. Return the exit code; to find something in one repository is enough."""
    exit_codes = []
    for number, location in enumerate(host.repositories, 1):
        if len(host.repositories) > 1:
            untrusted.say("\n" if number > 1 else "", untrusted.printable(location), ":")
        options.repository = number
        exit_codes.append(in_unit(options, host))
        if exit_codes[-1] == codes.INTERRUPTED:
            return codes.INTERRUPTED
    return min(exit_codes) if options.action == "find" or options.archive else max(exit_codes)


def in_unit(options: argparse.Namespace, host: engine.Engine) -> int:
    """Act in a unit of its own, with the sandbox that it needs. Return its exit code."""
    location = host.repository(getattr(options, "repository", 1)).location
    options.repository = host.repositories.index(location) + 1
    options.terminal = sys.stderr.isatty()
    options.places, options.fresh = [], False
    name = systemd.transient_name(options.action)
    with contextlib.ExitStack() as stack:
        if options.action == "restore":
            stack.enter_context(host.kept_from_change(location))
            directories = request.targets_of(options, host, stack)
            request.note(name, options, directories)
            options.places = stack.enter_context(target.attached(name, directories))
        restoring = bool(options.places)
        properties = [*host.properties(location, restoring=restoring), *target.properties(options.places)]
        terminal = sys.stdin.isatty() and sys.stdout.isatty()
        code = systemd.run_transient(name, systemd.transient(properties, inside(options), terminal=terminal))
    if code != 0 and options.action == "restore" and not options.in_place:
        # Empty: nothing came.
        with contextlib.suppress(OSError):
            os.rmdir(os.path.basename(options.into), dir_fd=target.reached(os.path.dirname(options.into)))
    return code


def inside(options: argparse.Namespace) -> list[str]:
    """The command that runs in the unit."""
    return [PROGRAM, "--in-unit", json.dumps(vars(options))]
