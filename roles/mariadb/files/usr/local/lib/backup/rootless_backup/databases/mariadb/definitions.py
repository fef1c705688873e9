# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""What runs or looks as somebody else: routines, triggers, views and events, each as the one statement that makes it.

What an owner wrote stands in it as he wrote it, and a client can take its end for somewhere else than the server did that had it: what is
behind would be a statement of whoever loads it. So in a dump it is in hex, which no client reads, and the server is handed it to be
prepared, which takes a single statement and nothing behind it. It makes something that runs as whom the server said it does.

To make a view, or to show one, the server looks at what it names, and may call functions for that (one without arguments in the pattern of
a comparison is a constant). So views are shown and made by accounts for which no function of an owner does more than he can do; see `make`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess

from rootless_backup.databases.mariadb import account
from rootless_backup.databases.mariadb.client import COMPLETE, hexed, identifier, named, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO, TypedDict

    from rootless_backup.databases.mariadb.client import Server
    from rootless_backup.records.manifest import Entry

    class Definition(TypedDict):
        """What a manifest tells of a statement; `broken`: of a view that cannot be read."""

        kind: str
        name: str
        broken: bool


ROUTINES = ("PACKAGE", "PACKAGE BODY", "FUNCTION", "PROCEDURE")
# What needs nothing of another database.
OWN = (*ROUTINES, "TRIGGER")
# Views look into each other, so each has a place taken for it first.
PLACE = "PLACE OF VIEW"
VIEWS = (PLACE, "VIEW")
# In the order in which they are made: of all databases one after another, since what is behind may look into any of them.
STEPS: tuple[tuple[str, ...], ...] = (OWN, (PLACE,), ("VIEW",), ("EVENT",))
KINDS = tuple(kind for step in STEPS for kind in step)
# The objects of a database: kind and name, in the order in which the triggers of a table are to run.
OBJECTS = " UNION ALL ".join(
    [
        "SELECT ROUTINE_TYPE, %s, '', 0 FROM information_schema.ROUTINES WHERE %%(routine)s" % hexed("ROUTINE_NAME"),
        "SELECT 'TRIGGER', %s, CONCAT(%s, ACTION_TIMING, EVENT_MANIPULATION), ACTION_ORDER FROM information_schema.TRIGGERS"
        " WHERE %%(trigger)s" % (hexed("TRIGGER_NAME"), hexed("EVENT_OBJECT_TABLE")),
        "SELECT 'VIEW', %s, '', 0 FROM information_schema.TABLES WHERE %%(table)s AND TABLE_TYPE = 'VIEW'" % hexed("TABLE_NAME"),
        "SELECT 'EVENT', %s, '', 0 FROM information_schema.EVENTS WHERE %%(event)s" % hexed("EVENT_NAME"),
    ]
)
# Where SHOW CREATE has the statement, and what was set when it was made: mode, time zone, client, connection, collation of the database.
PACKAGED = (2, 1, None, 3, 4, 5)
FIELDS = {**dict.fromkeys((*ROUTINES, "TRIGGER"), PACKAGED), "EVENT": (3, 1, 2, 4, 5, 6), "VIEW": (1, None, None, 2, 3, None)}
OTHERWISE = "its routines, triggers, views and events are not what the manifest tells of"
UNUSUAL = "it names its database or its definer in an unusual way, so it can be made by hand only, and where it was"
# What stands in a dump for each; nothing else is taken for one.
COMMENT, BEGIN = "-- ", "SET @made = NULL; "
LINE = re.compile(
    BEGIN + r"(?:ALTER DATABASE COLLATE (?P<collation>\w+); )?SET character_set_client = \w+, collation_connection = \w+, "
    r"sql_mode = '[A-Z0-9_,]*', time_zone = '[A-Za-z0-9_+:/.-]*', @made = 0x(?P<made>[0-9a-f]+); EXECUTE IMMEDIATE @made;"
    r"(?: ALTER DATABASE COLLATE \w+;)?"
)
WORD = r"(?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"|[\w$\x80-\xff]+)"
DEFINER = r"CREATE (?:OR REPLACE )?DEFINER=%s(?:@%s)? " % (WORD, WORD)
TRIGGER = re.compile(
    (
        r"(%(definer)sTRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?)(?:%(word)s\s*\.\s*)?(%(word)s\s+(?:BEFORE|AFTER)\s+\w+\s+ON\s+)"
        r"(?:%(word)s\s*\.\s*)?(%(word)s\s)" % {"definer": DEFINER, "word": WORD}
    ).encode("latin-1"),
    re.IGNORECASE,
)
EVENT = re.compile(
    (r"(%sEVENT %s ON SCHEDULE [^`\"]*? ON COMPLETION (?:NOT )?PRESERVE )(?:EN|DIS)ABLE\b" % (DEFINER, WORD)).encode("latin-1")
)
VIEW = re.compile(rb"CREATE (?=ALGORITHM=)")
# Whose a view is, and whether it looks as whoever asks.
VIEWER = re.compile(
    (r"CREATE (?:OR REPLACE )?ALGORITHM=\w+ DEFINER=(%s(?:@%s)?) SQL SECURITY (INVOKER )?" % (WORD, WORD)).encode("latin-1")
)
# How long it may take to look at all views of a database, in seconds: they can look at each other so often that it has no end, and the
# server needs more memory all the time. And what it says then.
LONGEST_LOOK = 60
ENDLESS = re.compile(rb"max_statement_time exceeded")
# A view calls a function, or looks at one that does.
CALLS = re.compile(r"(?:1356|1370) ")
# What it takes to make a view, in its database; SET USER: it looks as whom it did.
MAKING = ("CREATE VIEW, DROP, SHOW VIEW ON %(database)s", "SET USER ON *.*")
# With all that is to be seen and no function; then with functions, those of the database that it was in too, and nothing but its own.
VIEWERS = ((*MAKING, "SELECT ON *.*"), (*MAKING, "SELECT, EXECUTE ON %(database)s", "EXECUTE ON %(origin)s"))


