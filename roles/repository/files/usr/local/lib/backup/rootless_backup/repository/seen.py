# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""What was last seen of each repository, and of the disk of all."""

from __future__ import annotations

import json
import os

from rootless_backup import host, statefile
from rootless_backup.figures import DAY
from rootless_backup.records import room
from rootless_backup.repository import accounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from rootless_backup.repository.accounts import Account, Told

    class Seen(TypedDict):
        """Of a repository: bytes on the disk, of it and of its generations, when it last changed, since when its account is there, why it
        is refused, what is wrong, and of each day the last of `[when, live, held]`.
        """

        live: int
        held: int
        changed: float
        since: float
        refused: str
        troubles: list[str]
        samples: list[list[float]]


# Of so many days the size is remembered.
DAYS = 30


def nothing(now: float) -> Seen:
    """Of one that was not there yet."""
    return {"live": 0, "held": 0, "changed": 0, "since": now, "refused": "", "troubles": [], "samples": []}


def read(each: Account) -> Seen | None:
    """What was last seen of a repository; None: nothing yet."""
    try:
        with open(accounts.seen(each), encoding="utf-8") as file:
            known: Seen = json.load(file)
            return {**nothing(known["since"]), **known}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write(each: Account, state: Seen) -> None:
    """Write down what differs from what is known."""
    if read(each) != state:
        statefile.write(accounts.seen(each), json.dumps(state))


def sampled(state: Seen, now: float) -> Seen:
    """With a sample of today, if it says anything new."""
    new = [now, state["live"], state["held"]]
    samples = [each for each in state["samples"] if now - DAYS * DAY <= each[0] <= now]
    if samples and samples[-1][0] // DAY == now // DAY and samples[-1][1:] == new[1:]:
        return {**state, "samples": samples}
    return {**state, "samples": [*(each for each in samples if each[0] // DAY != now // DAY), new]}


def disk() -> list[list[float]]:
    """How much room there was on the disk of the repositories, see `records.room`."""
    try:
        with open(os.path.join(host.REPOSITORY_STATE, "room.json"), encoding="utf-8") as file:
            found: list[list[float]] = json.load(file)
            return [[float(when), float(free), float(total)] for when, free, total in found]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def note_room(told: Told, now: float) -> None:
    """Remember how much there is now, and by that, when all was last looked at."""
    for each in told["accounts"][:1]:
        found = os.statvfs(os.path.dirname(each["home"]))
        new = [now, float(found.f_bavail * found.f_frsize), float(found.f_blocks * found.f_frsize)]
        statefile.write(os.path.join(host.REPOSITORY_STATE, "room.json"), json.dumps(room.taken(disk(), new)))
