# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Times and sizes, as people read them."""

from __future__ import annotations

import re
import time

DAY = 86_400
# A number, with the unit that it has here.
FIGURE = re.compile(r"\d+(?:\.\d+)?(?: (?:B|[kMGT]B|days|hours|minutes|h|min|s)\b)?", re.ASCII)


def stamp(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(when))


def ago(seconds: float) -> str:
    if seconds < 0:
        return "in the future: was the clock set back?"
    for unit, length in (("days", DAY), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return "%d %s ago" % (seconds // length, unit)
    return "just now" if seconds < 60 else "%d minutes ago" % (seconds // 60)


def when(seconds: float | None) -> str:
    """A time, and how long ago it is, in short."""
    if not seconds:
        return "never"
    age = time.time() - seconds
    text = "just now" if 0 <= age < 60 else "in the future (was the clock set back?)" if age < 0 else "%s ago" % span(age)
    return "%s (%s)" % (text, time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds)))


def span(seconds: float) -> str:
    for unit, length in (("days", DAY), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return "%d %s" % (seconds // length, unit)
    return "%d s" % seconds


def size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return "%.0f %s" % (count, unit) if unit == "B" else "%.1f %s" % (count, unit)
        count /= 1000
    return "%.1f TB" % count
