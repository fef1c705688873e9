# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Who tells what a task has to say: to the journal, where each line has its level, or to somebody who waits for it."""

from __future__ import annotations

import os
import sys

from rootless_backup import untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Voice(Protocol):
        """Whom a repository tells what it has to say."""

        def info(self, text: str) -> None: ...
        def warning(self, text: str) -> None: ...
        def error(self, text: str) -> None: ...
        def note(self, text: str, **fields: str) -> None: ...
        def advise(self, text: str) -> None: ...


class Journal:
    """Tells the journal, and the report, which reads it. Levels are those of sd-daemon(3)."""

    def info(self, text: str) -> None:
        untrusted.tell(6, text)

    def warning(self, text: str) -> None:
        untrusted.tell(4, text)

    def error(self, text: str) -> None:
        untrusted.tell(3, text)

    def note(self, text: str, **fields: str) -> None:
        """Tell people, and the report, which reads the fields."""
        from rootless_backup import systemd

        try:
            systemd.journal_send(PRIORITY=6, SYSLOG_IDENTIFIER=os.path.basename(sys.argv[0]), MESSAGE=text, **fields)
        except OSError:
            self.info(text)

    def advise(self, text: str) -> None:
        """Say what the administrator is to do: a line, with the command."""
        from rootless_backup.records import journal

        self.note(text, **{journal.ADVICE: text})


JOURNAL = Journal()
