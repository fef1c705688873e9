# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What runs in the unit: listing, finding, showing and restoring, through the engine."""

from __future__ import annotations

import types

from rootless_backup import engine, untrusted
from rootless_backup.control import codes
from rootless_backup.restore.terminal import INTERRUPTED, Terminal, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(**given: Any) -> int:
    """Do what is asked for, as `program` was asked and completed it. Return the exit code."""
    request = types.SimpleNamespace(**given)
    try:
        actions = {
            "list": list_all,
            "find": find,
            "show": show,
            "items": items,
            "name": name,
            "diff": diff,
            "restore": restore,
            "make-room": make_room,
            "restored": restored,
        }
        return codes.GOOD if actions[request.action](request) else codes.FAILED
    except KeyboardInterrupt:
        untrusted.die("\n" + INTERRUPTED % request.action, codes.INTERRUPTED)
    except engine.Refused as refused:
        untrusted.die("backupctl: %s" % refused)


def list_all(request: types.SimpleNamespace) -> bool:
    from rootless_backup.restore import search

    return search.list_all(opened(request), request.archive)


def find(request: types.SimpleNamespace) -> bool:
    from rootless_backup.restore import search

    return search.find(opened(request), request.archive, request.pattern)


def show(request: types.SimpleNamespace) -> bool:
    from rootless_backup.restore import search

    return search.show(opened(request), request.archive, request.path)


def items(request: types.SimpleNamespace) -> bool:
    from rootless_backup.restore import search

    return search.tell_items(opened(request), request.archive)


def name(request: types.SimpleNamespace) -> bool:
    from rootless_backup.restore import search

    return search.tell_name(opened(request), request.archive)


def diff(request: types.SimpleNamespace) -> bool:
    from rootless_backup.restore import search

    return search.diff(opened(request), request.older, request.newer, request.path)


def restore(request: types.SimpleNamespace) -> bool:
    from rootless_backup.restore import files

    host = engine.in_use()
    host.borrow_state(lambda text: tell("backupctl restore: " + text))
    return files.restore(opened(request, host, reading=True), request)


def make_room(request: types.SimpleNamespace) -> bool:
    from rootless_backup import backup

    host = engine.in_use()
    with host.alone():
        repository = opened(request, host)
        ok = backup.make_room(repository, host.settings)
        room = repository.room()
    if room is not None:
        untrusted.say("%.1f of %.1f MB are free now" % (room[0] / 1e6, room[1] / 1e6))
    return ok


def restored(request: types.SimpleNamespace) -> bool:
    """Note that all is back, or only name what waits for that: as the account, whose notes they are."""
    from rootless_backup.records import before

    locations = engine.in_use().repositories
    if request.list:
        for location in locations:
            known = before.read(location)
            if known and known["waits"]:
                untrusted.say(untrusted.printable(location))
        return True
    settled = before.settle(locations)
    for known in settled:
        stays = "; what was saved last before stays: " + ", ".join(known["newest"]) if known["newest"] else ""
        untrusted.say(untrusted.printable("%s: from the next run on what is too old is forgotten again%s" % (known["repository"], stays)))
    if not settled:
        untrusted.say("nothing waited for that: what is too old is forgotten in each run")
    return True


def opened(request: types.SimpleNamespace, host: engine.Engine | None = None, reading: bool = False) -> engine.Repository:
    """The repository that is meant. `reading`: a restore only reads a local one, and cannot lock it; see `program`."""
    voice = Terminal(getattr(request, "command", request.action))
    return (host or engine.in_use()).repository(request.repository, voice, reading)
