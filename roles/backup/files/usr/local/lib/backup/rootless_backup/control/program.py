# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""`backupctl`: see how the backup of this machine does, run it, and restore from it. `commands.py` says what it can be told."""

from __future__ import annotations

import importlib
import sys

from rootless_backup import untrusted
from rootless_backup.control import codes, parser
from rootless_backup.control.commands import COMMANDS


def main() -> None:
    sys.exit(int(act(sys.argv[1:])))


def act(words: list[str]) -> int:
    """Do what is asked for. Return the exit code."""
    options = parser.parse(words)
    # Only now: all modules of all commands would make each start slower.
    module, function = COMMANDS[options.action].run.split(":")
    try:
        return int(getattr(importlib.import_module("rootless_backup." + module), function)(options))
    except (OSError, untrusted.Untrustworthy) as trouble:
        # Such as settings that are gone: it says which file, and why.
        untrusted.die("backupctl %s: %s" % (options.action, untrusted.printable(str(trouble))))
    except KeyboardInterrupt:
        untrusted.say("\nbackupctl %s: interrupted" % options.action, file=sys.stderr)
        return codes.INTERRUPTED
