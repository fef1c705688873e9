# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""Dump every database of the server, as the hook."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess

from rootless_backup import untrusted
from rootless_backup.databases import base
from rootless_backup.databases.mariadb import client, contents
from rootless_backup.databases.mariadb.client import hexed, identifier, literal, named
from rootless_backup.records.manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import IO, Any

    from rootless_backup.databases.mariadb.client import Server
    from rootless_backup.records.manifest import Entry

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
# Between two writings of the manifest while dumps come, and between two looks at a dump that is made.
SECONDS = 10
POLL = 5
# Of what is told of a view, in characters.
LONGEST_VIEW = 64 << 10
COMPLETE = b"\n-- Dump completed\n"


class Incomplete(Exception):
    """A dump that says of itself that it is not whole."""


def is_complete(path: str) -> bool:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - len(COMPLETE)))
        return file.read() == COMPLETE


def dump_all() -> bool:
    """Dump the server. Return whether everything was dumped."""
    try:
        with client.connected() as server:
            return dump_server(server, client.settings())
    except OSError as error:
        # Such as files of another user, as whom the hook ran before.
        return base.failed("The server", error)


def dump_server(server: Server, settings: dict[str, Any]) -> bool:
    """Return whether everything was dumped."""
    wait = server.wait = int(settings["lock_wait"])
    for directory in (TARGET, os.path.join(TARGET, "databases")):
        base.clear(directory)
    try:
        demand_privileges(server)
        version = server.version()
        names = [named(row[0]) for row in server.query(DATABASES)]
        databases = [name for name in names if name not in {*SYSTEM, NO_DATABASE, *settings["exclude"]}]
        warn_of_mixtures(server, databases)
        base.warn_of_uncovered([row[0] for row in server.query(PLACES)], settings["data_directories"], "mariadb_data_directories")
        # Named zones are tables of the server, which events and views may need.
        zones = ",timezones" if server.query("SELECT 1 FROM mysql.time_zone_name LIMIT 1") else ""
    except (subprocess.CalledProcessError, Incomplete) as error:
        return base.failed("The server", error)

    with Manifest(TARGET, every=SECONDS, server={"version": version}) as manifest:
        # --insert-ignore: a restore finds root and mysql on the new server, and leaves their accounts be.
        ok = dump(manifest, "system.sql", None, lambda path: dump_system(server, path, "plugins,udfs,servers" + zones, wait))
        for name in databases:
            ok = dump(manifest, file_name(name), name, functools.partial(dump_database, server, name=name, wait=wait)) and ok
        ok = dump(manifest, "users.sql", None, lambda path: dump_users(server, path, wait)) and ok
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


def dump_system(server: Server, path: str, what: str, wait: int) -> Entry:
    with open(path, "wb") as file:
        run_dump(server, file, None, wait, "--insert-ignore", "--system=" + what)
    return {}


def dump_users(server: Server, path: str, wait: int) -> Entry:
    dump_system(server, path, "users", wait)
    # mariadb-dump knows of no grants to everybody.
    if server.query("SELECT 1 FROM mysql.global_priv WHERE User = 'PUBLIC' AND Host = ''"):
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n" + "".join("%s;\n" % row[0] for row in server.query("SHOW GRANTS FOR PUBLIC")))
            file.write(COMPLETE.decode())
    return {}


def dump_database(server: Server, path: str, name: str, wait: int) -> Entry:
    """Dump a database, in three parts: what a server wrote by itself stands apart from what an owner wrote. Return what is told of it."""
    views = views_of(server, name)
    properties = properties_of(server, name)
    objects, definers = contents.definers_of(server, name)
    # Views come last: they may look into any table, and by any function. A view is no table that could be left to the rest.
    common = ["--single-transaction", "--quick", "--hex-blob", *("--ignore-table=%s.%s" % (name, view) for view in views)]
    whole = [view for view in views if views[view]]
    with open(path, "wb") as file:
        file.write(("%s;\nUSE %s;\n" % (create_database(name, properties), identifier(name))).encode())
        parts = [file.tell()]
        dump_tables(server, file, name, wait, [*common, "--skip-triggers"])
        parts.append(file.tell())
        run_dump(server, file, name, wait, *common, "--no-create-info", "--no-data", "--triggers", "--routines", "--events", "--", name)
        parts.append(file.tell())
        if whole:
            run_dump(server, file, name, wait, "--single-transaction", "--no-data", "--skip-triggers", "--", name, *whole)
        os.fsync(file.fileno())
    return {
        "parts": parts,
        "properties": properties,
        "definers": definers,
        "objects": {**objects, "views": len(whole)},
        "left out": {view: text_of_view(server, name, view) for view in views if not views[view]},
        "tables": contents.tables_in(path, parts[0], parts[1]),
    }


def dump_tables(server: Server, file: IO[bytes], name: str, wait: int, options: list[str]) -> None:
    """The tables with their rows, and with their past if it can be had."""
    begin = file.tell()
    try:
        run_dump(server, file, name, wait, *options, "--dump-history", "--", name)
    except subprocess.CalledProcessError as error:
        if b"transaction-precise history" not in error.stderr:
            raise
        untrusted.tell(
            4,
            "%s: the past rows of its system-versioned tables are not in the dump: mariadb-dump saves only those "
            "of tables that are versioned by time, and some here are by transaction." % base.shown(name),
        )
        file.seek(begin)
        file.truncate()
        run_dump(server, file, name, wait, *options, "--", name)


