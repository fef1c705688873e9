# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What of the dumps of a hook came back already, for `backupctl restore-db --once`: a restore that broke off goes on where it was."""

from __future__ import annotations

import contextlib
import json
import os

from rootless_backup import host, statefile, untrusted
from rootless_backup.databases.request import CAME_BACK
from rootless_backup.records import status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class Known(TypedDict):
        """From which archive of which repository; whether all of it; and else which files of the dump, and the marks of which, as the hook
        says: see `CAME_BACK`.
        """

        location: str
        archive: str
        all: bool
        back: list[str]
        begun: dict[str, str]


FORM = status.fields(
    {"location": status.text, "archive": status.text, "all": status.flag, "back": status.many(status.text)},
    # Earlier versions knew of none.
    {"begun": status.named(status.text)},
)
MOST = 1 << 24


def note_of(hook: str) -> str:
    # No hook has a name with a dot.
    return os.path.join(host.RESTORE_STATE, ".restored-" + hook)


def known_of(hook: str) -> Known | None:
    """What is known of the last restore of all; None: nothing."""
    try:
        known: Known = status.checked(FORM, untrusted.read_plain(note_of(hook), MOST), "note of what came back")
        known.setdefault("begun", {})
        return known
    except (OSError, untrusted.Untrustworthy):
        return None


def begin(hook: str, location: str, archive: str, back: list[str], begun: dict[str, str]) -> None:
    """Note that all is about to be loaded, but for what is back."""
    write(hook, {"location": location, "archive": archive, "all": False, "back": back, "begun": begun})


def end(hook: str, ok: bool | None = None) -> None:
    """Note what came back, by what the restore left that is at its end, or was killed. `ok`: whether it was all; None: as it was known."""
    known = known_of(hook)
    if known is not None:
        back = set(known["back"])
        for what in told_by(hook):
            if isinstance(what, str):
                back.add(what)
            else:
                # One that came back, and is gone since.
                back.difference_update(what)
                known["begun"].update(what)
        write(hook, {**known, "back": sorted(back), "all": known["all"] if ok is None else ok})


def told_by(hook: str) -> list[str | dict[str, str]]:
    """What the hook says in turn, see `CAME_BACK`: its user writes it, and it is only told so again."""
    with contextlib.suppress(OSError, untrusted.Untrustworthy):
        lines = untrusted.read_plain(os.path.join(host.RESTORE_STATE, hook, CAME_BACK), MOST).split(b"\n")
        # The last line of one that was killed may not be whole.
        notes = [untrusted.parse_json(line) for line in lines[:-1]]
        return [note for note in notes if status.text(note) or status.named(status.text)(note)]
    return []


def write(hook: str, known: Known) -> None:
    statefile.write(note_of(hook), json.dumps(known) + "\n")
