"""tar, as the engine that `rootless_backup.engine` describes."""

import contextlib
import fcntl

from rootless_backup import engine, host, settings, voice
from rootless_backup.tar.repository import Repository


class Engine(engine.Engine):
    """See there."""

    title = "tar"

    def __init__(self, frame):
        super().__init__(frame)
        self.repositories = settings.read(host.SETTINGS_DIRECTORY + "/tar.json")["repositories"]

    def own(self):
        return [host.STATE, *self.repositories]

    @contextlib.contextmanager
    def alone(self):
        with open(host.STATE + "/lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def kept_from_change(self, _location):
        # An archive is a file, and who reads it goes on when it is taken away.
        return contextlib.nullcontext()

    def borrow_state(self, tell):
        pass

    def properties(self, _location, restoring=False):
        return engine.sandbox(restoring, network=False)

    def open(self, location, voice=voice.JOURNAL, reading=False):
        return Repository(self, location, voice, reading)
