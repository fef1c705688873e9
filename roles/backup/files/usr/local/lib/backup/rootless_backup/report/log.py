# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The log in a report."""

from __future__ import annotations

LOG_LINES = 200
# A service that takes reports may cut them; healthchecks.io does at 100 kB.
LOG_BYTES = 50_000


def section(title: str, lines: list[str]) -> str:
    shown = "\n".join(lines[-LOG_LINES:])[-LOG_BYTES:]
    return "-- %s --\n%s%s\n" % (title, "(the beginning is left out)\n" if len(lines) > LOG_LINES else "", shown)
