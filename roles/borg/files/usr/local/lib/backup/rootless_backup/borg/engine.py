# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Borg, as the engine that `rootless_backup.engine` describes."""

from __future__ import annotations

import contextlib

from rootless_backup import engine, host, settings, systemd, voice
from rootless_backup.borg import state
from rootless_backup.borg.call import is_local
from rootless_backup.borg.host import ENVIRONMENT
from rootless_backup.borg.repository import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

    from rootless_backup.voice import Voice

SETTINGS = host.SETTINGS_DIRECTORY + "/borg.json"


class Engine(engine.Engine):
    """See there."""

    title = "Borg"

    def __init__(self, frame: dict[str, Any]) -> None:
        super().__init__(frame)
        self.borg = settings.read(SETTINGS)
        self.repositories = self.borg["repositories"]
        self._chunks: str | None = None

    def own(self) -> list[str]:
        return [host.STATE, host.CACHE, *filter(is_local, self.repositories)]

    def alone(self) -> AbstractContextManager[None]:
        return state.alone()

    def kept_from_change(self, location: str) -> AbstractContextManager[None]:
        return state.kept_from_change() if is_local(location) else contextlib.nullcontext()

    def borrow_state(self, tell: Callable[[str], object]) -> None:
        state.borrow(tell)

    def properties(self, location: str, restoring: bool = False) -> list[str]:
        local = is_local(location)
        return [
            *engine.sandbox(restoring, network=not local),
            "LoadCredential=borg.passphrase:/etc/credstore/borg.passphrase",
            *([] if local else ["LoadCredential=borg.ssh-key:/etc/credstore/borg.ssh-key"]),
            # What restores shares no state with the account, and only reads a repository: in a directory of the account, a link in place
            # of a lock would lead what it writes elsewhere. See `borrow_state`.
            *([] if restoring else ["CacheDirectory=" + host.ACCOUNT, "CacheDirectoryMode=0700", "NoExecPaths=" + host.CACHE]),
            *(["ReadWritePaths=" + systemd.quoted("-" + location)] if local and not restoring else []),
            *("Environment=%s=%s" % variable for variable in ENVIRONMENT.items()),
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