class Line:
    """Where in a dump a statement is, which may be long, and its checksum."""

    def __init__(self, path: str, begin: int, text: str) -> None:
        self.path, self.begin, self.length = path, begin, len(text)
        self.sum = hashlib.sha256(text.encode()).digest()

    def read(self) -> str:
        with open(self.path, "rb") as file:
            file.seek(self.begin)
            return file.read(self.length).decode("ascii")


def write(server: Server, file: IO[bytes], database: str, collation: str) -> tuple[list[Definition], list[str]]:
    """Write a statement for each object of a database that is no table, behind what is in a file: one at a time, since each may be large.

    `server`: for an account that may call no function. `collation`: of the database. Return what there is a statement of, and what the
    server does not show.
    """
    objects = objects_of(server, database)
    definitions: list[Definition] = []
    lacking: list[str] = []
    try:
        columns = columns_of(server, database)
    except subprocess.CalledProcessError as error:
        if not ENDLESS.search(error.stderr):
            raise
        # Nor is any of them looked at again: what else is in the database is saved.
        columns, objects = {}, [pair for pair in objects if pair[0] != "VIEW"]
        lacking.append("its views, since to look at them takes longer than %d seconds" % LONGEST_LOOK)
    calls = callers(server, database, [name for kind, name in objects if kind == "VIEW" and name not in columns])

    def put(kind: str, name: str, text: str, broken: bool = False) -> None:
        # By hand it would keep the rest from being made.
        file.write(("\n-- %s %s\n%s%s\n" % (kind, json.dumps(name), COMMENT if broken else "", text)).encode())
        definitions.append({"kind": kind, "name": name, "broken": broken})

    for step in STEPS:
        if step == (PLACE,):
            for name, names in sorted(columns.items()):
                put(PLACE, name, line(place_of(name, names)))
            continue
        for kind, name, row in shown_by(server, database, [pair for pair in objects if pair[0] in step]):
            if row is None:
                lacking.append("%s %s" % (kind.lower(), json.dumps(name)))
            else:
                broken = kind == "VIEW" and name not in columns and name not in calls and not looks_as_asked(row[1])
                put(kind, name, line_of(kind, row, collation), broken)
    file.write(COMPLETE)
    return definitions, lacking


