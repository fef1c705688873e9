# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The proofs of hooks: a program of a hook each, which tells whether what was restored of it is what was saved."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time

from rootless_backup import host, systemd, untrusted
from rootless_backup.drill import parts
from rootless_backup.drill.places import PREPARED, PROOFS, SEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Of what one program said, the last ones.
LINES = 200
LONGEST_LINE = 1000
# A proof has so many seconds at least, and what is prepared for all of them at the most.
LEAST, MOST_PREPARING = 60, 300


def prove_each(hook: str) -> bool:
    """Run the proofs of a hook: of all that is together still, and of each part. Return True: `judge` tells what came of them.

    None has more than its share of the time that is left: what is in a dump can make its proof take as long as it likes. So the small
    ones come first, and what they leave is for the large.
    """
    # If it was not laid down in parts, nothing is started: together, each owner would see the dumps of all.
    units = parts.units_of(hook) if parts.are_told(hook) else []
    if units:
        start_preparation(hook)
    end = time_limit()
    for remaining, unit in zip(range(len(units), 0, -1), units):
        share = max(LEAST, (end - time.monotonic()) / remaining)
        try:
            systemd.start(unit, timeout=share)
        except subprocess.TimeoutExpired:
            untrusted.tell(3, "%s did not end within %d s, its share of the time for the drill, and was ended" % (unit, share))
            systemd.stop(unit)
    return True


def start_preparation(hook: str) -> None:
    """Have made, once, what all proofs of a hook may read. Without it each makes its own."""
    unit = "backup-prepare@%s.service" % hook
    try:
        ok = "prepare" not in proof_of(hook) or systemd.start(unit, timeout=MOST_PREPARING)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        systemd.stop(unit)
        ok = False
    if not ok:
        untrusted.tell(
            4, "what the proofs of hook %s have in common could not be prepared, so they take longer; see journalctl -u %s" % (hook, unit)
        )


def time_limit() -> float:
    """When nine tenths of the drill's time are over, by the monotonic clock: the rest is to tell what came of it."""
    properties = systemd.show(host.TASKS["drill"] + ".service", "TimeoutStartUSec", "InactiveExitTimestampMonotonic")
    if properties["TimeoutStartUSec"] == "infinity":
        return float("inf")
    return (int(properties["InactiveExitTimestampMonotonic"]) + 0.9 * systemd.timespan(properties["TimeoutStartUSec"])) / 1e6


def prove(instance: str) -> bool:
    """Run the hook's proof on each of what was restored of it. Return whether each is proven."""
    hook = instance.split(":")[0]
    proof = proof_of(hook)
    ok = True
    for name in sorted(os.listdir(SEEN)):
        variables = {"BACKUP_DUMP": os.path.join(SEEN, name), "BACKUP_PREPARED": os.path.join(PREPARED, hook)}
        code, lines = run(proof["command"], {**proof["environment"], **variables})
        if code != 0:
            ok = False
            lines = lines or ["<3>the proof ended with exit code %d" % code]
        # A program such as cmp(1) says nothing if all is well.
        say(lines or ["<6>proven by %s" % proof["command"][0]], name.split("-", 1)[1] + ": ")
    return ok


def prepare(hook: str) -> bool:
    """Run what makes, once, what all proofs of a hook may read. Return whether it succeeded."""
    proof = proof_of(hook)
    code, lines = run(proof["prepare"], proof["environment"], os.path.join(PREPARED, hook))
    say(lines)
    return code == 0


def proof_of(hook: str) -> dict[str, Any]:
    """How a hook proves what was saved of it: `command`, `environment`, and `prepare` if it has it."""
    with open("%s/%s.json" % (PROOFS, hook), encoding="utf-8") as file:
        proof: dict[str, Any] = json.load(file)
    return proof


def run(command: list[str], environment: dict[str, str], directory: str | None = None) -> tuple[int, list[str]]:
    """Run a program of a hook, in a directory, or in its home, which goes with it. Return its exit code and the lines that it said."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="p") as home:
        process = subprocess.run(
            command,
            cwd=directory or home,
            env={**os.environ, **environment, "TMPDIR": home, "HOME": home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return process.returncode, process.stdout.decode(errors="backslashreplace").splitlines()


def say(lines: list[str], origin: str = "") -> None:
    """Say the last of these lines, each with its level and where it is from."""
    for line in lines[-LINES:]:
        level, text = (line[:3], line[3:]) if line[:1] == "<" and line[2:3] == ">" else ("<6>", line)
        untrusted.say("%s%s%s" % (level, origin, text[:LONGEST_LINE]))
