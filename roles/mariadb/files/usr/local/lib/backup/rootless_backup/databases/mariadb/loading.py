# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""What is in a dump is run by the client, all of it that goes; what did not is told.

The tables of an owner are filled by an account that may do nothing but that, in that database only: what stands in a dump is his.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading

from rootless_backup import untrusted
from rootless_backup.databases.base import shown
from rootless_backup.databases.mariadb.client import AT_LINE, Server, hexed, identifier, named, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from rootless_backup.records.manifest import Entry

ACCOUNT = "backup_restore"
# What tables with their rows need; REFERENCES is for those that refer to another database.
TABLES = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, LOCK TABLES, DELETE HISTORY"
ELSEWHERE = "REFERENCES"
# What a server lets through: see client.PACKET.
PACKET = 1 << 30
# A grant outlives what it is for: of a table, a column, a routine that is not there.
GONE = re.compile(r"ERROR (?:1054|1146|1305) ")
# The errors of one text that are told and that are kept, and so much of each.
MOST_TOLD, MOST_KEPT, LONGEST = 20, 10_000, 1000
# Where an older version of this collection has the name of a database, at the beginning of its dump.
HEAD = 64 << 10
LONGEST_NAME = 64


@contextlib.contextmanager
def ready(server: Server) -> Iterator[None]:
    """The server lets through what has to be, such as large rows."""
    before = int(server.query("SELECT @@GLOBAL.max_allowed_packet")[0][0])
    try:
        server.query("SET GLOBAL max_allowed_packet = %d" % max(PACKET, before))
        yield
    finally:
        server.query("SET GLOBAL max_allowed_packet = %d" % before)


@contextlib.contextmanager
def filling(server: Server, database: str, rights: str) -> Iterator[Server]:
    """The server for an account that is there for this only, with some rights in a database."""
    secret = "Aa1-" + os.urandom(20).hex()
    account = "%s@localhost" % ACCOUNT
    statements = [
        "DROP USER IF EXISTS " + account,
        "CREATE USER %s IDENTIFIED BY '%s'" % (account, secret),
        "GRANT %s ON %s.* TO %s" % (rights, identifier(pattern_of(database)), account),
        "GRANT %s ON *.* TO %s" % (ELSEWHERE, account),
    ]
    try:
        server.query("; ".join(statements))
        with Server.of(ACCOUNT, server.socket, secret) as filler:
            yield filler
    finally:
        server.query("DROP USER IF EXISTS " + account)


def pattern_of(database: str) -> str:
    """A name as GRANT takes it, which is as a pattern of at most 64 characters."""
    pattern = re.sub(r"([\\_%])", r"\\\1", database)
    if len(pattern) > LONGEST_NAME:
        # An underscore stands for itself too.
        pattern = re.sub(r"([\\%])", r"\\\1", database)
    if len(pattern) > LONGEST_NAME:
        raise OSError("Its name is too long to give rights in it alone: restore it under another name (--into NAME).")
    return pattern


def load_globals(server: Server, directory: str, name: str, what: str) -> bool:
    """Load what belongs to no database, all that goes. Return whether all of it did."""
    return tell_errors(globals_in(server, directory, name), what)


def load_accounts(server: Server, directory: str) -> list[str]:
    """Load the accounts, before there is what they are granted. Return what did not load; see `load_grants`."""
    return globals_in(server, directory, "users.sql")


def load_grants(server: Server, directory: str, before: list[str], what: str) -> bool:
    """Load the accounts once more, when there is what they are granted. Return whether all of them came.

    `before`: what did not load then. A role, once made, is granted by nobody but who made it.
    """
    lines = {line_of(error) for error in before}
    return tell_errors([error for error in globals_in(server, directory, "users.sql") if line_of(error) in lines], what)


def line_of(error: str) -> str | None:
    match = AT_LINE.match(error.encode(errors="backslashreplace"))
    return None if match is None else match[2].decode()


def globals_in(server: Server, directory: str, name: str) -> list[str]:
    """Load a file, if it is there. Return the errors, with their lines."""
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        return run(server, None, file, os.path.getsize(path))


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
            with filling(server, into, TABLES) as filler:
                return list(map(without_line, run(filler, into, file, end - begin)))
        untrusted.tell(
            4,
            "%s was dumped by an older version of this collection, which did not keep apart what runs as somebody else: of its views, "
            "routines and the like those of others than the account of the restore are left out. By hand all of it can be loaded; see "
            "docs/restore.md." % shown(into),
        )
        with filling(server, into, "ALL PRIVILEGES") as filler:
            errors = list(map(without_line, run(filler, into, file, os.path.getsize(path), heads(file, entry["database"]))))
    # Those that took the place of views, for mariadb-dump says of each whose it is.
    where = "%s AND DEFINER = '%s@localhost'" % (within("TABLE_SCHEMA", into), ACCOUNT)
    for row in server.query("SELECT %s FROM information_schema.VIEWS WHERE %s" % (hexed("TABLE_NAME"), where)):
        server.query("DROP VIEW %s.%s" % (identifier(into), identifier(named(row[0]))))
    return errors


def heads(file: IO[bytes], database: str) -> list[bytes]:
    """The statements at the beginning of an older dump that name its database."""
    name = re.escape(identifier(database).encode())
    found = re.finditer(
        rb"^(?:CREATE DATABASE /\*!32312 IF NOT EXISTS\*/ %s [^;]*|USE %s);\n" % (name, name), file.read(HEAD), re.MULTILINE
    )
    file.seek(0)
    return [match[0] for match in found]


def older_properties(path: str, database: str) -> dict[str, str]:
    """What an older dump says of its database."""
    with open(path, "rb") as file:
        said = b"".join(heads(file, database))
    match = re.search(rb"/\*!40100 DEFAULT CHARACTER SET (\w+)(?: COLLATE (\w+))? \*/", said)
    found = {} if match is None else {"charset": match[1], "collation": match[2]}
    return {key: value.decode() for key, value in found.items() if value}


def run(server: Server, database: str | None, file: IO[bytes], length: int, skip: list[bytes] | None = None) -> list[str]:
    """Have the client run so many bytes of a file, all that goes. Return the errors.

    `skip`: what is left out of its beginning.
    """
    found: list[bytes] = []
    ended = False
    command = server.client(database, "--force")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        assert running.stdin and running.stderr
        hearing = threading.Thread(target=hear, args=[running.stderr, found])
        hearing.start()
        try:
            first = file.read(min(length, HEAD))
            length -= len(first)
            for each in skip or []:
                first = first.replace(each, b"", 1)
            running.stdin.write(first)
            while length and (block := file.read(min(length, 1 << 20))):
                running.stdin.write(block)
                length -= len(block)
            running.stdin.close()
        except BrokenPipeError:
            ended = True
        hearing.join()
    errors = [line.decode(errors="backslashreplace") for line in found]
    if ended or length or (running.returncode != 0 and not errors):
        errors.append("ERROR: the client ended with %d" % running.returncode)
    return errors


def hear(pipe: IO[bytes], found: list[bytes]) -> None:
    """Keep the errors that a client tells of, as it tells them: it says each statement too, of whatever length."""
    begins = True
    while piece := pipe.readline(LONGEST):
        if begins and piece.startswith(b"ERROR") and len(found) < MOST_KEPT:
            found.append(piece.rstrip(b"\n"))
        begins = piece.endswith(b"\n")


def short(errors: list[str]) -> list[str]:
    """Some of the errors, and how many more there are."""
    more = len(errors) - MOST_TOLD
    return errors if more <= 0 else [*errors[:MOST_TOLD], "and %d more of the kind" % more]
