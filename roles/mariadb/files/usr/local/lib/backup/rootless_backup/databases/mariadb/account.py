# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""Accounts that are there for one task only, and may do nothing but that: what an owner wrote may come to run as whoever handles it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess

from rootless_backup import untrusted
from rootless_backup.databases.base import reason
from rootless_backup.databases.mariadb.client import SESSION, Server, hexed, identifier, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What they are for: a dump leaves those of a restore be, and that those of a dump.
DUMP, RESTORE = "dump", "restore"
NAME = "backup_%s_%s"
ACCOUNTS = "SELECT %s FROM mysql.global_priv WHERE Host = 'localhost'" % hexed("User")
# A replica keeps its own log free of them.
QUIETLY = "SET sql_log_bin = 0"
LONGEST_NAME = 64


@contextlib.contextmanager
def holding(server: Server, rights: Iterable[str], purpose: str = RESTORE, session: str = SESSION) -> Iterator[Server]:
    """The server for a new account, with rights as GRANT takes them. Its name is nobody else's."""
    name, secret = NAME % (purpose, os.urandom(8).hex()), "Aa1-" + os.urandom(20).hex()
    server.query("%s; CREATE USER %s@localhost IDENTIFIED BY '%s'" % (QUIETLY, name, secret))
    try:
        server.query("; ".join([QUIETLY, *("GRANT %s TO %s@localhost" % (right, name) for right in rights)]))
        with Server.of(name, server.socket, secret, session) as other:
            yield other.limited(server.seconds)
    finally:
        try:
            server.limited(None).query("%s; DROP USER %s@localhost" % (QUIETLY, name))
        except subprocess.CalledProcessError as error:
            untrusted.tell(4, "The account %s@localhost stays until the next time; nobody knows its password. %s" % (name, reason(error)))


def clear(server: Server, purpose: str) -> None:
    """Take away those of a task that was killed."""
    for row in server.query(ACCOUNTS):
        if re.fullmatch(NAME % (purpose, "[0-9a-f]{16}"), named(row[0])):
            server.query("%s; DROP USER %s@localhost" % (QUIETLY, named(row[0])))


def inside(server: Server, database: str) -> str:
    """A database, and no other, as GRANT takes it. OSError: that cannot be said."""
    pattern = pattern_of(database)
    others = {named(row[0]) for row in server.query("SELECT %s FROM information_schema.SCHEMATA" % hexed("SCHEMA_NAME"))} - {database}
    if any(is_like(other, pattern) for other in others):
        raise OSError("Its name is too long to give rights in it alone: restore it under another name (--into NAME).")
    return "%s.*" % identifier(pattern)


def pattern_of(database: str) -> str:
    """A name as GRANT takes it, which is as a pattern of at most 64 characters."""
    pattern = re.sub(r"([\\_%])", r"\\\1", database)
    if len(pattern) > LONGEST_NAME:
        # An underscore stands for itself too.
        pattern = re.sub(r"([\\%])", r"\\\1", database)
    if len(pattern) > LONGEST_NAME:
        raise OSError("Its name is too long to give rights in it alone: restore it under another name (--into NAME).")
    return pattern


def is_like(name: str, pattern: str) -> bool:
    """Whether a server may take a name for what GRANT names. Where it does not know case, there are no two names that differ in that."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return re.fullmatch("".join("." if part == "_" else re.escape(part[-1]) for part in parts), name, re.DOTALL) is not None
