# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""The tables in a dump."""

from __future__ import annotations

import hashlib
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # `{name: {"rows", "checksum"}}`
    Tables = dict[str, dict[str, Any]]

NAME = rb"`((?:[^`]|``)*)`"
CREATE = re.compile(rb"CREATE TABLE %s \(" % NAME)
INSERT = re.compile(rb"INSERT (?:IGNORE )?INTO %s (?:\((?:`(?:[^`]|``)*`|[^`()])*\) )?VALUES ?" % NAME)
# Of a sequence, whose state is its only row.
SEQUENCE = re.compile(rb"(?:DO|SELECT) SETVAL\(%s, " % NAME)


def tables_in(path: str, begin: int, end: int) -> Tables:
    """The tables in a part of a dump, each with the number of its rows and a checksum of these in any order.

    mariadb-dump begins a line with each row, and no row begins otherwise than with a parenthesis.
    """
    rows: dict[str, int] = {}
    sums: dict[str, int] = {}
    name = None
    with open(path, "rb") as file:
        file.seek(begin)
        while begin < end and (line := file.readline()):
            begin += len(line)
            if not line.startswith(b"("):
                filled = INSERT.match(line) or SEQUENCE.match(line)
                match = filled or CREATE.match(line)
                name = os.fsdecode(match[1].replace(b"``", b"`")) if match else None
                if name is not None:
                    rows.setdefault(name, 0)
                    sums.setdefault(name, 0)
                line = line[filled.end() :] if filled else b""
            row = line.rstrip(b",;\n")
            if name is not None and row:
                rows[name] += 1
                sums[name] += int.from_bytes(hashlib.sha256(row).digest()[:16], "big")
    return {name: {"rows": rows[name], "checksum": "%032x" % (sums[name] % (1 << 128))} for name in rows}
