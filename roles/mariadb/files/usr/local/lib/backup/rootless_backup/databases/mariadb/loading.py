# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""A dump is loaded by an account that may do nothing but fill the database that it is for.

What an owner wrote, such as the body of a trigger, stands in the dump as he wrote it: if a client took its end for somewhere else than the
server that dumped it, what is behind would be a statement. So the account has rights in that database only, and may make what runs as
somebody else only if the text says of nobody but whom the manifest tells of.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading

from rootless_backup import untrusted
from rootless_backup.databases.base import shown
from rootless_backup.databases.mariadb import client, contents
from rootless_backup.databases.mariadb.client import Server, hexed, identifier, literal, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

    from rootless_backup.records.manifest import Entry

ACCOUNT = "backup_restore"
# What a server has to let through while a dump is loaded: rows that are twice as long in it, and functions that nobody declared harmless
# to replication.
GLOBALS = {"max_allowed_packet": 1 << 30, "log_bin_trust_function_creators": 1}
# The errors of one text that are told, each in one line.
MOST_TOLD = 20
# Where an older version of this collection has the name of a database, at the beginning of its dump.
HEAD = 64 << 10


@contextlib.contextmanager
def ready(server: Server) -> Iterator[None]:
    """The server lets through what has to be."""
    names = ", ".join("@@GLOBAL." + name for name in GLOBALS)
    before = dict(zip(GLOBALS, map(int, server.query("SELECT " + names)[0])))
    try:
        server.query("; ".join("SET GLOBAL %s = %d" % (name, max(GLOBALS[name], before[name])) for name in GLOBALS))
        yield
    finally:
        server.query("; ".join("SET GLOBAL %s = %d" % each for each in before.items()))


@contextlib.contextmanager
def filling(server: Server, socket: str, database: str, definers: bool) -> Iterator[Server]:
    """The server for an account of its own, which fills a database; `definers`: it may make what runs as somebody else."""
    secret = "Aa1-" + os.urandom(20).hex()
    account = "%s@localhost" % ACCOUNT
    # The name of a database is a pattern here.
    pattern = re.sub(r"([\\_%])", r"\\\1", database)
    statements = [
        "DROP USER IF EXISTS " + account,
        "CREATE USER %s IDENTIFIED BY '%s'" % (account, secret),
        "GRANT ALL PRIVILEGES ON %s.* TO %s" % (identifier(pattern), account),
        *(["GRANT SET USER ON *.* TO " + account] if definers else []),
    ]
    try:
        server.query("; ".join(statements))
        with Server.of(client.client_options(ACCOUNT, socket, secret)) as filler:
            yield filler
    finally:
        server.query("DROP USER IF EXISTS " + account)


def load_whole(server: Server, path: str, what: str) -> bool:
    """Load what belongs to no database, all that goes. Return whether all of it did."""
    with open(path, "rb") as file:
        return run(server, None, file, os.path.getsize(path), what)


def load(server: Server, socket: str, path: str, entry: Entry, into: str) -> bool:
    """Load the tables of a dump, and what the owner wrote, into a database that is there. Return whether all of it went."""
    begin, definitions, _views = entry.get("parts", (0, os.path.getsize(path), os.path.getsize(path)))
    with open(path, "rb") as file:
        if "parts" not in entry:
            untrusted.tell(
                4,
                "%s was dumped by an older version of this collection, which did not record as whom its views, routines and the like run: "
                "those of others than the account of the restore are left out. By hand all of it can be loaded; see docs/restore.md."
                % shown(into),
            )
            with filling(server, socket, into, definers=False) as filler:
                return run(filler, into, file, definitions, shown(into), skip=heads(file, entry["database"]))
        file.seek(begin)
        with filling(server, socket, into, definers=True) as filler:
            ok = run(filler, into, file, definitions - begin, shown(into))
        return ok & load_definitions(server, socket, path, entry, into)


