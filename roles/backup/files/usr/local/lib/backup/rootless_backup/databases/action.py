# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What a program of databases is called to do: to dump, or one of the actions that its argument names."""

from __future__ import annotations

import importlib
import os
import sys

from rootless_backup import untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def act(program: str, package: str, actions: Mapping[tuple[str, ...], tuple[str, str]]) -> None:
    """Do it, and end with 1 if not all of it succeeded.

    `actions`: for the arguments a module of the package, and a function in it that returns whether all of it succeeded.
    """
    os.umask(0o077)
    action = actions.get(tuple(sys.argv[1:]))
    if action is None:
        untrusted.die("usage: %s [%s]" % (program, " | ".join(" ".join(words) for words in actions if words)))
    module, name = action
    # Only what it needs: each import takes its time.
    sys.exit(0 if getattr(importlib.import_module("." + module, package), name)() else 1)