def place_of(name: str, columns: list[str]) -> bytes:
    # Of whoever asks: who makes it may be gone when another looks at it. Every function takes NULL, whatever type it is for.
    words = ", ".join("NULL AS " + identifier(column) for column in columns)
    return ("CREATE SQL SECURITY INVOKER VIEW %s AS SELECT %s" % (identifier(name), words)).encode()


def looks_as_asked(made: bytes) -> bool:
    """Whether a view looks as whoever asks. Then it means nothing that our account may not look at all that the view names."""
    match = VIEWER.match(made)
    return match is not None and match[2] is not None


def callers(server: Server, database: str, views: list[str]) -> set[str]:
    """Those of views without columns that call a function, or look at one that does: to who may call none, they are unreadable anyway."""
    shown = shown_by(server, database, [("VIEW", name) for name in views])
    texts = {name: row[1] for _kind, name, row in shown if row}
    # What stands between two quotes, wherever in a text: each is read once, since an owner may have many thousand views.
    parts = {name: set(text.split(b"`")) for name, text in texts.items()}
    lookers: dict[bytes, list[str]] = {}
    for name, held in parts.items():
        for part in held:
            lookers.setdefault(part, []).append(name)
    names: set[str] = set()
    # In what a server shows only the name of a function of an owner is quoted and called.
    calling = [name for name, text in texts.items() if b"`(" in text]
    while calling:
        name = calling.pop()
        if name not in names:
            names.add(name)
            own = set(identifier(name)[1:-1].encode().split(b"`"))
            calling += [looker for looker in lookers.get(max(own, key=len), []) if own <= parts[looker]]
    return names


def columns_of(server: Server, database: str) -> dict[str, list[str]]:
    """The columns of the views; of one that cannot be read there are none, as where its table is gone or its definer may not look at it."""
    columns: dict[str, list[str]] = {}
    for view, column in server.query(
        "SET STATEMENT max_statement_time = %d FOR SELECT %s, %s FROM information_schema.COLUMNS AS c JOIN information_schema.TABLES AS t "
        "ON BINARY t.TABLE_NAME = BINARY c.TABLE_NAME WHERE %s AND %s AND TABLE_TYPE = 'VIEW' ORDER BY ORDINAL_POSITION"
        % (
            LONGEST_LOOK,
            hexed("c.TABLE_NAME"),
            hexed("COLUMN_NAME"),
            within("c.TABLE_SCHEMA", database),
            within("t.TABLE_SCHEMA", database),
        )
    ):
        columns.setdefault(named(view), []).append(named(column))
    return columns


def objects_of(server: Server, database: str) -> list[tuple[str, str]]:
    """The objects of a database, kind and name, in the order in which they are made."""
    columns = {"routine": "ROUTINE_SCHEMA", "trigger": "EVENT_OBJECT_SCHEMA", "table": "TABLE_SCHEMA", "event": "EVENT_SCHEMA"}
    where = {kind: within(column, database) for kind, column in columns.items()}
    rows = server.query(OBJECTS % where + " ORDER BY 1, 3, 4, 2")
    return sorted(((row[0], named(row[1])) for row in rows), key=lambda pair: KINDS.index(pair[0]))