def load_definitions(server: Server, socket: str, path: str, entry: Entry, into: str) -> bool:
    """Load the triggers, routines and events of a dump. Return whether all of them went."""
    _begin, definitions, views = entry.get("parts", (0, 0, 0))
    with open(path, "rb") as file:
        file.seek(definitions)
        text = file.read(views - definitions)
        file.seek(definitions)
        known = contents.runs_as_recorded(text, entry["definers"]) if views else True
        if not known:
            untrusted.tell(
                4,
                "%s: its triggers, routines and events mention others as whom something is to run than were recorded, so those of others "
                "than the account of the restore are left out. Look at them, and load them by hand; see docs/restore.md." % shown(into),
            )
        with filling(server, socket, into, definers=known) as filler:
            return run(filler, into, file, views - definitions, shown(into))


def load_views(server: Server, path: str, entry: Entry, into: str) -> bool:
    """Load the views of a dump, which the server wrote: they may look into other databases. Return whether all of them went."""
    if "parts" not in entry:
        return True
    with open(path, "rb") as file:
        file.seek(entry["parts"][2])
        return run(server, into, file, os.path.getsize(path) - entry["parts"][2], shown(into))


def heads(file: IO[bytes], database: str) -> tuple[bytes, ...]:
    """The statements at the beginning of an older dump that name its database."""
    name = re.escape(identifier(database).encode())
    found = re.finditer(
        rb"^(?:CREATE DATABASE /\*!32312 IF NOT EXISTS\*/ %s [^;]*|USE %s);\n" % (name, name), file.read(HEAD), re.MULTILINE
    )
    file.seek(0)
    return tuple(match[0] for match in found)


def run(server: Server, database: str | None, file: IO[bytes], length: int, what: str, skip: Iterable[bytes] = ()) -> bool:
    """Have the client run so many bytes of a file, all that goes, and tell what did not. Return whether all of it went.

    `skip`: what is left out of its beginning.
    """
    # In the options a name is a name: it could look like one of them.
    command = server.client("--force", *(["--database=" + database] if database is not None else []))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        assert running.stdin and running.stderr
        errors, last = [], b""
        with untangled(running) as said:
            try:
                first = file.read(min(length, HEAD))
                length -= len(first)
                for each in skip:
                    first = first.replace(each, b"", 1)
                running.stdin.write(first)
                while length and (block := file.read(min(length, 1 << 20))):
                    running.stdin.write(block)
                    length -= len(block)
                running.stdin.close()
            except BrokenPipeError:
                last = b"ERROR: the client ended too early"
        errors = [line for line in [*said, last] if line.startswith(b"ERROR")]
    if running.returncode != 0 and not errors:
        errors = [b"ERROR: the client ended with %d" % running.returncode]
    for error in errors[:MOST_TOLD]:
        untrusted.tell(3, "%s: %s" % (what, error.decode(errors="backslashreplace").rstrip()))
    if len(errors) > MOST_TOLD:
        untrusted.tell(3, "%s: and %d more of the kind" % (what, len(errors) - MOST_TOLD))
    return not errors


@contextlib.contextmanager
def untangled(running: subprocess.Popen[bytes]) -> Iterator[list[bytes]]:
    """What a program says, line by line, read while it is written to."""
    said: list[bytes] = []

    def read() -> None:
        assert running.stderr
        for line in running.stderr:
            # What is wrong with a dump of anything can be endless.
            if len(said) < 100_000:
                said.append(line[:1000])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield said
    finally:
        if running.stdin and not running.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                running.stdin.close()
        reader.join()


def disable_events(server: Server, database: str) -> list[str]:
    """Switch the events of a database off, of which another has the same. Return their names."""
    columns = "%s, %s, SQL_MODE" % (hexed("EVENT_NAME"), hexed("DEFINER"))
    rows = server.query(
        "SELECT %s FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s AND STATUS = 'ENABLED'" % (columns, literal(database))
    )
    names = []
    for encoded, definer, mode in rows:
        event = named(encoded)
        user, _at, host = named(definer).rpartition("@")
        server.query(
            "SET sql_mode = %s; ALTER DEFINER=%s@%s EVENT %s.%s DISABLE"
            % (literal(mode), identifier(user), identifier(host), identifier(database), identifier(event))
        )
        names.append(event)
    return names
