# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""A task of the backup that is started and followed by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time

from rootless_backup import host, systemd, untrusted
from rootless_backup.control import codes, known
from rootless_backup.figures import span
from rootless_backup.records.status import STATUS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

BACKUP, REST = host.TASKS["run"] + ".service", host.REST + ".service"
# Who touches the pipe of a task's name in it asks for it.
REQUESTS = host.REQUEST_DIRECTORY


def main(options: argparse.Namespace) -> int:
    """Start a task, and follow it. Return the exit code."""
    unit = host.TASKS[options.action] + ".service"
    try:
        return follow(unit)
    except KeyboardInterrupt:
        untrusted.say(
            "\nbackupctl %s: interrupted, but %s goes on: `journalctl -fu %s` follows it, `systemctl stop %s` ends it"
            % (options.action, unit, unit, unit),
            file=sys.stderr,
        )
        return codes.INTERRUPTED


def follow(unit: str) -> int:
    """Start a unit and show its log until it has ended. Return the exit code."""
    begun = time.time()
    # By name: a pattern finds only units that have a log already, which a new hook has not.
    units = [unit, *([REST, *hooks()] if unit == BACKUP else [])]
    log = subprocess.Popen(
        ["journalctl", "--follow", "--output=cat", "--lines=0", *("--unit=" + name for name in units)], stdout=subprocess.PIPE
    )
    # What a hook, an engine or a server says is theirs: it must not move the terminal.
    telling = threading.Thread(target=untrusted.pass_on, args=[log.stdout, sys.stdout], daemon=True)
    telling.start()
    try:
        time.sleep(0.2)
        ok = systemd.start(unit) if os.geteuid() == 0 else ask(unit)
        if unit == BACKUP and not ok:
            wait_for_rest()
        wait_for_report(unit, begun)
        time.sleep(0.5)
    finally:
        # Also of who was interrupted alone, such as by kill(1), nothing stays that follows the log.
        log.terminate()
        telling.join()
    untrusted.say("%s %s after %s" % (unit, "succeeded" if ok else "failed", span(time.time() - begun)))
    return codes.GOOD if ok else codes.FAILED


def wait_for_rest() -> None:
    """Wait until what is there is saved of a run that failed before it saved anything."""
    while state_of(REST)["ActiveState"] == "activating":
        time.sleep(0.2)


def wait_for_report(unit: str, begun: float) -> None:
    """Wait a moment for the report: who asks for the status next shall be told of this run."""
    deadline = time.monotonic() + 30
    name = unit[: -len(".service")]
    # Before the first run there is none; who may not read it is told nothing.
    while (os.access(STATUS, os.R_OK) or not os.path.exists(STATUS)) and time.monotonic() < deadline:
        if known.read()[0]["units"].get(name, {}).get("finished", 0) >= int(begun):
            return
        time.sleep(0.1)


def hooks() -> list[str]:
    """The units that the backup starts."""
    commands = "\n".join(systemd.show_or_nothing(BACKUP, "ExecStartPre", "ExecStartPost").values())
    return re.findall(r"argv\[\]=\S*systemctl start (\S+) ;", commands)


def ask(unit: str) -> bool:
    """Have the unit started by the path unit that watches its file, and wait for its end. Return whether it succeeded."""
    before = state_of(unit)["InvocationID"]
    try:
        os.utime(os.path.join(REQUESTS, unit[: -len(".service")]))
    except PermissionError:
        untrusted.die("backupctl: only root and the members of the group %s may start it" % known.group_of(REQUESTS), codes.NOT_ALLOWED)
    deadline = time.monotonic() + 30
    while True:
        state = state_of(unit)
        if state["InvocationID"] != before and state["ActiveState"] not in ("activating", "active", "deactivating"):
            return state["Result"] == "success"
        if state_of(REST)["ActiveState"] == "activating":
            # It begins behind that.
            deadline = time.monotonic() + 30
        if state["InvocationID"] == before and time.monotonic() > deadline:
            untrusted.die("backupctl: %s did not start; is %s running?" % (unit, unit.replace(".service", ".path")))
        time.sleep(0.2)


def begun(unit: str) -> int:
    """When the run that is under way began, in seconds since 1970; 0 if that is not known."""
    timestamp = systemd.show_or_nothing(unit, "InactiveExitTimestamp")["InactiveExitTimestamp"]
    return int(timestamp[1:]) if re.fullmatch(r"@\d+", timestamp) else 0


def state_of(unit: str) -> dict[str, str]:
    return systemd.show_or_nothing(unit, "ActiveState", "InvocationID", "Result")
