# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Run Borg for the backup's units: create, rest, init, check; or a command of Borg's own in a unit of its own (run, restore).

Settings come from /etc/backup, the passphrase from the unit's credentials.
"""

from __future__ import annotations

import sys

from rootless_backup import untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from rootless_backup.borg.engine import Engine

USAGE = "usage: backup-borg create | rest | init | check | run DIRECTORY BORG-COMMAND… | restore DIRECTORY BORG-COMMAND…"


def main() -> None:
    command, *arguments = sys.argv[1:] or [""]
    if command in ("run", "restore") and len(arguments) > 1:
        by_hand(command == "restore", *arguments)
    actions: dict[str, Callable[[Any], bool]] = {"create": create, "rest": save_rest, "init": initialise, "check": check}
    if command not in actions or arguments:
        untrusted.die(USAGE)
    from rootless_backup import engine

    used = engine.in_use()
    with used.alone():
        sys.exit(0 if actions[command](used) else 1)


def create(engine: Engine) -> bool:
    from rootless_backup import backup

    return backup.create(engine)


def save_rest(engine: Engine) -> bool:
    from rootless_backup import backup

    return backup.save_rest(engine)


def initialise(engine: Engine) -> bool:
    from rootless_backup.borg import init

    return init.initialise(engine, [engine.open(location) for location in engine.repositories])


def check(engine: Engine) -> bool:
    from rootless_backup import backup

    return backup.verify(engine)


def by_hand(restoring: bool, directory: str, *arguments: str) -> NoReturn:
    """Become a command of Borg's own, in a directory. What restores has more rights than who keeps Borg's state, and only reads it."""
    import os

    from rootless_backup.borg import call, state

    if restoring:
        state.borrow(lambda text: untrusted.say("backup-borg: " + text, file=sys.stderr))
        if call.is_local(os.environ["BORG_REPO"]):
            arguments = ("--bypass-lock", *arguments)
    call.become(directory, *arguments)