def shown_by(server: Server, database: str, objects: list[tuple[str, str]]) -> Iterator[tuple[str, str, list[bytes] | None]]:
    """Objects of a database: kind, name, and what SHOW CREATE says of it, as the client wrote it who made it; None: nothing."""
    if not objects:
        return
    # A line with its number comes before each object: it says whose the lines behind it are.
    script = "".join("SELECT %d;\nSHOW CREATE %s %s;\n" % (number, kind, identifier(name)) for number, (kind, name) in enumerate(objects))
    following = iter(objects)
    waiting = None
    for fields in server.rows("SET character_set_results = binary;\n" + script, database):
        if len(fields) == 1:
            if waiting:
                yield (*waiting, None)
            waiting = next(following, None)
        elif waiting:
            yield (*waiting, None if fields[FIELDS[waiting[0]][0]] == b"NULL" else fields)
            waiting = None
    for pair in ([waiting] if waiting else []) + list(following):
        yield (*pair, None)


def line_of(kind: str, row: list[bytes], collation: str) -> str:
    """The line for what SHOW CREATE says."""
    made, mode, zone, client, connection, within = (None if index is None else row[index] for index in FIELDS[kind])
    assert made is not None and client is not None and connection is not None
    if kind == "VIEW":
        # What takes its place goes.
        made = VIEW.sub(b"CREATE OR REPLACE ", made, count=1)
    texts = [(value or b"").decode("ascii") for value in (client, connection, mode, zone or b"SYSTEM")]
    other = None if within is None or within.decode("ascii") == collation else within.decode("ascii")
    text = line(made, *texts)
    return (
        text
        if other is None
        else text.replace("; ", "; ALTER DATABASE COLLATE %s; " % other, 1) + " ALTER DATABASE COLLATE %s;" % collation
    )


def line(made: bytes, client: str = "utf8mb4", connection: str = "utf8mb4_general_ci", mode: str = "", zone: str = "SYSTEM") -> str:
    """What has a statement made as it was. Where one of the settings is refused, there is nothing to be made."""
    return (
        BEGIN + "SET character_set_client = %s, collation_connection = %s, sql_mode = '%s', time_zone = '%s', @made = 0x%s; "
        "EXECUTE IMMEDIATE @made;" % (client, connection, mode, zone, made.hex())
    )


def lines_in(path: str, entry: Entry) -> list[tuple[Definition, Line]]:
    """The statements in a dump. ValueError: something else is where they are to be."""
    if "parts" not in entry:
        return []
    pairs = [(definition["kind"], definition["name"]) for definition in entry["definitions"]]
    known = all(kind in KINDS and isinstance(name, str) for kind, name in pairs)
    lines = list(found_in(path, entry["parts"][1]))
    if not known or len(lines) != len(pairs):
        raise ValueError(OTHERWISE)
    shown = {name for kind, name in pairs if kind == "VIEW"}
    # Where the server did not show a view, nothing takes its place.
    return [
        (definition, text)
        for definition, text in zip(entry["definitions"], lines)
        if definition["kind"] != PLACE or definition["name"] in shown
    ]


def found_in(path: str, begin: int) -> Iterator[Line]:
    with open(path, "rb") as file:
        file.seek(begin)
        for row in file:
            text = row.decode("ascii").rstrip("\n")
            start, begin = begin, begin + len(row)
            if text.startswith(COMMENT + BEGIN):
                text, start = text[len(COMMENT) :], start + len(COMMENT)
            if not text or text.startswith(COMMENT):
                continue
            match = LINE.fullmatch(text)
            if match is None or len(match["made"]) % 2:
                raise ValueError(OTHERWISE)
            yield Line(path, start, text)