def views_of(server: Server, name: str) -> dict[str, bool]:
    """The views of a database, and of each whether it can be read: of one that cannot, such as one whose table is gone, is warned."""
    where = "WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'VIEW'" % literal(name)
    names = [named(row[0]) for row in server.query("SELECT %s FROM information_schema.TABLES %s" % (hexed("TABLE_NAME"), where))]
    broken = server.refused(["SHOW COLUMNS FROM %s FROM %s" % (identifier(view), identifier(name)) for view in names])
    for number in broken:
        untrusted.tell(
            4,
            "%s: its view %s is not in the dump, since what it looks at is gone, or its definer may not look at it; what it was stands in "
            "manifest.json. DROP VIEW, or mend it." % (base.shown(name), base.shown(names[number])),
        )
    return {view: number not in broken for number, view in enumerate(names)}


def text_of_view(server: Server, name: str, view: str) -> str | None:
    """The statement that makes a view, whether it can be read or not."""
    try:
        return server.query("SHOW CREATE VIEW %s.%s" % (identifier(name), identifier(view)))[0][1][:LONGEST_VIEW]
    except (subprocess.CalledProcessError, IndexError):
        return None


def properties_of(server: Server, name: str) -> dict[str, str]:
    """What CREATE DATABASE needs."""
    columns = ", ".join(map(hexed, ("DEFAULT_CHARACTER_SET_NAME", "DEFAULT_COLLATION_NAME", "SCHEMA_COMMENT")))
    rows = server.query("SELECT %s FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s" % (columns, literal(name)))
    if not rows:
        raise Incomplete("It is gone.")
    return dict(zip(("charset", "collation", "comment"), map(named, rows[0])))


def create_database(name: str, properties: dict[str, str]) -> str:
    words = ["CREATE DATABASE IF NOT EXISTS " + identifier(name)]
    for key, option in (("charset", "CHARACTER SET"), ("collation", "COLLATE")):
        if re.fullmatch("[A-Za-z0-9_]+", properties.get(key, "")):
            words.append("%s %s" % (option, properties[key]))
    if properties.get("comment"):
        words.append("COMMENT '%s'" % properties["comment"].replace("\\", "\\\\").replace("'", "''"))
    return " ".join(words)


def run_dump(server: Server, file: IO[bytes], name: str | None, wait: int, *arguments: str) -> None:
    """Have mariadb-dump write behind what is in a file. CalledProcessError, Incomplete: what is there is of no use.

    Whoever owns a table can lock it for as long as he likes: that is to cost the dump of his database, and not those behind it.
    """
    # Without the date, a database that did not change is the same file as yesterday.
    options = ["--default-character-set=utf8mb4", "--max-allowed-packet=1G", "--skip-dump-date"]
    command = ["mariadb-dump", server.options, *options, *arguments]
    file.flush()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE) as dumping:
        said, waited = b"", 0.0
        while True:
            try:
                said = dumping.communicate(timeout=POLL)[1]
                break
            except subprocess.TimeoutExpired:
                waited = waited + POLL if is_waiting(server, name) else 0
                if waited >= wait:
                    dumping.kill()
                    dumping.communicate()
                    raise Incomplete("Somebody has held a lock on it for %d s (mariadb_lock_wait)." % wait) from None
    if dumping.returncode != 0:
        raise subprocess.CalledProcessError(dumping.returncode, command[0], stderr=said)
    file.seek(0, os.SEEK_END)
    if not is_complete(file.name):
        raise Incomplete("mariadb-dump ended without an error, but not with `-- Dump completed`.")


def is_waiting(server: Server, name: str | None) -> bool:
    """Whether the session that dumps a database waits for a lock of somebody else."""
    with contextlib.suppress(subprocess.CalledProcessError):
        rows = server.query(
            "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for%%lock' AND USER = SUBSTRING_INDEX(USER(), '@', 1) "
            "AND (DB = %s OR DB IS NULL)" % literal(name or "mysql")
        )
        return bool(rows)
    return False


def warn_of_mixtures(server: Server, databases: Collection[str]) -> None:
    for encoded, count in server.query(WITHOUT_TRANSACTIONS):
        name = named(encoded)
        if name in databases:
            untrusted.tell(
                4,
                "%s: tables of engines without transactions (MyISAM, Aria): %s. Each is consistent in itself, "
                "but not with the others if it is written to meanwhile. ALTER TABLE … ENGINE=InnoDB mends that."
                % (base.shown(name), count),
            )


def dump(manifest: Manifest, name: str, database: str | None, make: Callable[[str], Entry]) -> bool:
    """Have `make(path)` write a dump. Return whether it is complete."""
    try:
        new = base.Dump(manifest, name, database)
        if not new.put_in_place(new.write(make), {"tables", "left out"}):
            untrusted.tell(4, "%s has too many tables to tell of, so the drill cannot prove it." % base.shown(str(database)))
        return True
    except (subprocess.CalledProcessError, Incomplete, OSError) as error:
        return base.failed("Database %s" % base.shown(database) if database is not None else name, error)


def file_name(database: str) -> str:
    """A file name for any name that MariaDB allows. Only ASCII is encoded: 64 letters of 3 bytes must fit into 255."""
    return "databases/%s.sql" % base.percent_encoded(database, base.PLAIN | frozenset(range(0x80, 0x100)))
