# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""A database that is restored: where there is one of its name, beside that, which goes last."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time

from rootless_backup import untrusted
from rootless_backup.databases import stop
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.mariadb import account, definitions, dump, loading
from rootless_backup.databases.mariadb.client import Incomplete, hexed, identifier, named, within
from rootless_backup.databases.request import IN_PART, NOT, RESTORED, note_begun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless_backup.databases.mariadb.client import Server
    from rootless_backup.databases.mariadb.definitions import Definition, Line
    from rootless_backup.records.manifest import Entry
    from rootless_backup.restore.dumps import Choice


class Halfway(Exception):
    """What was there is gone, and what was loaded is not in its place."""


class Item:
    """A database to restore: `file` below $BACKUP_DUMP, as the database `into`."""

    def __init__(self, server: Server, choice: Choice, files: dict[str, Entry], mark: str = "") -> None:
        self.server, self.address = server, (server.socket, "")
        self.file, self.name, self.into = choice["file"], choice["name"], choice["into"]
        self.path = os.path.join(os.environ["BACKUP_DUMP"], self.file)
        self.entry = files[self.file]
        self.properties = (
            self.entry["properties"] if "properties" in self.entry else loading.older_properties(self.path, self.entry["database"])
        )
        self.lines: list[tuple[Definition, Line]] = []
        # What is being made of it.
        self.making: definitions.Making | None = None
        # What did not load, each once.
        self.failures: dict[str, None] = {}
        self.result = NOT
        # Whether there was nothing of its name before.
        self.fresh = False
        # Of one that is begun and not whole, an empty table in it: of who made the database anew since, nothing is dropped.
        self.mark = mark if dump.BEGUN.fullmatch(mark) else ""
        self.seconds = 0.0

    def rows(self) -> str:
        """How many rows were dumped, for people."""
        return str(sum(table["rows"] for table in self.entry["tables"].values())) if "tables" in self.entry else "?"

    def problems(self, over: bool) -> Iterator[str]:
        """What stands in the way, for people."""
        if self.into in dump.SYSTEM or dump.BEGUN.fullmatch(self.into) or not 1 <= len(self.into) <= account.LONGEST_NAME:
            yield "%s is no name for a database that is restored; choose another (--into NAME)." % shown(self.into)
        elif not over and not self.is_free():
            yield (
                "there is a database %s already, and it is not empty. Restore under another name (--into NAME), or in its place (--over)."
                % shown(self.into)
            )

    def is_empty(self) -> bool:
        objects = " UNION ALL ".join(
            "SELECT 1 FROM information_schema.%sS WHERE %s" % (kind, within(kind + "_SCHEMA", self.into))
            for kind in ("TABLE", "ROUTINE", "EVENT")
        )
        return not self.server.query(objects)

    def is_free(self) -> bool:
        """Whether it may be made: nothing is there but what a restore that broke off had begun."""
        return self.is_empty() or bool(self.mark and self.mark in dump.tables_of(self.server, self.into))

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """What goes wrong in here is told, and it is not restored. What is in here ends at once if it is to be stopped, by `go_on`."""
        begun = time.monotonic()
        try:
            yield
            stop.go_on()
        except Halfway as error:
            untrusted.tell(3, "database %s was not restored to its end. %s" % (shown(self.into), error))
        except (subprocess.CalledProcessError, Incomplete, OSError, KeyError, TypeError, ValueError) as error:
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
            stop.go_on()
            self.lines = definitions.lines_in(self.path, self.entry)
            self.fresh = self.is_free()
            if self.fresh:
                self.make_anew(request)
                with self.taken_away(self.into):
                    self.load(self.into)
                    stop.go_on()
            elif request["over"]:
                self.replace(request.get("partial", False))
            else:
                raise OSError("Somebody has put something into it meanwhile.")
            self.result = RESTORED

    def make_anew(self, request: dict[str, Any]) -> None:
        """Make the database, empty but for its mark if it is one of all: what is not whole of these the next restore makes anew."""
        statements = ["DROP DATABASE IF EXISTS " + identifier(self.into), dump.create_database(self.into, self.properties)]
        # The one that is there stays in use: a restore that ends between the note and the statements leaves what it found.
        self.mark = (self.mark or "restoring_" + os.urandom(8).hex()) if request.get("all") else ""
        if self.mark:
            note_begun(self.file, self.mark, request)
            statements.append("CREATE TABLE %s (n INT PRIMARY KEY)" % qualified(self.into, self.mark))
        self.run(statements)

    def unmark(self) -> None:
        """What is there is whole, or all that can be had: who mends it finds it as he left it. One that was stopped is neither."""
        if self.mark and self.result != NOT and not (self.result == IN_PART and stop.STOPPED.is_set()):
            self.server.query("DROP TABLE IF EXISTS " + qualified(self.into, self.mark))
            self.mark = ""

    def tell_of_mark(self) -> None:
        """Say if what is there is neither whole nor all that can be had."""
        if self.fresh and self.mark and self.result != NOT:
            untrusted.tell(
                3,
                "database %s is not whole: `backupctl restore-db --once --all` makes it anew, unless its empty table %s is dropped before"
                % (shown(self.into), self.mark),
            )

    @contextlib.contextmanager
    def taken_away(self, database: str) -> Iterator[None]:
        """Whatever goes wrong in here, what was begun is no more."""
        try:
            yield
        except Halfway:
            raise
        except BaseException:
            self.drop(database)
            raise

    def drop(self, database: str) -> None:
        self.run(["DROP DATABASE IF EXISTS " + identifier(database)])

    def load(self, database: str) -> None:
        """Load the tables, then the routines and triggers, into a database."""
        for error in loading.short(loading.load_tables(self.server, self.path, self.entry, database)):
            self.fail(error)
        stop.go_on()
        self.define(database, definitions.OWN)

    def define(self, database: str, kinds: tuple[str, ...]) -> None:
        """Make what is of some kinds."""
        self.begin(database, kinds)
        self.attempt()
        self.settle()

    def begin(self, database: str, kinds: tuple[str, ...]) -> None:
        """What is of some kinds is to be made."""
        chosen = [line for line in self.lines if line[0]["kind"] in kinds]
        self.making = definitions.Making(self.server, chosen, database, self.name)

    def attempt(self) -> int:
        """Make of it what can be made. Return how many there are more."""
        return self.making.attempt() if self.making and self.making.pending else 0

    def attempted(self) -> int:
        """The same, and what goes wrong is told."""
        with self.at_work():
            stop.go_on()
            return self.attempt()
        return 0

    def settled(self) -> None:
        with self.at_work():
            stop.go_on()
            self.settle()

    def settle(self) -> None:
        """Say what could not be made."""
        if self.making is None:
            return
        for (definition, _line), why in zip(self.making.pending, self.making.whys):
            what = "%s %s" % (definition["kind"].lower(), shown(definition["name"]))
            if definition["kind"] == "VIEW":
                self.server.query("DROP VIEW IF EXISTS " + qualified(self.making.database, definition["name"]))
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
        # What its owner wrote there is no note of ours.
        self.server.query(dump.create_database(beside, {**self.properties, "comment": ""}))
        with self.taken_away(beside):
            self.load(beside)
            if self.failures and not partial:
                raise OSError(
                    "%d parts of it did not load. With --partial the rest takes its place, with --into NAME it is loaded beside."
                    % len(self.failures)
                )
            # A table with a trigger stays where it is.
            self.run(self.drops(beside, ("TRIGGER",)))
            stop.go_on()
            self.swap(beside)
        self.drop(beside)
        self.define(self.into, definitions.OWN)

    def swap(self, beside: str) -> None:
        """Have the tables of a database take the place of those that are there. What fails leaves these where they are."""
        away = "restoring_" + os.urandom(8).hex()
        self.run([dump.create_database(away, {})])
        with self.taken_away(away):
            with self.cleared():
                if self.is_referred():
                    self.replace_tables(beside)
                else:
                    self.run([self.moves((self.into, away), (beside, self.into))])
            self.result = IN_PART
            kinds = (*definitions.ROUTINES[::-1], "EVENT")
            self.run([*self.drops(self.into, kinds), dump.altered_database(self.into, self.properties)])
        self.drop(away)

    @contextlib.contextmanager
    def cleared(self) -> Iterator[None]:
        """In here, what keeps a table, or its name, where it is, is gone; if something fails it is made again."""
        with tempfile.NamedTemporaryFile() as file:
            with dump.showing(self.server, account.RESTORE) as shower:
                collation = dump.properties_of(self.server, self.into)["collation"]
                made, _hidden = definitions.write(shower, file, self.into, collation)
            file.flush()
            kept = definitions.lines_in(file.name, {"parts": [0, 0], "definitions": made})
            try:
                self.run(self.drops(self.into, ("TRIGGER", "VIEW")))
                yield
            except subprocess.CalledProcessError:
                for kinds in (("TRIGGER",), (definitions.PLACE,), ("VIEW",)):
                    definitions.Making(self.server, [pair for pair in kept if pair[0]["kind"] in kinds], self.into, self.into).attempt()
                raise

    def replace_tables(self, beside: str) -> None:
        """Replace tables that those of other databases refer to. They are dropped first: moved away, they would be referred to there."""
        gone = sorted(dump.tables_of(self.server, self.into))
        drops = ["DROP TABLE " + ", ".join(qualified(self.into, name) for name in gone)] if gone else []
        # If it is all that there is, nobody is to take it for what a restore that was killed had begun.
        self.run(["ALTER DATABASE %s COMMENT '%s'" % (identifier(beside), dump.WHOLE)])
        moves = self.moves((beside, self.into))
        try:
            self.run([*drops, moves])
        except subprocess.CalledProcessError as error:
            raise Halfway("What was loaded is database %s: move its tables, or restore once more. %s" % (beside, reason(error))) from None

    def run(self, statements: list[str]) -> None:
        self.server.query("; ".join(["SET foreign_key_checks = 0", *filter(None, statements)]))

    def drops(self, database: str, kinds: tuple[str, ...]) -> list[str]:
        """What takes away all objects of some kinds."""
        objects = sorted((kinds.index(kind), name) for kind, name in definitions.objects_of(self.server, database) if kind in kinds)
        return ["DROP %s IF EXISTS %s" % (kinds[number], qualified(database, name)) for number, name in objects]

    def moves(self, *ways: tuple[str, str]) -> str:
        """A statement that moves all tables of databases into others, all at once or none."""
        names = [(old, new, name) for old, new in ways for name in sorted(dump.tables_of(self.server, old))]
        pairs = ["%s TO %s" % (qualified(old, name), qualified(new, name)) for old, new, name in names]
        return "RENAME TABLE " + ", ".join(pairs) if pairs else ""

    def is_referred(self) -> bool:
        """Whether a table of another database refers to one of it."""
        where = within("UNIQUE_CONSTRAINT_SCHEMA", self.into)
        rows = self.server.query(
            "SELECT DISTINCT %s FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE %s" % (hexed("CONSTRAINT_SCHEMA"), where)
        )
        return bool({named(row[0]) for row in rows} - {self.into})

    def tell_of_events(self) -> None:
        """Say which events are not there, or do not run."""
        events = [definition["name"] for definition, _line in self.lines if definition["kind"] == "EVENT"]
        if self.result == NOT or not events:
            return
        where = within("EVENT_SCHEMA", self.into)
        rows = self.server.query("SELECT %s FROM information_schema.EVENTS WHERE %s" % (hexed("EVENT_NAME"), where))
        existing = {named(row[0]) for row in rows}
        for name in events:
            if name not in existing and not any(why.startswith("event %s:" % shown(name)) for why in self.failures):
                untrusted.tell(4, "database %s: event %s is not made, since its time is over" % (shown(self.into), shown(name)))
        if existing and self.into != self.name:
            untrusted.tell(
                4,
                "database %s: its events are switched off, since those of %s may run: %s"
                % (shown(self.into), shown(self.name), ", ".join(map(shown, sorted(existing)))),
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


def qualified(database: str, name: str) -> str:
    return "%s.%s" % (identifier(database), identifier(name))
