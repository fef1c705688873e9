# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""Dump every database of a MariaDB server into /backup/mariadb, for backup-mariadb.service.

  system.sql           plugins, servers and functions that were installed: the first to restore
  databases/NAME.sql   a database with its tables, views, routines, events and triggers, as SQL that creates it;
                       NAME is percent-encoded where it has to be
  users.sql            users, roles and their grants: the last to restore, since grants name tables and routines
  manifest.json        for each file its database, size in bytes, SHA-256 and the time it was finished (UTC)

A dump is made beside the last good one and takes its place only when it is complete: a failure keeps the old one,
and makes the backup fail. After a run without a failure, dumps of databases that are gone are removed.

Each database is read in one transaction, which blocks nobody. Tables of engines without transactions (MyISAM, Aria) are
read one after another: each is consistent in itself but not with the others, and the program warns of them.

Environment: SETTINGS (JSON) with the keys account, socket, exclude and data_directories. The credential `password`
is the password of the account, if it has one.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import tempfile

from rootless_backup import untrusted
from rootless_backup.databases import base
from rootless_backup.records.manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

TARGET = "/backup/mariadb"
# Not data, or saved as users.sql and system.sql, which every later version of the server can read.
SYSTEM = {"information_schema", "performance_schema", "sys", "mysql"}
# The root directory of a file system of its own is no database, although the server takes it for one.
NO_DATABASE = "#mysql50#lost+found"
# What an account may not see is not in its dumps, without a word; see mariadb-dump(1).
PRIVILEGES = {"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"}
# Hex survives every character set.
DATABASES = "SELECT HEX(CONVERT(SCHEMA_NAME USING utf8mb4)) FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME"
WITHOUT_TRANSACTIONS = """SELECT HEX(CONVERT(TABLE_SCHEMA USING utf8mb4)), COUNT(*) FROM information_schema.TABLES
    JOIN information_schema.ENGINES USING (ENGINE) WHERE TRANSACTIONS <> 'YES' AND TABLE_TYPE = 'BASE TABLE'
    GROUP BY TABLE_SCHEMA"""
PLACES = "SELECT @@datadir UNION SELECT @@innodb_data_home_dir UNION SELECT @@innodb_undo_directory"
COMPLETE = b"\n-- Dump completed\n"


def main() -> None:
    os.umask(0o077)
    settings = json.loads(os.environ["SETTINGS"])
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".cnf") as file:
        file.write(client_options(settings["account"], settings["socket"], password()))
        file.flush()
        try:
            ok = dump_server(Server(file.name), settings)
        except OSError as error:
            # Such as files of another user, as whom the hook ran before.
            ok = base.failed("The server", error)
    sys.exit(0 if ok else 1)


def password() -> str | None:
    path = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"), "password")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()


def client_options(account: str, socket: str, secret: str | None) -> str:
    """The options of the clients, as a file: an argument or a variable could be read by others."""
    options = {"protocol": "socket", "socket": socket, "user": account}
    if secret is not None:
        options["password"] = secret
    return "[client]\n" + "".join("%s=%s\n" % (name, quoted(value)) for name, value in options.items())


def quoted(value: str) -> str:
    """A value as it stands in an option file. See https://mariadb.com/kb/en/configuring-mariadb-with-option-files/"""
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


class Server:
    """The server as the clients that come with it see it."""

    def __init__(self, options: str) -> None:
        self.options = "--defaults-file=" + options

    def query(self, sql: str) -> list[list[str]]:
        """The rows of the answer, a list of texts each. CalledProcessError: the server refused."""
        command = ["mariadb", self.options, "--default-character-set=utf8mb4", "--batch", "--skip-column-names", "--execute", sql]
        out = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
        return [[unescaped(text) for text in line.split("\t")] for line in out.decode().split("\n")[:-1]]

    def dump(self, path: str, *arguments: str) -> None:
        """Dump into a new file. CalledProcessError, Incomplete: what is there is of no use."""
        # Without the date, a database that did not change is the same file as yesterday.
        command = [
            "mariadb-dump",
            self.options,
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
            "--skip-dump-date",
            *arguments,
        ]
        with open(path, "wb") as file:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, check=True)
            os.fsync(file.fileno())
        if not is_complete(path):
            raise Incomplete("mariadb-dump ended without an error, but not with `-- Dump completed`.")


class Incomplete(Exception):
    """A dump that says of itself that it is not whole."""


def unescaped(text: str) -> str:
    """A field of mariadb(1) --batch as it is in the server."""
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t", "0": "\0"}.get(match[1], match[1]), text, flags=re.DOTALL)


