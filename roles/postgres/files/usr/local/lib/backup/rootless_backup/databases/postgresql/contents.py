# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""What a dump says is in it, and what a manifest tells of that."""

from __future__ import annotations

import collections
import contextlib
import fcntl
import hashlib
import json
import os
import re
import subprocess
import tempfile

from rootless_backup.databases.base import shown
from rootless_backup.databases.postgresql.client import output
from rootless_backup.databases.postgresql.script import Script, Unread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Any

    from rootless_backup.databases.postgresql.script import Stream
    from rootless_backup.records.manifest import Entry

    # An entry of the table of contents; see `entries`.
    Listed = tuple[int, int, str]
    # `{"tables", "sequences", "large objects"}`, and `"objects"` beside them; see `scan` and `objects`.
    Contents = dict[str, Any]

# A name as pg_dump(1) writes it, and what begins the rows of a table.
NAME = rb'(?:"(?:[^"]|"")*"|[^\s",.()]+)'
COPY = re.compile(rb"COPY (%s\.%s) (?:\((%s(?:, %s)*)\))? FROM stdin;" % (NAME, NAME, NAME, NAME))
SETVAL = re.compile(rb"SELECT pg_catalog\.setval\('((?:[^']|'')*)', (\S+, \S+)\);")
# What else is in a database, by what the table of contents of a dump calls it. Their definitions are not compared.
KINDS = {
    "INDEX": "indexes",
    "SEQUENCE": "sequences",
    "VIEW": "views",
    "MATERIALIZED VIEW": "materialized views",
    "FOREIGN TABLE": "foreign tables",
    "CONSTRAINT": "constraints",
    "FK CONSTRAINT": "constraints",
    "CHECK CONSTRAINT": "constraints",
    "TRIGGER": "triggers",
    "EVENT TRIGGER": "event triggers",
    "FUNCTION": "functions",
    "PROCEDURE": "functions",
    "AGGREGATE": "functions",
    "RULE": "rules",
    "POLICY": "policies",
    "TYPE": "types",
    "DOMAIN": "types",
    "OPERATOR": "operators",
    "CAST": "casts",
    "STATISTICS": "statistics",
    "TABLE": "tables",
}
# What begins like one of them, and is none.
OTHERS = [
    "TABLE DATA",
    "TABLE ATTACH",
    "INDEX ATTACH",
    "MATERIALIZED VIEW DATA",
    "SEQUENCE SET",
    "SEQUENCE OWNED BY",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "STATISTICS DATA",
]
ENTRY = re.compile(r"\d+; (\d+) (\d+) (%s) ".replace("%s", "|".join(sorted([*KINDS, *OTHERS], key=len, reverse=True))).encode())
# What a manifest tells of what is in a dump.
RECORDED = {"tables", "sequences", "large objects", "objects"}
# The same, and large objects, stood among the tables in manifests of before.
FORMER = {"indexes", "sequences", "views", "materialized views", "foreign tables", "constraints", "triggers", "functions", "large objects"}


def widen(pipe: int | IO[bytes]) -> None:
    """Let a pipe hold more, so that its ends wait for each other less often."""
    # F_SETPIPE_SZ, which Python 3.9 has no name for. See fcntl(2).
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, 1031, 1 << 20)


def entries(path: str, env: dict[str, str]) -> list[Listed]:
    """The entries of the table of contents of a dump that are looked at here: `(number of the catalogue, oid, what it is)`."""
    matches = map(ENTRY.match, output(["pg_restore", "--list", path], env=env).splitlines())
    return [(int(match[1]), int(match[2]), match[3].decode()) for match in matches if match]


def objects(entries: Iterable[Listed]) -> dict[str, int]:
    """How many there are of each kind."""
    return dict(sorted(collections.Counter(KINDS[kind] for _table, _oid, kind in entries if kind in KINDS).items()))


@contextlib.contextmanager
def reading(path: str | None, env: dict[str, str], source: IO[bytes] | None = None) -> Iterator[IO[bytes]]:
    """The rows that are in a dump, as pg_restore(1) writes them; `source`: a process that writes the dump, in place of a file."""
    command = ["pg_restore", "--data-only", "--file=-", *([] if path is None else [path])]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, env=env, stdin=source or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout
        widen(process.stdout)
        try:
            yield process.stdout
            process.stdout.read()
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            errors.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command[0], stderr=errors.read())


