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
    """What is said of a repository that was not seen yet."""
    return {"live": 0, "held": 0, "changed": 0, "since": now, "refused": "", "troubles": [], "samples": []}


def read(account: Account) -> Seen | None:
    """What was last seen of a repository; None: nothing yet."""
    try:
        with open(accounts.seen(account), encoding="utf-8") as file:
            known: Seen = json.load(file)
            return {**nothing(known["since"]), **known}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write(account: Account, state: Seen) -> None:
    """Write down what differs from what is known."""
    if read(account) != state:
        statefile.write(accounts.seen(account), json.dumps(state))


def sampled(state: Seen, now: float) -> Seen:
    """With a sample of today, if it says anything new."""
    new = [now, state["live"], state["held"]]
    samples = [sample for sample in state["samples"] if now - DAYS * DAY <= sample[0] <= now]
    if samples and samples[-1][0] // DAY == now // DAY and samples[-1][1:] == new[1:]:
        return {**state, "samples": samples}
    return {**state, "samples": [*(sample for sample in samples if sample[0] // DAY != now // DAY), new]}


def disk() -> list[list[float]]:
    """How much room there was on the disk of the repositories, see `records.room`."""
    try:
        with open(os.path.join(host.REPOSITORY_STATE, "room.json"), encoding="utf-8") as file:
            samples: list[list[float]] = json.load(file)
            return [[float(when), float(free), float(total)] for when, free, total in samples]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def note_room(config: Told, now: float) -> None:
    """Remember how much there is now, and by that, when all was last looked at."""
    for account in config["accounts"][:1]:
        filesystem = os.statvfs(os.path.dirname(account["home"]))
        new = [now, float(filesystem.f_bavail * filesystem.f_frsize), float(filesystem.f_blocks * filesystem.f_frsize)]
        statefile.write(os.path.join(host.REPOSITORY_STATE, "room.json"), json.dumps(room.taken(disk(), new)))
