# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Run Borg for the backup's units: create, rest, init, check, change-passphrase, change-ssh-key.

Or a command of Borg's own in a unit of its own: run, restore.

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

USAGE = (
    "usage: backup-borg create | rest | init | check | change-passphrase | change-ssh-key | "
    "run DIRECTORY BORG-COMMAND… | restore DIRECTORY BORG-COMMAND…"
)


def main() -> None:
    command, *arguments = sys.argv[1:] or [""]
    if command in ("run", "restore") and len(arguments) > 1:
        by_hand(command == "restore", *arguments)
    actions: dict[str, Callable[[Any], bool]] = {
        "create": create,
        "rest": save_rest,
        "init": initialise,
        "check": check,
        "change-passphrase": change_passphrase,
        "change-ssh-key": change_ssh_key,
    }
    if command not in actions or arguments:
        untrusted.die(USAGE)
    from rootless_backup import engine, settings, voice
    from rootless_backup.borg import state
    from rootless_backup.borg.engine import SETTINGS

    used = engine.in_use()

    with used.alone():
        state.mend_security(voice.JOURNAL, settings.read(SETTINGS)["encryption"])
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


def change_passphrase(engine: Engine) -> bool:
    from rootless_backup.borg import change

    return change.passphrase(engine)


def change_ssh_key(engine: Engine) -> bool:
    from rootless_backup.borg import change

    return change.ssh_key(engine)


def by_hand(restoring: bool, directory: str, *arguments: str) -> NoReturn:
    """Become a command of Borg's own, in a directory. What restores has more rights than who keeps Borg's state, and only reads it."""
    import os

    from rootless_backup.borg import call, state

    if restoring:
        state.borrow(lambda text: untrusted.say("backup-borg: " + text, file=sys.stderr))
        if call.is_local(os.environ["BORG_REPO"]):
            arguments = ("--bypass-lock", *arguments)
    call.become(directory, *arguments)
