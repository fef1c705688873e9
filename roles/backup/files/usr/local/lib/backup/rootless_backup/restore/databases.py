# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Load the dump of a hook, such as a database, from an archive: `backupctl restore-db`.

It is taken out of the archive as the backup's own user, held to the manifest that was made with it, and only then loaded, by the hook's own
user in the hook's own sandbox.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess

from rootless_backup import engine, host, systemd, untrusted
from rootless_backup.control import codes
from rootless_backup.restore import listing, once
from rootless_backup.restore.handover import hand_over, identity, take_away
from rootless_backup.restore.turn import Turn, Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from threading import Thread
    from typing import NoReturn

RESTORE = host.RESTORE_STATE
# Not .lock, as it was called while everybody could open it: who holds that holds nothing.
LOCK = os.path.join(RESTORE, ".at-work")
UNITS = host.UNIT_DIRECTORY
# Who takes the dump out of the archive: user and group.
ENGINE = host.ACCOUNT, host.ACCOUNT
ENDING = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def main(options: argparse.Namespace) -> int:
    """Restore what is asked for. Return the exit code."""
    if bool(options.names) == options.all:
        refuse("name what to restore of hook %s, or say --all, but not both" % options.hook)
    if options.once and not options.all:
        refuse("--once goes with --all")
    if options.into is not None and len(options.names) != 1:
        refuse("--into gives one new name, so there has to be exactly one NAME")
    if os.geteuid() != 0:
        untrusted.die(
            "backupctl restore-db: only root may start it; the restore itself then runs as the user of the hook", codes.NOT_ALLOWED
        )
    try:
        used = engine.in_use()
        location = used.repository(options.repository).location
        options.repository = used.repositories.index(location) + 1
    except engine.NoSuchRepository as refused:
        refuse(str(refused))
    unit = "backup-%s-restore.service" % options.hook
    if not re.fullmatch("[a-z0-9][a-z0-9_-]*", options.hook) or not os.path.exists(os.path.join(UNITS, unit)):
        refuse(
            "no hook %s says how it is restored; there are: %s. What it left is files: `backupctl restore "
            "--archive ARCHIVE-OF-DUMPS /backup/%s`." % (options.hook, ", ".join(sorted(restorable())) or "none", options.hook)
        )
    for number in ENDING:
        # Under nohup(1) it is to go on.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupted)
    try:
        options.back, options.begun = [], {}
        with alone():
            restore = Restore(options, unit, location)
            restore.clear()
            if options.once and came_back(options, used):
                untrusted.say("all that hook %s saved came back before, and is left as it is" % options.hook)
                return codes.GOOD
            return codes.GOOD if restore.run() else codes.FAILED
    except engine.Refused as refused:
        untrusted.die("backupctl restore-db: %s" % refused)
    except KeyboardInterrupt:
        untrusted.die("backupctl restore-db: interrupted; what was not said to be restored is as it was", codes.INTERRUPTED)


def refuse(text: str) -> NoReturn:
    untrusted.die("backupctl restore-db: " + untrusted.printable(text), codes.WRONG_USE)


def came_back(options: argparse.Namespace, used: engine.Engine) -> bool:
    """Whether all came back before, of the archive that is meant, and nobody can say whether it is there; if not, that archive is taken,
    and `options.back` is what did, which the hook looks for, and `options.begun` what was begun.

    Refused: there is none.
    """
    known = once.known_of(options.hook)
    if known is None:
        return False
    # Which one is the newest may be another now.
    options.archive = listing.name_of("restore-db", used, options.repository, options.archive or "latest-dumps")
    if (known["location"], known["archive"]) != (used.repositories[options.repository - 1], options.archive):
        return False
    options.back, options.begun = known["back"], known["begun"]
    # What a hook noted may be gone since, as from a server that was made anew.
    return known["all"] and not known["back"]


def interrupted(_signal: int, _frame: object) -> NoReturn:
    heed_nothing()
    raise KeyboardInterrupt


