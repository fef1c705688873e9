# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""The tables in a dump."""

from __future__ import annotations

import hashlib
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # `{name: {"rows", "checksum", "definition", "engine"}}`; of a sequence there is neither of the latter.
    Tables = dict[str, dict[str, Any]]

NAME = rb"`((?:[^`]|``)*)`"
CREATE = re.compile(rb"CREATE TABLE %s \(" % NAME)
INSERT = re.compile(rb"INSERT (?:IGNORE )?INTO %s (?:\((?:`(?:[^`]|``)*`|[^`()])*\) )?VALUES ?" % NAME)
# Of a sequence, whose state is its only row.
SEQUENCE = re.compile(rb"(?:DO|SELECT) SETVAL\(%s, " % NAME)
ENGINE = re.compile(rb"\) ENGINE=(\w+)")
# It goes on from the rows that are there.
COUNTER = re.compile(rb" AUTO_INCREMENT=\d+")


class Table:
    """What is said of a table. Lines count in any order: rows have none, and a server may write its keys in another."""

    def __init__(self) -> None:
        self.rows = self.checksum = self.definition = 0
        self.engine = ""

    def told(self) -> dict[str, Any]:
        sums = {"checksum": self.checksum, "definition": self.definition}
        return {"rows": self.rows, "engine": self.engine, **{key: "%032x" % (value % (1 << 128)) for key, value in sums.items()}}

    def add_row(self, row: bytes) -> None:
        if row:
            self.rows += 1
            self.checksum += sum_of(row)

    def add_definition(self, line: bytes) -> None:
        if not line:
            return
        match = ENGINE.match(line)
        if match:
            self.engine = match[1].decode()
            line = COUNTER.sub(b"", line)
        self.definition += sum_of(line.strip(b" ,;\n"))


def tables_in(path: str, begin: int, end: int) -> Tables:
    """The tables in a part of a dump, each with the number of its rows, and checksums of these and of the statement that makes it.

    mariadb-dump begins a line with each row, and ends one with each statement.
    """
    tables: dict[str, Table] = {}
    add: Callable[[bytes], None] | None = None
    with open(path, "rb") as file:
        file.seek(begin)
        while begin < end and (line := file.readline()):
            begin += len(line)
            match = CREATE.match(line) or INSERT.match(line) or SEQUENCE.match(line)
            if match:
                table = tables.setdefault(match[1].replace(b"``", b"`").decode(errors="surrogateescape"), Table())
                add = table.add_definition if match.re is CREATE else table.add_row
                text = line[match.end() :]
            else:
                text = line
            if add:
                add(text.rstrip(b",;\n"))
            if line.endswith(b";\n"):
                add = None
    return {name: table.told() for name, table in tables.items()}


def sum_of(line: bytes) -> int:
    return int.from_bytes(hashlib.sha256(line).digest()[:16], "big")
