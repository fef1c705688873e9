# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""What runs or looks as somebody else: routines, triggers, views and events, each as the one statement that makes it.

What an owner wrote stands in it as he wrote it, and a client can take its end for somewhere else than the server did that had it: what is
behind would be a statement of whoever loads it. So in a dump it is in hex, which no client reads, and the server is handed it to be
prepared, which takes a single statement and nothing behind it. It makes something that runs as whom the server said it does, and runs
nothing.
"""

from __future__ import annotations

import json
import re

from rootless_backup.databases.mariadb.client import COMPLETE, hexed, identifier, named, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, TypedDict

    from rootless_backup.databases.mariadb.client import Server
    from rootless_backup.records.manifest import Entry

    class Definition(TypedDict):
        """What a manifest tells of a statement; `broken`: of a view that cannot be read."""

        kind: str
        name: str
        broken: bool


# In the order in which they are made. Views look into each other, so each has a place taken for it first.
ROUTINES = ("PACKAGE", "PACKAGE BODY", "FUNCTION", "PROCEDURE")
PLACE = "PLACE OF VIEW"
KINDS = (*ROUTINES, "TRIGGER", PLACE, "VIEW", "EVENT")
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
# What stands in a dump for each; nothing else is taken for one.
COMMENT, BEGIN = "-- ", "SET @made = NULL; "
LINE = re.compile(
    BEGIN + r"(?:ALTER DATABASE COLLATE (?P<collation>\w+); )?SET character_set_client = \w+, collation_connection = \w+, "
    r"sql_mode = '[A-Z0-9_,]*', time_zone = '[A-Za-z0-9_+:/.-]*', @made = 0x(?P<made>(?:[0-9a-f]{2})+); EXECUTE IMMEDIATE @made;"
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


def write(server: Server, file: IO[bytes], database: str, collation: str) -> tuple[list[Definition], list[str]]:
    """Write a statement for each object of a database that is no table, behind what is in a file.

    `collation`: of the database. Return what there is a statement of, and what the server does not show.
    """
    columns = columns_of(server, database)
    found: list[tuple[Definition, str]] = []
    lacking = []
    for kind, name, row in shown_by(server, database):
        if row is None:
            lacking.append("%s %s" % (kind.lower(), json.dumps(name)))
            continue
        broken = kind == "VIEW" and name not in columns
        # By hand it would keep the rest from being made.
        text = (COMMENT if broken else "") + line_of(kind, row, collation)
        found.append(({"kind": kind, "name": name, "broken": broken}, text))
        if kind == "VIEW" and not broken:
            place = "CREATE VIEW %s AS SELECT %s" % (identifier(name), ", ".join("1 AS " + identifier(each) for each in columns[name]))
            found.append(({"kind": PLACE, "name": name, "broken": False}, line(place.encode())))
    found.sort(key=lambda each: KINDS.index(each[0]["kind"]))
    file.write("".join("\n-- %s %s\n%s\n" % (each["kind"], json.dumps(each["name"]), text) for each, text in found).encode())
    file.write(COMPLETE)
    return [each for each, _text in found], lacking


def columns_of(server: Server, database: str) -> dict[str, list[str]]:
    """The columns of the views; of one that cannot be read there are none, as where its table is gone or its definer may not look at it."""
    found: dict[str, list[str]] = {}
    for view, column in server.query(
        "SELECT %s, %s FROM information_schema.COLUMNS JOIN information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME) "
        "WHERE %s AND TABLE_TYPE = 'VIEW' ORDER BY TABLE_NAME, ORDINAL_POSITION"
        % (hexed("TABLE_NAME"), hexed("COLUMN_NAME"), within("TABLE_SCHEMA", database))
    ):
        found.setdefault(named(view), []).append(named(column))
    return found


def shown_by(server: Server, database: str) -> Iterator[tuple[str, str, list[bytes] | None]]:
    """The objects of a database: kind, name, and what SHOW CREATE says of it, as the client wrote it who made it; None: nothing."""
    where = {kind: within("%s_SCHEMA" % kind.upper(), database) for kind in ("routine", "trigger", "table", "event")}
    objects = [(row[0], named(row[1])) for row in server.query(OBJECTS % where + " ORDER BY 1, 3, 4, 2")]
    # Whose lines are whose, is said before each.
    script = "".join("SELECT %d;\nSHOW CREATE %s %s;\n" % (number, kind, identifier(name)) for number, (kind, name) in enumerate(objects))
    rows: dict[int, list[bytes]] = {}
    number = -1
    for fields in server.answer("SET character_set_results = binary;\n" + script, database, force=True):
        if len(fields) == 1:
            number = int(fields[0])
        else:
            rows[number] = fields
    for number, (kind, name) in enumerate(objects):
        row = rows.get(number)
        yield kind, name, None if row is None or row[FIELDS[kind][0]] == b"NULL" else row


def line_of(kind: str, row: list[bytes], collation: str) -> str:
    """The line for what SHOW CREATE says."""
    made, mode, zone, client, connection, within = (None if each is None else row[each] for each in FIELDS[kind])
    assert made is not None and client is not None and connection is not None
    if kind == "VIEW":
        # What takes its place goes.
        made = VIEW.sub(b"CREATE OR REPLACE ", made, count=1)
    texts = [(each or b"").decode("ascii") for each in (client, connection, mode, zone or b"SYSTEM")]
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


def lines_in(path: str, entry: Entry) -> list[tuple[Definition, str]]:
    """The statements in a dump. ValueError: something else is where they are to be."""
    if "parts" not in entry:
        return []
    with open(path, "rb") as file:
        file.seek(entry["parts"][1])
        texts = [each.decode("ascii") for each in file.read().split(b"\n")]
    lines = [text[len(COMMENT) :] if text.startswith(COMMENT + BEGIN) else text for text in texts]
    lines = [text for text in lines if text and not text.startswith(COMMENT)]
    told = [(each["kind"], each["name"]) for each in entry["definitions"]]
    known = all(kind in KINDS and isinstance(name, str) for kind, name in told)
    if not known or len(lines) != len(told) or not all(map(LINE.fullmatch, lines)):
        raise ValueError("its routines, triggers, views and events are not what the manifest tells of")
    return list(zip(entry["definitions"], lines))


def make(server: Server, lines: Iterable[tuple[Definition, str]], database: str, elsewhere: bool) -> list[tuple[Definition, str]]:
    """Make objects in a database, each that can be. Return which could not, and why.

    `elsewhere`: it is not the one that they were in.
    """
    wanted, refused = [], []
    for definition, text in lines:
        there = moved(definition["kind"], text) if elsewhere else text
        if there is None:
            refused.append((definition, "it names its database, so it can be made in that one only"))
        else:
            wanted.append((definition, there))
    for number, why in sorted(server.refused([text for _definition, text in wanted], database).items()):
        refused.append((wanted[number][0], why))
    return refused


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