def is_complete(path: str) -> bool:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - len(COMPLETE)))
        return file.read() == COMPLETE


def dump_server(server: Server, settings: dict[str, Any]) -> bool:
    """Return whether everything was dumped."""
    for directory in (TARGET, os.path.join(TARGET, "databases")):
        base.clear(directory)
    try:
        demand_privileges(server)
        names = [bytes.fromhex(row[0]).decode() for row in server.query(DATABASES)]
        databases = [name for name in names if name not in {*SYSTEM, NO_DATABASE, *settings["exclude"]}]
        warn_of_mixtures(server, databases)
        base.warn_of_uncovered([row[0] for row in server.query(PLACES)], settings["data_directories"], "mariadb_data_directories")
    except (subprocess.CalledProcessError, Incomplete) as error:
        return base.failed("The server", error)

    with Manifest(TARGET) as manifest:
        # --insert-ignore: a restore finds root and mysql on the new server, and leaves their accounts be.
        ok = dump(manifest, "system.sql", None, lambda path: server.dump(path, "--insert-ignore", "--system=plugins,udfs,servers"))
        for name in databases:
            ok = dump(manifest, file_name(name), name, functools.partial(dump_database, server, name=name)) and ok
        ok = dump(manifest, "users.sql", None, lambda path: dump_users(server, path)) and ok
        if ok:
            base.keep_only(manifest, {*map(file_name, databases), "system.sql", "users.sql"})
            untrusted.tell(6, "%d databases, %d bytes" % (len(databases), manifest.size()))
    return ok


def demand_privileges(server: Server) -> None:
    held = set()
    for grant, *_more in server.query("SHOW GRANTS"):
        match = re.match(r"GRANT ([A-Z ,_]+) ON \*\.\* TO ", grant)
        held |= set(match[1].split(", ")) if match else set()
    lacking = set() if "ALL PRIVILEGES" in held else PRIVILEGES - held
    if lacking:
        account = server.query("SELECT CURRENT_USER()")[0][0]
        raise Incomplete(
            "The account %s lacks privileges, and what it may not see would be missing without a word. As "
            "root: GRANT %s ON *.* TO this account." % (account, ", ".join(sorted(lacking)))
        )


def dump_database(server: Server, path: str, name: str) -> None:
    options = ["--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob"]
    try:
        server.dump(path, *options, "--dump-history", "--databases", "--", name)
    except subprocess.CalledProcessError as error:
        if b"transaction-precise history" not in error.stderr:
            raise
        untrusted.tell(
            4,
            "%s: the past rows of its system-versioned tables are not in the dump: mariadb-dump saves only those "
            "of tables that are versioned by time, and some here are by transaction." % base.shown(name),
        )
        server.dump(path, *options, "--databases", "--", name)


def dump_users(server: Server, path: str) -> None:
    server.dump(path, "--insert-ignore", "--system=users")
    # mariadb-dump knows of no grants to everybody.
    if server.query("SELECT 1 FROM mysql.global_priv WHERE User = 'PUBLIC' AND Host = ''"):
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n" + "".join("%s;\n" % row[0] for row in server.query("SHOW GRANTS FOR PUBLIC")))
            file.write(COMPLETE.decode())


def warn_of_mixtures(server: Server, databases: Collection[str]) -> None:
    for encoded, count in server.query(WITHOUT_TRANSACTIONS):
        name = bytes.fromhex(encoded).decode()
        if name in databases:
            untrusted.tell(
                4,
                "%s: tables of engines without transactions (MyISAM, Aria): %s. Each is consistent in itself, "
                "but not with the others if it is written to meanwhile. ALTER TABLE … ENGINE=InnoDB mends that."
                % (base.shown(name), count),
            )


def dump(manifest: Manifest, name: str, database: str | None, make: Callable[[str], object]) -> bool:
    """Have `make(path)` write a dump. Return whether it is complete."""
    try:
        new = base.Dump(manifest, name, database)
        new.write(make)
        new.put_in_place({})
        return True
    except (subprocess.CalledProcessError, Incomplete, OSError) as error:
        return base.failed("Database %s" % base.shown(database) if database is not None else name, error)


def file_name(database: str) -> str:
    """A file name for any name that MariaDB allows. Only ASCII is encoded: 64 letters of 3 bytes must fit into 255."""
    return "databases/%s.sql" % base.percent_encoded(database, base.PLAIN | frozenset(range(0x80, 0x100)))
