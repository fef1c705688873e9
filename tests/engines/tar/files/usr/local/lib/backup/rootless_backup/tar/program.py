"""Run the engine for the backup's units: create, rest or check."""

import sys

from rootless_backup import backup, engine, untrusted


def main():
    action = {"create": backup.create, "rest": backup.save_rest, "check": backup.verify}.get(sys.argv[1] if len(sys.argv) == 2 else "")
    if action is None:
        untrusted.die("usage: backup-tar create | rest | check")
    used = engine.in_use()
    with used.alone():
        sys.exit(0 if action(used) else 1)
