# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""The time that generations have stood, which is not what the clock says: one that was set ahead must not let them all expire."""

from __future__ import annotations

import json
import os

from rootless_backup import host, statefile

# Between two looks; a longer time is of a machine that was off, or of a clock that was set.
LONGEST = 6 * 3600
DAY = 86_400


def unaccounted(now: float, days: int) -> float:
    """The seconds that the clock went while nobody looked, of the last so many days of looking: what is older has expired by now."""
    path = os.path.join(host.REPOSITORY_STATE, "clock.json")
    try:
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
        last, gaps = float(known["last"]), [(float(gap), float(left)) for gap, left in known["gaps"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        last, gaps = now, []
    went = now - last
    looked = went if 0 <= went <= LONGEST else 0.0
    gaps = [(gap, left - looked) for gap, left in gaps if left > looked]
    if went != looked:
        gaps.append((went, float(days * DAY)))
    statefile.write(path, json.dumps({"last": now, "gaps": gaps}))
    # A clock that went ahead and back again: when the first of the two is forgotten, the second alone must not make all older.
    return max(0.0, sum(gap for gap, _left in gaps))
