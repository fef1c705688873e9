# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""The time that generations have stood, which is not what the clock says: one that was set ahead must not let them all expire."""

from __future__ import annotations

import json
import os

from rootless_backup import host, statefile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Between two looks; a longer time is of a machine that was off, or of a clock that was set.
LONGEST = 6 * 3600


def stood(now: float, begun: Callable[[], float]) -> float:
    """A count of seconds in which somebody looked and noted it; it never goes back. `begun`: where it begins if none is known."""
    try:
        with open(path(), encoding="utf-8") as file:
            known = json.load(file)
        last, count = float(known["last"]), float(known["stood"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        last, count = now, begun()
    went = now - last
    return count + (went if 0 <= went <= LONGEST else 0)


def note(now: float, count: float) -> None:
    """Note what `stood` returned. OSError: there is no room, or something is wrong with the disk."""
    statefile.write(path(), json.dumps({"last": now, "stood": count}))


def path() -> str:
    return os.path.join(host.REPOSITORY_STATE, "clock.json")