def heed_nothing() -> None:
    """Ignore what would end this process: it takes everything away now, and so does what it starts."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def restorable() -> Iterator[str]:
    """The hooks that say how they are restored."""
    for name in os.listdir(UNITS):
        match = re.fullmatch("backup-(.+)-restore[.]service", name)
        if match:
            yield match[1]


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One at a time on this host."""
    os.makedirs(RESTORE, mode=0o711, exist_ok=True)
    with open(os.open(LOCK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            untrusted.die("backupctl restore-db: another one is at work")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(RESTORE, ".lock"))
        yield


class Restore:
    """What was asked for, on its way: taken out of the archive by one unit, loaded by the other."""

    def __init__(self, options: argparse.Namespace, unit: str, location: str) -> None:
        self.asked, self.unit, self.location = options, unit, location
        self.staging = "backup-stage@%s.service" % options.hook
        self.directory = os.path.join(RESTORE, options.hook)
        # Where the unit that loads waits for its turn, if it does.
        self.ready = self.directory + ".ready"
        # Whether it is noted what comes back.
        self.noted = False
        # Who loads: user and group, by number.
        self.owner: tuple[int, int] | None = None
        # The unit that is at work, the one that waits for its turn, and who shows what the one before said.
        self.under_way: Turn | None = None
        self.waiting: Waiting | None = None
        self.telling: Thread | None = None

    def run(self) -> bool:
        """Take it out of the archive, then load it. Return whether both succeeded. What one left that was killed is taken away before."""
        os.mkdir(self.directory, mode=0o700)
        # If systemctl failed, and not the unit, it is still at work.
        ended = False
        try:
            ended = self.stage() and self.load()
            return ended
        finally:
            self.end(ended)

    def clear(self) -> None:
        """Take away what one left that was killed, or whose end was, and note what came back."""
        if os.path.lexists(self.directory):
            if not systemd.stop(self.staging, self.unit):
                untrusted.die("backupctl restore-db: an earlier one is still at work, and cannot be stopped")
            # Not before it is stopped: until then it puts what it has loaded in its place.
            once.end(self.asked.hook)
            take_away(self.directory)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.ready)

    def stage(self) -> bool:
        """Have the dump taken out of the archive, and what loads it prepared meanwhile. Return whether the dump is there."""
        path = os.path.join(self.directory, "asked.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(vars(self.asked), file)
        os.chmod(path, 0o600)
        # Not as systemd says, which takes it its time: the unit is ours.
        hand_over(self.directory, *identity(*ENGINE))
        self.under_way = Turn(self.staging)
        # A sandbox takes about half of this. Two that are made at once each take longer, and it is the engine that is waited for.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.under_way.client.wait(timeout=0.1)
        properties = systemd.show(self.unit, "User", "Group", "Environment")
        self.owner = identity(properties["User"], properties["Group"])
        if self.under_way.client.returncode in (None, 0) and "BACKUP_READY=" + self.ready in properties["Environment"].split():
            self.waiting = Waiting(self.unit, self.ready, self.owner)
        return self.finish()

    def load(self) -> bool:
        """Have it loaded by the hook's user. Return whether that succeeded."""
        assert self.owner
        if self.asked.all:
            with contextlib.suppress(OSError, untrusted.Untrustworthy):
                # Which archive it is says who opens archives. Nothing becomes of it but that it is compared.
                staged = untrusted.read_json(os.path.join(self.directory, "request.json"), most=1 << 26)
                once.begin(self.asked.hook, self.location, str(staged["archive"]), self.asked.back, self.asked.begun)
                self.noted = True
        hand_over(self.directory, *self.owner)
        self.under_way = self.waiting or Turn(self.unit)
        return self.finish()

    def finish(self) -> bool:
        """Wait for what is under way, and begin to show what it said. Return whether it succeeded."""
        assert self.under_way
        ok = self.under_way.end()
        if self.telling is not None:
            self.telling.join()
        self.telling = self.under_way.tell_meanwhile(ok)
        self.under_way = None
        return ok

    def end(self, ended: bool) -> None:
        """Whatever happened, nothing stays that was only for this; what is still at work is stopped."""
        heed_nothing()
        waits = self.waiting is not None and not self.waiting.had_turn and self.waiting.client.poll() is None
        for turn in filter(None, {self.under_way, self.waiting}):
            turn.leave()
        if not ended:
            systemd.stop(self.staging, self.unit)
        if waits:
            # Stopped while its sandbox is made, it would count as one that failed.
            systemd.reset_failed(self.unit)
        try:
            if self.noted:
                # As above.
                once.end(self.asked.hook, ended)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.ready)
            take_away(self.directory)
        if self.telling is not None:
            self.telling.join()
        if self.under_way is not None:
            self.under_way.tell(ok=True)
