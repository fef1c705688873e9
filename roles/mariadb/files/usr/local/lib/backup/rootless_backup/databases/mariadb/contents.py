# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""What is in a database, and in its dump."""

from __future__ import annotations

import hashlib
import os
import re

from rootless_backup.databases.mariadb.client import hexed, literal, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless_backup.databases.mariadb.client import Server

    # `{name: {"rows", "checksum"}}`
    Tables = dict[str, dict[str, Any]]

NAME = rb"`((?:[^`]|``)*)`"
CREATE = re.compile(rb"CREATE TABLE %s \(" % NAME)
INSERT = re.compile(rb"INSERT (?:IGNORE )?INTO %s (?:\((?:`(?:[^`]|``)*`|[^`()])*\) )?VALUES ?" % NAME)
# As whom something runs, as mariadb-dump writes it; and what the server could read as the same.
DEFINER = re.compile(rb"DEFINER=%s(?:@%s)?" % (NAME, NAME))
LIKE_DEFINER = re.compile(rb"definer(?=\s*[=/*#-])", re.IGNORECASE)
# What a trigger, a routine and an event is to be run as, of one database.
KINDS = {
    "triggers": "SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA",
    "routines": "SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA",
    "events": "SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA",
}


def tables_in(path: str, begin: int, end: int) -> Tables:
    """The tables in a part of a dump, with the number of their rows and a checksum of these in any order."""
    tables: Tables = {}
    sums: dict[str, int] = {}
    with open(path, "rb") as file:
        file.seek(begin)
        name = None
        while begin < end and (line := file.readline()):
            begin += len(line)
            if not line.startswith(b"("):
                made, filled = CREATE.match(line), INSERT.match(line)
                match = made or filled
                name = os.fsdecode(match[1].replace(b"``", b"`")) if match else None
                if name is not None and name not in tables:
                    tables[name], sums[name] = {"rows": 0}, 0
                line = line[filled.end() :] if filled else b""
            row = line.rstrip(b",;\n")
            if name is not None and row:
                tables[name]["rows"] += 1
                sums[name] += int.from_bytes(hashlib.sha256(row).digest()[:16], "big")
    for name, total in sums.items():
        tables[name]["checksum"] = "%032x" % (total % (1 << 128))
    return tables


def definers_of(server: Server, database: str) -> tuple[dict[str, int], dict[str, int]]:
    """How many triggers, routines and events there are, and as whom how many of them run: `{kind: number}`, `{definer: number}`."""
    sql = " UNION ALL ".join(
        "SELECT '%s', %s FROM (%s = %s) AS found" % (kind, hexed("DEFINER"), each, literal(database)) for kind, each in KINDS.items()
    )
    objects: dict[str, int] = dict.fromkeys(KINDS, 0)
    definers: dict[str, int] = {}
    for kind, encoded in server.query(sql):
        definer = named(encoded).rstrip("@")
        objects[kind] += 1
        definers[definer] = definers.get(definer, 0) + 1
    return objects, definers


def runs_as_recorded(text: bytes, definers: dict[str, int]) -> bool:
    """Whether a text makes things to be run as those who are recorded, and nothing as anybody else.

    What an owner wrote stands in it, and could be read as more than it was.
    """
    found: dict[str, int] = {}
    for user, host in DEFINER.findall(text):
        definer = os.fsdecode(b"@".join(each.replace(b"``", b"`") for each in (user, host))).rstrip("@")
        found[definer] = found.get(definer, 0) + 1
    return found == definers and len(LIKE_DEFINER.findall(text)) == sum(found.values())
