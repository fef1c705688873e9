# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""A database that is restored: where there is one of its name, beside that, which goes last."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time

from rootless_backup import untrusted
from rootless_backup.databases import stop
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.mariadb import definitions, dump, loading
from rootless_backup.databases.mariadb.client import hexed, identifier, named, within
from rootless_backup.databases.request import IN_PART, NOT, RESTORED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless_backup.databases.mariadb.client import Server
    from rootless_backup.databases.mariadb.definitions import Definition
    from rootless_backup.records.manifest import Entry
    from rootless_backup.restore.dumps import Choice

# What needs nothing of another database.
OWN = (*definitions.ROUTINES, "TRIGGER")


class Halfway(Exception):
    """What was there is gone, and what was loaded is not in its place."""


class Item:
    """A database to restore: `file` below $BACKUP_DUMP, as the database `into`."""

    def __init__(self, server: Server, asked: Choice, files: dict[str, Entry]) -> None:
        self.server, self.address = server, (server.socket, "")
        self.file, self.name, self.into = asked["file"], asked["name"], asked["into"]
        self.path = os.path.join(os.environ["BACKUP_DUMP"], self.file)
        self.entry = files[self.file]
        self.properties = (
            self.entry["properties"] if "properties" in self.entry else loading.older_properties(self.path, self.entry["database"])
        )
        self.lines: list[tuple[Definition, str]] = []
        # What did not load, each once.
        self.failures: dict[str, None] = {}
        self.result = NOT
        # Whether there was nothing of its name before.
        self.fresh = False
        self.seconds = 0.0

    def rows(self) -> str:
        """How many rows were dumped, for people."""
        return str(sum(each["rows"] for each in self.entry["tables"].values())) if "tables" in self.entry else "?"

    def problems(self, over: bool) -> Iterator[str]:
        """What stands in the way, for people."""
        if self.into in dump.SYSTEM or dump.BEGUN.fullmatch(self.into) or not 1 <= len(self.into) <= loading.LONGEST_NAME:
            yield "%s is no name for a database that is restored; choose another (--into NAME)." % shown(self.into)
        elif not over and not self.is_empty():
            yield (
                "there is a database %s already, and it is not empty. Restore under another name (--into NAME), or in its place (--over)."
                % shown(self.into)
            )

    def is_empty(self) -> bool:
        there = " UNION ALL ".join(
            "SELECT 1 FROM information_schema.%sS WHERE %s" % (kind, within(kind + "_SCHEMA", self.into))
            for kind in ("TABLE", "ROUTINE", "EVENT")
        )
        return not self.server.query(there)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """What goes wrong in here is told, and it is not restored."""
        begun = time.monotonic()
        try:
            stop.go_on()
            yield
            stop.go_on()
        except Halfway as error:
            untrusted.tell(3, "database %s was not restored to its end. %s" % (shown(self.into), error))
        except (subprocess.CalledProcessError, OSError, KeyError, TypeError, ValueError) as error:
            why = "It was stopped." if stop.STOPPED.is_set() else reason(error)
            if self.result == NOT:
                untrusted.tell(3, "database %s was not restored; what was there is as it was. %s" % (shown(self.into), why))
            else:
                self.fail(why)
        finally:
            self.seconds += time.monotonic() - begun

    def restore(self, request: dict[str, Any]) -> None:
        """Load all but what may look into other databases, which comes when they are there; see `make`."""
        with self.at_work():
            self.lines = definitions.lines_in(self.path, self.entry)
            self.fresh = self.is_empty()
            if self.fresh:
                self.server.query("DROP DATABASE IF EXISTS %s; %s" % (identifier(self.into), self.creation(self.into)))
                with self.taken_away(self.into):
                    self.load(self.into)
                    stop.go_on()
            elif request["over"]:
                self.replace(request.get("partial", False))
            else:
                raise OSError("Somebody has put something into it meanwhile.")
            self.result = RESTORED

    def creation(self, name: str) -> str:
        return dump.create_database(name, self.properties)

    @contextlib.contextmanager
    def taken_away(self, database: str) -> Iterator[None]:
        """Whatever goes wrong in here, what was begun is no more."""
        try:
            yield
        except BaseException:
            self.drop(database)
            raise

    def drop(self, database: str) -> None:
        self.server.query("SET foreign_key_checks = 0; DROP DATABASE IF EXISTS %s" % identifier(database))

    def load(self, database: str) -> None:
        """Load the tables, then the routines and triggers, into a database."""
        for error in loading.short(loading.load_tables(self.server, self.path, self.entry, database)):
            self.fail(error)
        stop.go_on()
        self.define(database, OWN)

    def define(self, database: str, kinds: tuple[str, ...]) -> None:
        """Make what is of some kinds."""
        chosen = [each for each in self.lines if each[0]["kind"] in kinds]
        for definition, why in definitions.make(self.server, chosen, database, elsewhere=database != self.name):
            what = "%s %s" % (definition["kind"].lower(), shown(definition["name"]))
            if definition["kind"] == "VIEW":
                self.server.query("DROP VIEW IF EXISTS %s.%s" % (identifier(database), identifier(definition["name"])))
            if definition.get("broken"):
                untrusted.tell(4, "database %s: %s could not be read when it was dumped: %s" % (shown(self.into), what, why))
            elif definition["kind"] != definitions.PLACE:
                self.fail("%s: %s" % (what, why))

    def fail(self, why: str) -> None:
        if why not in self.failures:
            untrusted.tell(3, "database %s: not loaded: %s" % (shown(self.into), why))
        self.failures[why] = None

    def replace(self, partial: bool) -> None:
        """Load it beside what is there, which goes only when it is loaded."""
        beside = "restoring_" + os.urandom(8).hex()
        self.server.query(self.creation(beside))
        with self.taken_away(beside):
            self.load(beside)
            if self.failures and not partial:
                raise OSError(
                    "%d parts of it did not load. With --partial the rest takes its place, with --into NAME it is loaded beside."
                    % len(self.failures)
                )
            triggers = "SELECT %s FROM information_schema.TRIGGERS WHERE %s" % (hexed("TRIGGER_NAME"), within("TRIGGER_SCHEMA", beside))
            # A table with a trigger stays where it is.
            drops = ["DROP TRIGGER %s.%s" % (identifier(beside), identifier(named(row[0]))) for row in self.server.query(triggers)]
            moves = list(self.moves(beside))
            # If it is all that there is, nobody is to take it for what a restore that was killed had begun.
            self.server.query("; ".join([*drops, "ALTER DATABASE %s COMMENT '%s'" % (identifier(beside), dump.WHOLE)]))
            stop.go_on()
        self.move(beside, moves)

    def moves(self, beside: str) -> Iterator[str]:
        where = "%s AND TABLE_TYPE <> 'VIEW'" % within("TABLE_SCHEMA", beside)
        for row in self.server.query("SELECT %s FROM information_schema.TABLES WHERE %s" % (hexed("TABLE_NAME"), where)):
            table = identifier(named(row[0]))
            yield "%s.%s TO %s.%s" % (identifier(beside), table, identifier(self.into), table)

    def move(self, beside: str, moves: list[str]) -> None:
        """Have it take the place of what is there."""
        statements = ["SET foreign_key_checks = 0", "DROP DATABASE " + identifier(self.into), self.creation(self.into)]
        if moves:
            statements.append("RENAME TABLE " + ", ".join(moves))
        try:
            self.server.query("; ".join(statements))
        except subprocess.CalledProcessError as error:
            raise Halfway(
                "What was loaded is database %s: look whether it is still there, then restore once more. %s" % (beside, reason(error))
            ) from None
        self.result = IN_PART
        self.drop(beside)
        self.define(self.into, OWN)

    def make(self, kind: str) -> None:
        """Make what is of a kind that may look into other databases."""
        if self.result == NOT:
            return
        with self.at_work():
            self.define(self.into, (kind,))
            events = [each["name"] for each, _line in self.lines if each["kind"] == kind == "EVENT"]
            if events:
                self.tell_of_events(events)

    def tell_of_events(self, events: list[str]) -> None:
        where = within("EVENT_SCHEMA", self.into)
        rows = self.server.query("SELECT %s FROM information_schema.EVENTS WHERE %s" % (hexed("EVENT_NAME"), where))
        there = {named(row[0]) for row in rows}
        for name in events:
            if name not in there and not any(why.startswith("event %s:" % shown(name)) for why in self.failures):
                untrusted.tell(4, "database %s: event %s is not made, since its time is over" % (shown(self.into), shown(name)))
        if there and self.into != self.name:
            untrusted.tell(
                4,
                "database %s: its events are switched off, since those of %s may run: %s"
                % (shown(self.into), shown(self.name), ", ".join(map(shown, sorted(there)))),
            )

    def end(self, strict: bool) -> None:
        """Say what came of it."""
        if self.result != NOT and self.failures:
            self.result = IN_PART
        if self.result == IN_PART and strict and self.fresh:
            self.drop(self.into)
            self.result = NOT
            untrusted.tell(3, "database %s was not restored; what was there is as it was." % shown(self.into))
        if self.result != NOT:
            untrusted.tell(
                6,
                "database %s: restored%s%s, as it was at %s, in %.1f s"
                % (
                    shown(self.into),
                    "" if self.into == self.name else " from " + shown(self.name),
                    " but for what is named above" if self.failures else "",
                    self.entry["finished"],
                    self.seconds,
                ),
            )
