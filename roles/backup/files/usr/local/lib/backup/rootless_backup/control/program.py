# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""See how the backup of this machine does, and run it.

usage: backupctl status [--json]     the last run and its parts, the last good one, the next; exits with 1 if something is wrong
       backupctl run                 back up now, and follow the log; exits with 1 if it failed
       backupctl drill               prove the backups by restoring them, and follow the log
       backupctl check               check the repositories for damage now, and follow the log
       backupctl check-paths         what would be saved, and what is left out by which pattern, in the order of size
       backupctl list [ARCHIVE]      the archives, or all that is in one
       backupctl find PATTERN        in which archives a file is; see backupctl restore --help for this and the next two
       backupctl show ARCHIVE [PATH] what is in an archive
       backupctl restore PATH…       restore files, into a fresh directory or in place
       backupctl make-room           forget what backup_keep_* does not keep, also on a full disk
       backupctl restore-accounts    bring users and groups back, by name
       backupctl restore-packages    which packages the machine had; with --install: install them
       backupctl restore-services    bring back what services have in /etc and /var, while they are stopped
       backupctl compare [PATH…]     what of an archive is here as it was, what lies beside, what was left and why
       backupctl restored            all is back on a machine that was rebuilt: forget what is too old again
       backupctl remove-kept [--yes] take away what restores put aside or laid down in /var/tmp, of which status tells
       backupctl restore-db …        load a database, or what else a hook saved, from an archive; see backupctl restore-db --help

Members of the group backup_status_group may use status, run, drill, check and list without an archive. They need no privilege, and
never get what opens a repository; the rest is for root.
"""

from __future__ import annotations

import os
import sys

from rootless_backup import host, untrusted

HELP = {"-h", "--help"}


def main() -> None:
    sys.exit(int(act(*sys.argv[1:])))


def act(command: str = "", *more: str) -> int:
    """Do what is asked for. Return the exit code. What only one command needs is imported there: all of it would make each start slower."""
    if command == "status" and more in ((), ("--json",)):
        from rootless_backup.control import status

        return status.status(as_json=bool(more))
    if command in host.TASKS and not more:
        from rootless_backup.control import task

        return task.follow(host.TASKS[command] + ".service")
    if command == "check-paths" and not more:
        from rootless_backup.control import selected

        return selected.check_paths()
    if command == "list" and not more and os.geteuid() != 0:
        from rootless_backup.control import known

        return known.list_archives()
    if command in ("list", "find", "show", "restore", "make-room", "restored"):
        from rootless_backup.restore import program

        return program.main([command, *more])
    if command == "remove-kept" and more in ((), ("--yes",)):
        from rootless_backup.control import kept

        return kept.remove(agreed=bool(more))
    if command == "restore-accounts":
        from rootless_backup.restore import accounts

        return accounts.main(more)
    if command == "restore-packages":
        from rootless_backup.restore import packages

        return packages.main(more)
    if command == "restore-services":
        from rootless_backup.restore import services

        return services.main(more)
    if command == "compare":
        from rootless_backup.restore import comparison

        return comparison.main(more)
    if command == "restore-db":
        from rootless_backup.restore import databases

        return databases.main(more)
    usage = __doc__.split("\n", 2)[2].strip()
    if not HELP & {command, *more}:
        untrusted.die(usage)
    untrusted.say(usage)
    return 0
