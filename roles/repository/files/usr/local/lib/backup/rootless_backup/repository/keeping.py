# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""Keep generations of all repositories: make what is due, let expire what is old, refuse who takes too much."""

from __future__ import annotations

import json
import os
import sys
import time

from rootless_backup import figures, statefile, untrusted
from rootless_backup.repository import accounts, clock, generations, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from rootless_backup.repository.accounts import Account

    class State(TypedDict):
        """What was last seen of a repository: bytes on the disk, of it and of its generations, its last change, why it is refused."""

        live: int
        held: int
        changed: float
        refused: str


def path_of(each: Account) -> str:
    """Where the generations of an account are: beside the repositories, since hard links do not leave a file system."""
    return os.path.join(os.path.dirname(each["home"]), ".generations", each["account"])


def opened(each: Account) -> int | None:
    """The repository of an account, opened through no link; None: there is none."""
    try:
        home = os.open(each["home"], listing.DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.open("repository", listing.DIRECTORY, dir_fd=home)
    except (FileNotFoundError, NotADirectoryError, OSError):
        return None
    finally:
        os.close(home)


def keep() -> bool:
    """Do it for all. Return whether nothing was wrong; what was is told."""
    told = accounts.read()
    now = time.time()
    aged = now - clock.unaccounted(now, told["undelete_days"])
    good = True
    for each in told["accounts"]:
        try:
            state = keep_one(each, told, now, aged)
        except (generations.Restless, listing.Odd, OSError) as error:
            untrusted.say("%s: no generation was made: %s" % (each["name"], error), file=sys.stderr)
            good = False
            continue
        if state["refused"]:
            untrusted.say("%s: %s" % (each["name"], state["refused"]), file=sys.stderr)
            good = False
    accounts.let_in()
    return good


def keep_one(each: Account, told: accounts.Told, now: float, aged: float) -> State:
    """Do it for one."""
    directory = path_of(each)
    repository = opened(each)
    state: State = {"live": 0, "held": 0, "changed": 0, "refused": ""}
    if repository is not None:
        try:
            if generations.is_due(directory, now):
                generations.make(repository, directory, now)
            generations.expire(directory, aged, told["undelete_days"])
            found = listing.of(repository)
        finally:
            os.close(repository)
        state["live"], state["held"] = generations.room(found, directory)
        state["changed"] = max((file.changed / 1e9 for file in found.values()), default=0)
    most = size_of(told["most"])
    if most and state["live"] + state["held"] > most:
        state["refused"] = (
            "it takes %s with what it deleted within %d days, and %s are allowed (repository_most), so it is let in no more until some of "
            "that expires" % (figures.size(state["live"] + state["held"]), told["undelete_days"], told["most"])
        )
    statefile.write(accounts.seen(each), json.dumps(state))
    return state


def size_of(text: str) -> float:
    """The bytes of a size as Borg takes it; 0: none is given."""
    return float(text[:-1]) * 1000 ** ("KMGT".index(text[-1]) + 1) if text else 0


def seen(each: Account) -> State | None:
    """What was last seen of a repository; None: nothing yet."""
    try:
        with open(accounts.seen(each), encoding="utf-8") as file:
            state: State = json.load(file)
            return state
    except (FileNotFoundError, ValueError):
        return None
