# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Who waits for what is found or restored: here people read, not the journal."""

from __future__ import annotations

import sys

from rootless_backup import untrusted

INTERRUPTED = (
    "backupctl %s: interrupted. In place, each file is the old or the new one, and the same command finishes it; in a directory "
    "of its own, what is there is not whole."
)


class Terminal:
    """The voice of a repository; see rootless_backup/voice.py."""

    def __init__(self, action: str) -> None:
        self.action = action

    def info(self, text: str) -> None:
        tell(text)

    def warning(self, text: str) -> None:
        tell("backupctl %s: %s" % (self.action, text))

    error = warning

    def note(self, text: str, **_fields: str) -> None:
        tell(text)

    advise = info


def tell(text: str) -> None:
    """Say what is not as asked for."""
    untrusted.say(text, file=sys.stderr)


def show_progress(text: str) -> None:
    """Show something at the beginning of the line; what is said next stands over it."""
    untrusted.say(text, end="\r", file=sys.stderr)
