# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""What is in a dump is run by the client, all of it that goes; what did not is told.

The tables of an owner are filled by an account that may do nothing but that, in that database only: what stands in a dump is his.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile

from rootless_backup import untrusted
from rootless_backup.databases.base import shown
from rootless_backup.databases.mariadb import account
from rootless_backup.databases.mariadb.client import AT_LINE, LENIENT, SESSION, Incomplete, hexed, identifier, named, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from rootless_backup.databases.mariadb.client import Server
    from rootless_backup.records.manifest import Entry

# What tables with their rows need.
TABLES = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, LOCK TABLES, DELETE HISTORY"
# What a server is set to: it lets through what is large, see client.PACKET, and passwords of which it sees a hash only; and a routine that
# takes the place of another keeps who may call it.
MOST_PACKET = 1 << 30
SET = {"max_allowed_packet": MOST_PACKET, "strict_password_validation": 0, "automatic_sp_privileges": 0}
# A grant outlives what it is for: of a table, a column, a routine that is not there.
GONE = re.compile(r"ERROR (?:1054|1146|1305) ")
# The errors of one text that are told.
MOST_TOLD = 20
# Where an older version of this collection has the name of a database, at the beginning of its dump.
HEAD = 64 << 10


@contextlib.contextmanager
def ready(server: Server) -> Iterator[None]:
    """The server lets through what has to be, such as large rows.

    What it was set to stands in the comment of a database that is there meanwhile: a restore that is killed leaves it to the next.
    """
    before = {name: int(value) for name, value in zip(SET, server.query("SELECT " + ", ".join("@@GLOBAL." + name for name in SET))[0])}
    note = "restoring_" + os.urandom(8).hex()
    server.query("CREATE DATABASE %s COMMENT '%s'; %s" % (note, json.dumps(before), setting(SET)))
    try:
        yield
    finally:
        server.query("%s; DROP DATABASE %s" % (setting(before), note))


def setting(values: dict[str, int]) -> str:
    return "; ".join("SET GLOBAL %s = %d" % variable for variable in values.items())


def noted(comment: str) -> dict[str, int]:
    """What a server was set to, as the comment of a database says; see `ready`."""
    try:
        values = json.loads(comment)
    except ValueError:
        return {}
    if not isinstance(values, dict) or values.keys() != SET.keys():
        return {}
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values.values()):
        return {}
    return {name: max(0, min(value, MOST_PACKET)) for name, value in values.items()}


@contextlib.contextmanager
def filling(server: Server, database: str, rights: str, refers: list[str]) -> Iterator[Server]:
    """The server for an account with some rights in a database, and that to refer to others."""
    known = [row[0] for row in server.query("SHOW VARIABLES WHERE Variable_name IN ('%s')" % "', '".join(LENIENT))]
    session = SESSION + "".join(", %s = 0" % name for name in sorted(known))
    grants = ["%s ON %s" % (rights, account.inside(server, database))]
    for refer in refers:
        # Where that cannot be said, the key is named that does not load.
        with contextlib.suppress(OSError):
            grants.append("REFERENCES ON %s" % account.inside(server, refer))
    with account.holding(server, grants, session=session) as filler:
        yield filler


def load_globals(server: Server, directory: str, name: str, what: str) -> bool:
    """Load what belongs to no database, all that goes. Return whether all of it did."""
    return tell_errors(globals_in(server, directory, name), what)


def load_accounts(server: Server, directory: str) -> list[str]:
    """Load the accounts, before there is what they are granted. Return what did not load; see `load_grants`."""
    return globals_in(server, directory, "users.sql")


def load_grants(server: Server, directory: str, before: list[str], what: str) -> bool:
    """Load the accounts once more, when there is what they are granted. Return whether all of them came.

    `before`: what did not load then. A role, once made, is granted by nobody but who made it: one that a restore before this made too.
    """
    lines = {line_of(error) for error in before}
    errors = [error for error in globals_in(server, directory, "users.sql") if line_of(error) in lines]
    return tell_errors(not_there(server, os.path.join(directory, "users.sql"), errors) if errors else [], what)


def not_there(server: Server, path: str, errors: list[str]) -> list[str]:
    """Those of the errors of a dump of accounts whose statements are not among those by which the server tells what is there."""
    there = set[bytes]()
    # Where it cannot be told, all of them are named.
    with contextlib.suppress(subprocess.CalledProcessError, Incomplete), tempfile.NamedTemporaryFile() as file:
        server.dump(file, "--insert-ignore", "--system=users")
        file.seek(0)
        there.update(filter(None, file.read().split(b"\n")))
    with open(path, "rb") as dumped:
        statements = dict(enumerate(dumped.read().split(b"\n"), 1))
    return [error for error in errors if statements.get(int(line_of(error) or 0)) not in there]


