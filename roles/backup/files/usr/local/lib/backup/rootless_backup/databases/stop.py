# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What becomes of a restore that is stopped: it takes away what it began, see STOPPED."""

from __future__ import annotations

import threading

# Set when the restore is to end: what it has begun is taken away first.
STOPPED = threading.Event()


def stopping(*_: object) -> None:
    STOPPED.set()


def go_on() -> None:
    """OSError: it is to end."""
    if STOPPED.is_set():
        raise OSError("It was stopped.")
