# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Borg, as the engine that `rootless_backup.engine` describes."""

from __future__ import annotations

import contextlib
import json

from rootless_backup import engine, settings, systemd, voice
from rootless_backup.borg import state
from rootless_backup.borg.call import is_local
from rootless_backup.borg.repository import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

    from rootless_backup.voice import Voice

SETTINGS = "/etc/backup/borg.json"
# The sandboxes of transient units, as the build made them.
SANDBOXES = "/usr/local/lib/backup/sandboxes.json"


class Engine(engine.Engine):
    """See there."""

    title = "Borg"

    def __init__(self, frame: dict[str, Any]) -> None:
        super().__init__(frame)
        self.borg = settings.read(SETTINGS)
        self.repositories = self.borg["repositories"]
        self._chunks: str | None = None

    def own(self) -> list[str]:
        return [engine.STATE, state.CACHE, *filter(is_local, self.repositories)]

    def alone(self) -> AbstractContextManager[None]:
        return state.alone()

    def kept_from_change(self, location: str) -> AbstractContextManager[None]:
        return state.kept_from_change() if is_local(location) else contextlib.nullcontext()

    def borrow_state(self, tell: Callable[[str], object]) -> None:
        state.borrow(tell)

    def properties(self, location: str, restoring: bool = False) -> list[str]:
        local = is_local(location)
        with open(SANDBOXES, encoding="utf-8") as file:
            sandbox = json.load(file)["restore" if restoring else "read"]["local" if local else "remote"]
        # A restore has more rights than the user borg, who could else reach into what it makes, or hold it up.
        user = "backup-restore" if restoring else "borg"
        return [
            *sandbox,
            "User=" + user,
            "Group=" + user,
            "LoadCredential=borg.passphrase:/etc/credstore/borg.passphrase",
            *([] if local else ["LoadCredential=borg.ssh-key:/etc/credstore/borg.ssh-key"]),
            # Nor does it share state with it; see `borrow_state`.
            *([] if restoring else ["StateDirectory=borg", "StateDirectoryMode=0700", "CacheDirectory=borg", "CacheDirectoryMode=0700"]),
            # A restore only reads a repository: in a directory of borg, a link in place of a lock would lead what it writes elsewhere.
            *(["ReadWritePaths=" + systemd.quoted("-" + location)] if local and not restoring else []),
            "Environment=BORG_HOST_ID=" + host_id(),
            "Environment=" + systemd.quoted("BORG_REPO=" + location),
        ]

    def open(self, location: str, voice: Voice = voice.JOURNAL, reading: bool = False) -> Repository:
        return Repository(self, location, voice, reading)

    def dump_chunks(self) -> str:
        """How dumps are cut into chunks in this run."""
        if self._chunks is None:
            from rootless_backup.borg import create

            self._chunks = create.dump_chunks(self.borg["dump_chunks"], voice.JOURNAL)
        return self._chunks


def host_id() -> str:
    """The same as %m-%H in the units: a lock that is left behind is then known as this host's."""
    import socket

    with open("/etc/machine-id", encoding="ascii") as file:
        return "%s-%s" % (file.read().strip(), socket.gethostname())
