# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""What becomes of a restore that is stopped: it takes away what it began, see STOPPED."""

import threading

# Set when the restore is to end: what it has begun is taken away first.
STOPPED = threading.Event()


def stopping(*_):
    STOPPED.set()


def go_on():
    """OSError: it is to end."""
    if STOPPED.is_set():
        raise OSError("It was stopped.")