class Making:
    """What is to be made in a database.

    `origin`: the one that it was in. `before`: what each statement begins with.
    """

    def __init__(
        self,
        server: Server,
        lines: Iterable[tuple[Definition, Line]],
        database: str,
        origin: str,
        before: Callable[[Definition], str] = lambda _: "",
    ) -> None:
        self.server, self.database, self.origin, self.before = server, database, origin, before
        self.pending = list(lines)
        # Why what is pending is.
        self.whys: list[str] = []

    def attempt(self) -> int:
        """Make what can be. Return how many there are more."""
        views = [number for number, (definition, _line) in enumerate(self.pending) if definition["kind"] in VIEWS]
        others = sorted(set(range(len(self.pending))) - set(views))
        refused = self.made_by(self.server, others, self.text) if others else {}
        refused.update(self.views(views))
        made = len(self.pending) - len(refused)
        self.whys = [why for _number, why in sorted(refused.items())]
        self.pending = [self.pending[number] for number in sorted(refused)]
        return made

    def views(self, numbers: list[int]) -> dict[int, str]:
        """Make views, each by the first that can, see VIEWERS, and at last as who it is of. Return why which were not made."""
        refused: dict[int, str] = {}
        for rights in (*VIEWERS, ()):
            if not numbers:
                break
            if rights:
                inside = {name: account.inside(self.server, getattr(self, name)) for name in ("database", "origin")}
                with account.holding(self.server, [right % inside for right in rights]) as viewer:
                    now = self.made_by(viewer, numbers, self.text)
            else:
                now = self.made_by(self.server, numbers, self.as_definer)
            refused = {**{number: why for number, why in refused.items() if number not in numbers}, **now}
            # What the second may not see, whose it is may.
            numbers = [number for number, why in now.items() if rights != VIEWERS[0] or CALLS.match(why)]
        return refused

    def made_by(self, server: Server, numbers: list[int], text_of: Callable[[int], str | None]) -> dict[int, str]:
        """Have a server make some. Return why which were not made."""
        sent: list[int] = []

        def texts() -> Iterator[str]:
            for number in numbers:
                text = text_of(number)
                if text is not None:
                    sent.append(number)
                    yield text

        refused = {sent[index]: why for index, why in server.refused(texts(), self.database).items()}
        return {**dict.fromkeys(set(numbers) - set(sent), UNUSUAL), **refused}

    def text(self, number: int) -> str | None:
        definition, at = self.pending[number]
        text = moved(definition["kind"], at.read()) if self.database != self.origin else at.read()
        return None if text is None else self.before(definition) + text

    def as_definer(self, number: int) -> str | None:
        """A statement by which a view is made as who it is of: a function does then what it does when he looks at the view."""
        definition, at = self.pending[number]
        text = at.read()
        match = LINE.fullmatch(text)
        made = bytes.fromhex(match["made"]) if match else b""
        viewer = VIEWER.match(made)
        if viewer is None or not viewer[1].isascii():
            return None
        # He may be one who takes nothing away.
        text = text.replace(made.hex(), made.replace(b"CREATE OR REPLACE ", b"CREATE ", 1).hex())
        name = account.NAME % ("view", os.urandom(8).hex())
        by_him = "CREATE DEFINER=%s PROCEDURE %s() EXECUTE IMMEDIATE @made; CALL %s(); DROP PROCEDURE %s;"
        return made_room(definition) + text.replace("EXECUTE IMMEDIATE @made;", by_him % (viewer[1].decode(), name, name, name))


def made_room(definition: Definition) -> str:
    """A statement that takes what stands in the place of a view away."""
    drop = "DROP VIEW IF EXISTS %s" % identifier(definition["name"])
    return line(drop.encode()) + " " if definition["kind"] == "VIEW" else ""


def in_rounds(attempts: list[Callable[[], int]]) -> None:
    """Have each make what it can as long as one makes more: what it looks at may be there by now."""
    while sum(attempt() for attempt in attempts):
        pass


def moved(kind: str, text: str) -> str | None:
    """A line for another database than the one that it is of: a trigger names no database, an event does not run. None: that cannot be."""
    match = LINE.fullmatch(text)
    if match is None or kind not in ("TRIGGER", "EVENT"):
        return text
    pattern, rest = (TRIGGER, rb"\1\2\3") if kind == "TRIGGER" else (EVENT, rb"\1DISABLE")
    made = bytes.fromhex(match["made"])
    if not pattern.match(made):
        return None
    return text.replace("0x" + match["made"], "0x" + pattern.sub(rest, made, count=1).hex())