def line_of(error: str) -> str | None:
    match = AT_LINE.match(error.encode(errors="backslashreplace"))
    return None if match is None else match[2].decode()


def globals_in(server: Server, directory: str, name: str) -> list[str]:
    """Load a file, if it is there. Return the errors, with their lines."""
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        return server.run(blocks(file, os.path.getsize(path)), None)


def tell_errors(errors: list[str], what: str) -> bool:
    """Say what did not load of what belongs to no database. Return whether that is nothing."""
    gone = [error for error in map(without_line, errors) if GONE.match(error)]
    for error in short(gone):
        untrusted.tell(4, "%s: left out, since it is for what is not there: %s" % (what, error))
    others = [error for error in map(without_line, errors) if error not in gone]
    for error in short(others):
        untrusted.tell(3, "%s: not loaded: %s" % (what, error))
    return not others


def without_line(error: str) -> str:
    return re.sub(r"^(ERROR \d+ \(\w+\)) at line \d+: ", r"\1: ", error)


def load_tables(server: Server, path: str, entry: Entry, into: str) -> list[str]:
    """Load the tables of a dump into a database that is there. Return what did not load."""
    with open(path, "rb") as file:
        if "parts" in entry:
            begin, end = entry["parts"]
            file.seek(begin)
            with filling(server, into, TABLES, entry.get("refers", [])) as filler:
                return [*map(without_line, filler.run(blocks(file, end - begin), into)), *other_engines(server, entry, into)]
        untrusted.tell(
            4,
            "%s was dumped by an older version of this collection, which did not keep apart what runs as somebody else: of its views, "
            "routines and the like those of others than the account of the restore are left out. By hand all of it can be loaded; see "
            "docs/restore.md." % shown(into),
        )
        with filling(server, into, "ALL PRIVILEGES", []) as filler:
            skip = heads(file, entry["database"])
            errors = list(map(without_line, filler.run(blocks(file, os.path.getsize(path), skip), into)))
    # Those that took the place of views, for mariadb-dump says of each whose it is.
    where = "%s AND DEFINER = '%s@localhost'" % (within("TABLE_SCHEMA", into), filler.account)
    for row in server.query("SELECT %s FROM information_schema.VIEWS WHERE %s" % (hexed("TABLE_NAME"), where)):
        server.query("DROP VIEW %s.%s" % (identifier(into), identifier(named(row[0]))))
    return errors


def other_engines(server: Server, entry: Entry, into: str) -> Iterator[str]:
    """Say which tables are of another engine than they were: a server takes its own for one that it does not have, with a warning."""
    columns = ", ".join(map(hexed, ("TABLE_NAME", "ENGINE")))
    where = "%s AND ENGINE IS NOT NULL" % within("TABLE_SCHEMA", into)
    rows = server.query("SELECT %s FROM information_schema.TABLES WHERE %s" % (columns, where))
    for name, engine in (map(named, row) for row in rows):
        was = entry.get("tables", {}).get(name, {}).get("engine", "")
        if was and was.lower() != engine.lower():
            yield "table %s is of the engine %s, since this server has no %s" % (shown(name), engine, was)


def heads(file: IO[bytes], database: str) -> list[bytes]:
    """The statements at the beginning of an older dump that name its database."""
    name = re.escape(identifier(database).encode())
    matches = re.finditer(
        rb"^(?:CREATE DATABASE /\*!32312 IF NOT EXISTS\*/ %s [^;]*|USE %s);\n" % (name, name), file.read(HEAD), re.MULTILINE
    )
    file.seek(0)
    return [match[0] for match in matches]


def older_properties(path: str, database: str) -> dict[str, str]:
    """What an older dump says of its database."""
    with open(path, "rb") as file:
        head = b"".join(heads(file, database))
    match = re.search(rb"/\*!40100 DEFAULT CHARACTER SET (\w+)(?: COLLATE (\w+))? \*/", head)
    properties = {} if match is None else {"charset": match[1], "collation": match[2]}
    return {key: value.decode() for key, value in properties.items() if value}


def blocks(file: IO[bytes], length: int, skip: list[bytes] | None = None) -> Iterator[bytes]:
    """So many bytes of a file. `skip`: what is left out of their beginning."""
    first = file.read(min(length, HEAD))
    length -= len(first)
    for part in skip or []:
        first = first.replace(part, b"", 1)
    yield first
    while length:
        block = file.read(min(length, 1 << 20))
        if not block:
            raise OSError("The dump ends before its end.")
        length -= len(block)
        yield block


def short(errors: list[str]) -> list[str]:
    """Some of the errors, and how many more there are."""
    more = len(errors) - MOST_TOLD
    return errors if more <= 0 else [*errors[:MOST_TOLD], "and %d more of the kind" % more]
