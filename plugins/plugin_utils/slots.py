# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When each machine starts within the window of all.

A machine keeps its slot whatever machines come and go. The positions of the slots 0 to n, the multiples of the golden ratio without
their whole part, lie evenly for every n: the largest gap is never more than 2.7 times the smallest.
"""

from __future__ import annotations

import hashlib
import itertools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

GOLDEN = (5**0.5 - 1) / 2
DAY = 86_400


def free(accounts: Iterable[Mapping[str, Any]]) -> Iterator[int]:
    """The slots that nobody has, the lowest first."""
    taken = {account["slot"] for account in accounts if "slot" in account}
    return (slot for slot in itertools.count() if slot not in taken)


def position(slot: int) -> float:
    """Where a slot lies in the window, from 0 to 1."""
    return slot * GOLDEN % 1


def by_name(name: str) -> float:
    """Where a machine lies that has no slot: by chance, but always there."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12


def start(window: str, where: float) -> str:
    """The time of the day of a start, such as 01:30:00, in a window such as 22:00-06:00; one that ends when it begins is all of the day."""
    first, last = (sum(int(part) * unit for part, unit in zip(time.split(":"), (3600, 60))) for time in window.split("-"))
    seconds = int(first + where * ((last - first) % DAY or DAY)) % DAY
    return "%02d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)
