# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What the last run said, with its hooks; or the last check or drill: `backupctl log`."""

from __future__ import annotations

import grp
import os
import subprocess
import sys

from rootless_backup import host, untrusted
from rootless_backup.control import codes, known, task

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

# Who may read the journal of the machine. See journalctl(1).
READERS = "systemd-journal", "adm"
# Seconds: hooks begin with the run, and some a moment before it.
AROUND = 0.5


def main(options: argparse.Namespace) -> int:
    """Show what the last one said. Return the exit code."""
    if not may_read():
        untrusted.die(
            "backupctl log: only root and the members of the groups %s may read what a backup says" % " and ".join(READERS),
            codes.NOT_ALLOWED,
        )
    name = host.TASKS[options.task]
    running = task.state_of(name + ".service")["ActiveState"] in ("activating", "active")
    entry = known.read()[0]["units"].get(name)
    if entry is None and not running:
        untrusted.say("backupctl log: there was no %s yet, so it said nothing" % options.task, file=sys.stderr)
        return codes.FAILED
    times = []
    if not running and entry is not None:
        times = ["--since=@%.6f" % (entry["started"] - AROUND), "--until=@%.6f" % (entry["finished"] + AROUND)]
    elif running:
        times = ["--since=@%.6f" % (task.begun(name + ".service") - AROUND)]
    return show(["--unit=" + unit for unit in units_of(name)], times)


def may_read() -> bool:
    """Whether the journal would tell who asks."""
    groups = {os.getegid(), *os.getgroups()}
    for name in READERS:
        try:
            if grp.getgrnam(name).gr_gid in groups:
                return True
        except KeyError:
            continue
    return os.geteuid() == 0


def units_of(name: str) -> list[str]:
    """The units whose words belong to a task, some as patterns."""
    unit = name + ".service"
    if unit == task.BACKUP:
        return [unit, task.REST, *task.hooks()]
    return [unit, *(["backup-prepare@*.service", "backup-prove@*.service"] if name == host.TASKS["drill"] else [])]


def show(units: list[str], times: list[str]) -> int:
    """Show the journal of these units. Return the exit code."""
    command = ["journalctl", "--no-pager", "--quiet", "--output=short-iso", "--no-hostname", *times, *units]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout
        # What a hook, an engine or a server says is theirs: it must not move the terminal.
        whole = untrusted.pass_on(process.stdout, sys.stdout)
        if not whole:
            process.terminate()
    return codes.GOOD if process.returncode == 0 or not whole else codes.FAILED