def scan(stream: Stream, apart: dict[str, list[str]] | None = None) -> Contents:
    """What is in a dump, of the statements and rows that pg_restore writes. Unread: they are not what it is known to write.

    `tables`: of each its columns, the number of its rows, and a checksum of them as they stand there; for a table of `apart` it is of
    the rows in any order, and of the columns named there. What is copied by way of the table that it is a part of belongs to that.
    """
    script = Script(stream)
    tables, sequences = {}, {}
    # Of large objects, which come in any order, how many there were, the sum of their checksums, and that of the one that is read.
    count, total, large = 0, 0, hashlib.sha256()
    for statement in script.statements():
        if script.cut:
            raise Unread("a statement of it is too long: %s" % shown(os.fsdecode(statement[:200])))
        copy = COPY.fullmatch(statement)
        if copy:
            name, columns = os.fsdecode(copy[1]), [os.fsdecode(column) for column in re.findall(NAME, copy[2] or b"")]
            if name not in tables:
                tables[name] = Unordered(columns, apart[name]) if apart and name in apart else Rows(columns)
            elif sorted(tables[name].columns) != sorted(columns):
                raise Unread("of %s there are several parts, which do not have the same columns" % shown(name))
            else:
                tables[name].go_on(columns)
            script.rows(tables[name].take)
        elif statement.startswith(b"COPY "):
            raise Unread("it is not known what this means: %s" % shown(os.fsdecode(statement[:200])))
        elif statement.startswith(b"SELECT pg_catalog.setval("):
            value = SETVAL.fullmatch(statement)
            if value is None:
                raise Unread("it is not known what this means: %s" % shown(os.fsdecode(statement[:200])))
            sequences[os.fsdecode(value[1].replace(b"''", b"'"))] = value[2].decode()
        elif statement.startswith(b"SELECT pg_catalog.lo_open("):
            total += number(large) if count else 0
            count, large = count + 1, hashlib.sha256(statement)
        elif statement.startswith(b"SELECT pg_catalog.lowrite("):
            large.update(statement)
    total += number(large) if count else 0
    return {
        "tables": {name: rows.told() for name, rows in tables.items()},
        "sequences": sequences,
        "large objects": {"number": count, "checksum": "%064x" % (total % (1 << 256))},
    }


def number(digest: hashlib._Hash) -> int:
    """A checksum as a number, which can be added to others."""
    return int.from_bytes(digest.digest(), "big")


class Rows:
    """The rows of a table, as they come."""

    def __init__(self, columns: list[str]) -> None:
        self.columns = columns
        self.count = 0
        self.digest = hashlib.sha256()

    def go_on(self, columns: list[str]) -> None:
        """Another part of the table follows, whose columns may come in another order."""
        if columns != self.columns:
            self.digest.update(json.dumps(columns).encode())

    def take(self, piece: bytes) -> None:
        self.count += piece.count(b"\n")
        self.digest.update(piece)

    def told(self) -> dict[str, Any]:
        return {"columns": self.columns, "rows": self.count, "checksum": self.digest.hexdigest()}


class Unordered:
    """The rows of a table, in any order: a table that inherits comes back with its columns in another one, and of the parts of a table
    each may get other rows than it had.
    """

    def __init__(self, columns: list[str], wanted: list[str]) -> None:
        self.columns, self.wanted = columns, wanted
        self.count = self.sum = 0
        self.begun = b""
        self.go_on(columns)

    def go_on(self, columns: list[str]) -> None:
        """Another part of the table follows, whose columns may come in another order."""
        self.places = None if columns == self.wanted else [columns.index(column) for column in self.wanted]

    def take(self, piece: bytes) -> None:
        *rows, self.begun = (self.begun + piece).split(b"\n")
        self.count += len(rows)
        for row in rows:
            values = row if self.places is None else self.placed(row.split(b"\t"))
            self.sum += int.from_bytes(hashlib.blake2b(values, digest_size=16).digest(), "big")

    def placed(self, values: list[bytes]) -> bytes:
        return b"\t".join([values[place] for place in self.places or ()])

    def told(self) -> dict[str, Any]:
        return {"columns": self.columns, "rows": self.count, "checksum": "%032x" % (self.sum % (1 << 128))}


def recorded_in(entry: Entry) -> Contents:
    """What a manifest tells of a database, as `contents` and `objects` do. Before they did, only the rows were counted alike."""
    if "objects" in entry:
        return {kind: entry.get(kind, {}) for kind in ("tables", "sequences", "large objects", "objects")}
    return {"tables": {name: {"rows": table["rows"]} for name, table in tables_of(entry).items()}}


def tables_of(entry: Entry) -> dict[str, Any]:
    """Of the tables of a database how many rows each has, and more, as its manifest tells."""
    return {name: table for name, table in entry.get("tables", {}).items() if "objects" in entry or name not in FORMER}
