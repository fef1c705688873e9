# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""For backup-drill.service and backup-prove@HOOK.service, or backup-prove@HOOK:NUMBER.service.

usage: backup-drill stage         restore files and dumps from each repository, and compare them with what was recorded
       backup-drill part HOOK     lay each database of what was restored of the hook down by itself
       backup-drill each HOOK     start the proofs of the hook, one after the other
       backup-drill prepare HOOK  make what they all only read
       backup-drill prove HOOK    run the hook's own proof on what was restored of it; HOOK:NUMBER: on a part of it
       backup-drill judge         tell what came of the proofs; exits with 1 if anything was wrong
"""

from __future__ import annotations

import importlib
import sys

from rootless_backup import untrusted

# `{command: (module, function, how many arguments)}`
ACTIONS = {
    "stage": ("stage", "stage", 0),
    "part": ("parts", "part", 1),
    "each": ("proofs", "prove_each", 1),
    "prepare": ("proofs", "prepare", 1),
    "prove": ("proofs", "prove", 1),
    "judge": ("judge", "judge", 0),
}


def main() -> None:
    untrusted.escape_rest(sys.stdout, line_buffering=True)
    command, *arguments = sys.argv[1:] or [""]
    module, function, number = ACTIONS.get(command, ("", "", None))
    if len(arguments) != number:
        untrusted.die("usage: backup-drill stage | part HOOK | each HOOK | prepare HOOK | prove HOOK[:NUMBER] | judge")
    action = getattr(importlib.import_module("rootless_backup.drill." + module), function)
    sys.exit(0 if action(*arguments) else 1)
