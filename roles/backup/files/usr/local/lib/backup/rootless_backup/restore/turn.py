# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The units of a restore of dumps, one after the other."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time

from rootless_backup import systemd, untrusted
from rootless_backup.records import journal

# Of what a unit said so many lines are shown, and no more bytes: its user may say as much as he likes.
LINES = 2000
MOST_SAID = 4 << 20


class Turn:
    """A unit that is run to its end."""

    def __init__(self, unit: str) -> None:
        self.unit, self.since = unit, time.time()
        # Of one that is still at work for somebody who is gone, the end is not that of this one.
        self.client = systemd.restarting(unit)

    def end(self) -> bool:
        """Return whether it succeeded."""
        return self.client.wait() == 0

    def leave(self) -> None:
        """Wait for it no more."""
        self.client.kill()
        self.client.wait()

    def tell_meanwhile(self, ok: bool) -> threading.Thread:
        telling = threading.Thread(target=self.tell, args=[ok])
        telling.start()
        return telling

    def tell(self, ok: bool) -> None:
        """Show what it said that has ended."""
        try:
            untrusted.say(journal.said(self.unit, self.since, LINES, MOST_SAID), end="")
        except subprocess.CalledProcessError as error:
            untrusted.say("What %s said cannot be read: %s" % (self.unit, error), file=sys.stderr)
        if not ok:
            untrusted.say("%s failed; all of its log: journalctl -u %s" % (self.unit, self.unit), file=sys.stderr)


class Waiting(Turn):
    """One that is started before its turn, and waits for it at a pipe, while what it needs is made."""

    def __init__(self, unit: str, pipe: str, owner: tuple[int, int]) -> None:
        os.mkfifo(pipe, 0o600)
        os.chown(pipe, *owner)
        # Both ends, so that neither waits for the other to open it. When this process is gone, the unit reads the end of it.
        self.pipe = os.open(pipe, os.O_RDWR)
        self.had_turn = False
        super().__init__(unit)

    def end(self) -> bool:
        """It is its turn. Return whether it succeeded."""
        self.had_turn = True
        # It reads one when it is told, and one when it begins.
        os.write(self.pipe, b"!!")
        ok = super().end()
        # One that was ended while it waited has begun nothing, so it did not fail.
        if ok and select.select([self.pipe], [], [], 0)[0]:
            untrusted.say(
                "backupctl restore-db: somebody ended what loads before the dump was there, so nothing was loaded. Run it again.",
                file=sys.stderr,
            )
            return False
        return ok
