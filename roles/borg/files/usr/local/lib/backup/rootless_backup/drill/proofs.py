# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""The proofs of hooks: a program of a hook each, which tells whether what was restored of it is what was saved."""

import json
import os
import subprocess
import tempfile
import time

from rootless_backup import systemd, untrusted
from rootless_backup.drill import parts
from rootless_backup.drill.places import PROOFS, SEEN

# Of what one proof said, the last ones.
LINES = 200
LONGEST_LINE = 1000
# A proof has so many seconds at least.
LEAST = 60


def prove_each(hook):
    """Run the proofs of a hook: of all that is together still, and of each part. Return True: `judge` tells what came of them.

    None has more than its share of the time that is left: what is in a dump can make its proof take as long as it likes. So the small
    ones come first, and what they leave is for the large.
    """
    # If it was not laid down in parts, nothing is started: together, each owner would see the dumps of all.
    units = parts.units_of(hook) if parts.are_told(hook) else []
    end = time_limit()
    for left, unit in zip(range(len(units), 0, -1), units):
        share = max(LEAST, (end - time.monotonic()) / left)
        try:
            systemd.start(unit, timeout=share)
        except subprocess.TimeoutExpired:
            untrusted.tell(3, "%s did not end within %d s, its share of the time for the drill, and was ended" % (unit, share))
            systemd.stop(unit)
    return True


def time_limit():
    """When nine tenths of the drill's time are over, by the monotonic clock: the rest is to tell what came of it."""
    known = systemd.show("backup-drill.service", "TimeoutStartUSec", "InactiveExitTimestampMonotonic")
    if known["TimeoutStartUSec"] == "infinity":
        return float("inf")
    return (int(known["InactiveExitTimestampMonotonic"]) + 0.9 * systemd.timespan(known["TimeoutStartUSec"])) / 1e6


def prove(instance):
    """Run the hook's proof on each of what was restored of it. Return whether each is proven."""
    hook = instance.split(":")[0]
    with open("%s/%s.json" % (PROOFS, hook), encoding="utf-8") as file:
        proof = json.load(file)
    ok = True
    for name in sorted(os.listdir(SEEN)):
        with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="p") as directory:
            env = {**os.environ, **proof["environment"], "BACKUP_DUMP": os.path.join(SEEN, name), "TMPDIR": directory, "HOME": directory}
            run = subprocess.run(proof["command"], cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, check=False)
        lines = run.stdout.decode(errors="backslashreplace").splitlines()
        if run.returncode != 0:
            ok = False
            lines = lines or ["<3>the proof ended with exit code %d" % run.returncode]
        # A program such as cmp(1) says nothing if all is well.
        lines = lines or ["<6>proven by %s" % proof["command"][0]]
        for line in lines[-LINES:]:
            level, text = (line[:3], line[3:]) if line[:1] == "<" and line[2:3] == ">" else ("<6>", line)
            untrusted.say("%s%s: %s" % (level, name.split("-", 1)[1], text[:LONGEST_LINE]))
    return ok
