# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""List, find, show and restore what is in the archives: `backupctl list`, `find`, `show` and `restore`.

usage: backupctl list [--repository N] [ARCHIVE]
       backupctl find [--repository N] [--archive ARCHIVE] PATTERN
       backupctl show [--repository N] ARCHIVE [PATH]
       backupctl restore [--repository N] [--archive ARCHIVE] [--into DIRECTORY | --in-place] [--except PATH]… PATH…
       backupctl make-room [--repository N]
       backupctl restored

  backupctl list                            the archives, oldest first; with ARCHIVE all that is in it
  backupctl find nginx.conf                 every version of what has this name; a PATTERN with a slash is of the whole path
  backupctl show latest /etc                what was in a directory
  backupctl restore /etc/nginx /srv/www     into a fresh directory below /var/tmp; it says where
  backupctl restore --archive HOST-files-2026-01-31T02:00:00Z --into /srv/restored /home/alice
  backupctl restore --in-place /srv/www     each file takes the place of the one that is there, which is kept; files that
                                            the archive does not have stay; only what came whole is put in place. See
                                            backupctl remove-kept for when you are content
  backupctl make-room                       forgets what backup_keep_* does not keep, as a good backup does, also on a full disk
  backupctl restored                        all is back on a machine that was rebuilt: backups forget what is too old again

ARCHIVE is `latest`, the newest of the files (what restore takes if none is named), `latest-dumps`, or a name of `backupctl list`. On a
machine that was rebuilt the newest is that from before, until `backupctl restored`.
It runs as a user of its own, with the capabilities that owners and the like need, and can write below the target only.
Programs with the set-user-id bit come back as such; each is named.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time

from rootless_backup import engine, systemd, untrusted
from rootless_backup.restore import request, target
from rootless_backup.restore.terminal import INTERRUPTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

PROGRAM = "/usr/local/lib/backup/backup-restore"


def main(arguments: list[str]) -> int:
    """List, find, show or restore. Return the exit code."""
    for each in (sys.stdout, sys.stderr):
        untrusted.escape_rest(each)
    # Each directory in another takes some calls.
    sys.setrecursionlimit(50_000)
    if arguments[:1] == ["--in-unit"]:
        # In the transient unit, as a user without privileges, or with those of restoring.
        from rootless_backup.restore import unit

        return unit.main(**json.loads(arguments[1]))
    asked = parse(arguments)
    if os.geteuid() != 0:
        untrusted.die("backupctl %s: only root may start it; it then runs as another user" % asked.action)
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, interrupt)
    try:
        return in_unit(asked, engine.in_use())
    except engine.Refused as refused:
        untrusted.die(str(refused))
    except target.Refused as refused:
        untrusted.die("backupctl restore: " + untrusted.printable(str(refused)))
    except KeyboardInterrupt:
        untrusted.die(INTERRUPTED % asked.action)


def interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def parse(arguments: list[str]) -> argparse.Namespace:
    usage, more = __doc__.split("\n", 2)[2].strip()[len("usage: ") :].split("\n\n", 1)
    looks: dict[str, Any] = {"epilog": more, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(prog="backupctl", usage=usage, **looks)
    actions = parser.add_subparsers(dest="action", required=True)
    for name in ("list", "find", "show", "restore", "make-room", "restored"):
        action = actions.add_parser(name, prog="backupctl " + name, usage=usage, **looks)
        if name == "restored":
            action.set_defaults(repository=1)
            continue
        action.add_argument("--repository", type=int, default=1, help="the number of a repository, in their order; the first if not given")
        if name in ("find", "restore"):
            action.add_argument("--archive", default="latest" if name == "restore" else None)
        if name == "find":
            action.add_argument("pattern")
        elif name == "list":
            action.add_argument("archive", nargs="?")
        elif name == "show":
            action.add_argument("archive")
            action.add_argument("path", nargs="?", default="/")
        elif name == "restore":
            where = action.add_mutually_exclusive_group()
            where.add_argument("--into")
            where.add_argument("--in-place", action="store_true")
            action.add_argument("--damaged", action="store_true", help="in place: also files that a repair filled up with zeros")
            action.add_argument("--no-room-check", action="store_true", help="in place: begin though there seems to be too little room")
            action.add_argument(
                "--except", action="append", default=[], dest="without", help="leave this path out, with all below; can be given more often"
            )
            action.add_argument("paths", nargs="+")
    return parser.parse_args(arguments)


def in_unit(asked: argparse.Namespace, host: engine.Engine) -> int:
    """Do it in a unit of its own, with the sandbox that it needs. Return its exit code."""
    location = host.repository(asked.repository).location
    asked.terminal = sys.stderr.isatty()
    asked.places, asked.fresh = [], False
    name = name_of(asked)
    with contextlib.ExitStack() as stack:
        if asked.action == "restore":
            stack.enter_context(host.kept_from_change(location))
            directories = request.targets_of(asked, host, stack)
            request.note(name, asked, directories)
            asked.places = stack.enter_context(target.attached(name, directories))
        restoring = bool(asked.places)
        properties = [*host.properties(location, restoring=restoring), *target.properties(asked.places)]
        terminal = sys.stdin.isatty() and sys.stdout.isatty()
        code = systemd.run_transient(name, systemd.transient(properties, inside(asked), terminal=terminal))
    if code != 0 and asked.action == "restore" and not asked.in_place:
        # Empty: nothing came.
        with contextlib.suppress(OSError):
            os.rmdir(os.path.basename(asked.into), dir_fd=target.reached(os.path.dirname(asked.into)))
    return code


def name_of(asked: argparse.Namespace) -> str:
    """The name of the unit, without its suffix."""
    return "backup-%s-%d-%d" % (asked.action, os.getpid(), time.time())


def inside(asked: argparse.Namespace) -> list[str]:
    """The command that runs in the unit."""
    return [PROGRAM, "--in-unit", json.dumps(vars(asked))]
