# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of accounts on a server of repositories."""

from __future__ import annotations

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def allot(names: Iterable[str], taken: Iterable[int], uid_range: str) -> dict[str, int]:
    """A number of a range for each name, by the name, so that nothing but a collision depends on who came first.

    ValueError: the range is empty, or full; the text is for the administrator.
    """
    first, last = map(int, uid_range.split("-"))
    if first > last:
        raise ValueError("repository_uid_range: %s is not allowed, since its last number is smaller than its first. Use a range such as "
                         "70000-79999." % uid_range)
    size, used = last - first + 1, set(taken)
    allotted: dict[str, int] = {}
    for name in sorted(names):
        at = int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) % size
        number = next((first + (at + step) % size for step in range(size) if first + (at + step) % size not in used), None)
        if number is None:
            raise ValueError("repository_uid_range: all numbers of %s are taken. Use a larger range." % uid_range)
        used.add(number)
        allotted[name] = number
    return allotted
