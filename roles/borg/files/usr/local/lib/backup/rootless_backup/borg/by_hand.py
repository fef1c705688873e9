# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Run any command of Borg by hand the way the backup does: as the user borg, with its passphrase and key.

usage: backup-borg [--repository N] [--into DIRECTORY] COMMAND [ARGUMENT…]

  backup-borg list                                   the archives of the first repository
  backup-borg --repository 2 list                    … of the second one of borg_repositories
  backup-borg list ::ARCHIVE                         what is in an archive
  backup-borg --into /srv/restored extract ::ARCHIVE etc/nginx
                                                     restore below a directory, with owners, modes, ACLs, capabilities
  backup-borg extract --stdout ::ARCHIVE backup/postgresql/15-main/shop.dump | pg_restore …

Never run borg itself as root on a local repository: files of root in it lock the backup out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys

from rootless_backup import engine, systemd, untrusted
from rootless_backup.restore import program, target

PROGRAM = "/usr/local/lib/backup/backup-borg"
# What only shows what is in a repository, and asks nothing.
LISTING = {"list", "diff", "info"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="backup-borg", usage=__doc__.split("\n", 2)[2].strip()[len("usage: ") :])
    parser.add_argument("--repository", default="1")
    parser.add_argument("--into")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("backup-borg: only root may start it; Borg itself then runs as the user borg")
    if not options.command:
        parser.error("which command of Borg?")
    if options.command[0] == "extract" and not options.into and not {"--stdout", "--dry-run", "-n"} & set(options.command):
        sys.exit("backup-borg: say where to, with --into DIRECTORY before extract, or extract --stdout")
    if "change-passphrase" in options.command:
        # Borg would take the old one for the new one, change nothing, and exit with 0; and this machine would not know a new one.
        sys.exit(
            "backup-borg: this would change nothing. On the control node set borg_passphrase to the new passphrase. If it is generated,\n"
            "run your playbook once with -e borg_new_passphrase=true. The repositories, this machine and the saved copy follow."
        )
    used = engine.in_use()
    try:
        location = used.repository(options.repository).location
        if options.into is not None:
            sys.exit(int(extract(used, location, options.into, options.command)))
    except (engine.Refused, target.Refused) as refused:
        untrusted.die("backup-borg: %s" % refused)
    run(used, location, options.command)


def run(used: engine.Engine, location: str, command: list[str]) -> None:
    """Become a command of Borg that writes nothing but the repository."""
    talks = sys.stdin.isatty() and sys.stdout.isatty()
    properties, call = used.properties(location), [PROGRAM, "run", "/", *command]
    if sys.stdout.isatty() and command[0] in LISTING:
        # Names of files, which could move the terminal. Programs that read it get it as it is.
        sys.exit(int(untrusted.relay(systemd.transient(properties, call))))
    os.execv(shutil.which("systemd-run") or "/usr/bin/systemd-run", systemd.transient(properties, call, terminal=talks))


def extract(used: engine.Engine, location: str, into: str, command: list[str]) -> int:
    """Run a command of Borg that writes below a directory. Return its exit code."""
    name = systemd.transient_name("by-hand")
    program.interruptible()
    with contextlib.ExitStack() as stack:
        stack.enter_context(used.kept_from_change(location))
        places = stack.enter_context(target.attached(name, [stack.enter_context(target.lent(into, mode=0o755))]))
        properties = [*used.properties(location, restoring=True), *target.properties(places)]
        call = [PROGRAM, "restore", places[0], *command]
        try:
            return systemd.run_transient(name, systemd.transient(properties, call, terminal=sys.stdin.isatty() and sys.stdout.isatty()))
        except KeyboardInterrupt:
            return 130
