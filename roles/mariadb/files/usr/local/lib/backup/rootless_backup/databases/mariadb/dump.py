# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""Dump every database of the server, as the hook."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import subprocess
import sys

from rootless_backup import untrusted
from rootless_backup.databases import base
from rootless_backup.databases.mariadb import account, client, contents, definitions
from rootless_backup.databases.mariadb.client import COMPLETE, Incomplete, hexed, identifier, named, within
from rootless_backup.records.manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import IO, Any

    from rootless_backup.databases.mariadb.client import Server
    from rootless_backup.databases.mariadb.contents import Tables
    from rootless_backup.records.manifest import Entry

TARGET = "/backup/mariadb"
# Not data, or saved as users.sql and system.sql, which every later version of the server can read.
SYSTEM = {"information_schema", "performance_schema", "sys", "mysql"}
# The root directory of a file system of its own is no database, although the server takes it for one.
NO_DATABASE = "#mysql50#lost+found"
# What an account may not see is not in its dumps, without a word; see mariadb-dump(1).
PRIVILEGES = {"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"}
DATABASES = "SELECT %s, %s FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME" % (hexed("SCHEMA_NAME"), hexed("SCHEMA_COMMENT"))
# What a restore has begun, and what its comment says when it is all that there is of a database.
BEGUN = re.compile("restoring_[0-9a-f]{16}")
WHOLE = "restored; its tables are to be renamed into"
WITHOUT_TRANSACTIONS = """SELECT %s, COUNT(*) FROM information_schema.TABLES
    JOIN information_schema.ENGINES USING (ENGINE) WHERE TRANSACTIONS <> 'YES' AND TABLE_TYPE = 'BASE TABLE'
    GROUP BY TABLE_SCHEMA""" % hexed("TABLE_SCHEMA")
PLACES = "SELECT @@datadir UNION SELECT @@innodb_data_home_dir UNION SELECT @@innodb_undo_directory"
# What a server has to be started with to take what this one holds.
SERVER = "SELECT VERSION(), @@lower_case_table_names"
PAGES = "SHOW GLOBAL VARIABLES LIKE 'innodb_page_size'"
# Seconds between two writings of the manifest while dumps come.
SECONDS = 10


def dump_all() -> bool:
    """Dump the server. Return whether everything was dumped."""
    # systemd ends what dumps too. What is in its place by then is in the manifest.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + int(signal.SIGTERM)))
    try:
        with client.connected(client.LOOKING) as server:
            return dump_server(server, client.settings())
    except OSError as error:
        # Such as files of another user, as whom the hook ran before.
        return base.failed("The server", error)


def dump_server(server: Server, settings: dict[str, Any]) -> bool:
    """Return whether everything was dumped."""
    for directory in (TARGET, os.path.join(TARGET, "databases")):
        base.clear(directory)
    try:
        demand_privileges(server)
        databases = [name for name, begun in databases_of(server) if not begun and name not in {*SYSTEM, NO_DATABASE, *settings["exclude"]}]
        warn_of_mixtures(server, databases)
        base.warn_of_uncovered([row[0] for row in server.query(PLACES)], settings["data_directories"], "mariadb_data_directories")
        # Named zones are tables of the server, which events need.
        zones = ",timezones" if server.query("SELECT 1 FROM mysql.time_zone_name LIMIT 1") else ""
        facts = told_of(server)
    except (subprocess.CalledProcessError, Incomplete) as error:
        return base.failed("The server", error)

    with Manifest(TARGET, every=SECONDS, server=facts) as manifest:
        ok = dump(manifest, "system.sql", None, lambda path: dump_system(server, path, "plugins,udfs,servers" + zones))
        with showing(server) as shower:
            for name in databases:
                ok = dump(manifest, file_name(name), name, functools.partial(dump_database, server, shower, name=name)) and ok
        # When that account is gone: it is not to come back.
        ok = dump(manifest, "users.sql", None, lambda path: dump_users(server, path)) and ok
        if ok:
            base.keep_only(manifest, {*map(file_name, databases), "system.sql", "users.sql"})
            untrusted.tell(6, "%d databases, %d bytes" % (len(databases), manifest.size()))
    return ok


def told_of(server: Server) -> dict[str, Any]:
    """What the manifest tells of the server."""
    version, case = server.query(SERVER)[0]
    return {"version": version, "lower_case_table_names": int(case), **{name: int(value) for name, value in server.query(PAGES)}}


@contextlib.contextmanager
def showing(server: Server, purpose: str = account.DUMP) -> Iterator[Server]:
    """The server for an account that calls no function of an owner when it looks at his views."""
    if not any(re.match("GRANT (?:ALL PRIVILEGES|[^'`]*\\bEXECUTE\\b)", row[0]) for row in server.query("SHOW GRANTS")):
        yield server
        return
    with contextlib.ExitStack() as stack:
        try:
            account.clear(server, purpose)
            shower = stack.enter_context(account.holding(server, [", ".join(sorted(PRIVILEGES)) + " ON *.*"], purpose, server.session))
        except subprocess.CalledProcessError as error:
            untrusted.tell(
                4,
                "There can be no account that shows views and calls no function, so a function of an owner may do whatever the account of "
                "the dump may: take EXECUTE from that. %s" % base.reason(error),
            )
            shower = server
        yield shower


def databases_of(server: Server) -> list[tuple[str, bool]]:
    """The databases, and of each whether it is what a restore has begun and not ended."""
    return [(name, BEGUN.fullmatch(name) is not None and comment != WHOLE) for name, comment in commented(server)]


def commented(server: Server) -> list[tuple[str, str]]:
    """The databases with their comments."""
    return [(named(name), named(comment)) for name, comment in server.query(DATABASES)]


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


def dump_system(server: Server, path: str, what: str) -> Entry:
    with open(path, "wb") as file:
        # --insert-ignore: a restore finds root and mysql on the new server, and leaves their accounts be.
        server.dump(file, "--insert-ignore", "--system=" + what)
        os.fsync(file.fileno())
    return {}


def dump_users(server: Server, path: str) -> Entry:
    dump_system(server, path, "users")
    # mariadb-dump knows of no grants to everybody.
    if server.query("SELECT 1 FROM mysql.global_priv WHERE User = 'PUBLIC' AND Host = ''"):
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n" + "".join("%s;\n" % row[0] for row in server.query("SHOW GRANTS FOR PUBLIC")))
            file.write(COMPLETE.decode())
    return {}


def dump_database(server: Server, shower: Server, path: str, name: str) -> Entry:
    """Dump a database: its tables, and behind them what runs or looks as somebody else; see `showing`. Return what is told of it."""
    properties = properties_of(server, name)
    with open(path, "wb") as file:
        file.write(("%s;\nUSE %s;\n" % (create_database(name, properties), identifier(name))).encode())
        parts = [file.tell()]
        tables, lacking = dump_tables(server, file, name)
        parts.append(file.tell())
        made, hidden = definitions.write(shower, file, name, properties["collation"])
        lacking += hidden
        file.flush()
        os.fsync(file.fileno())
    for view in (definition["name"] for definition in made if definition["broken"]):
        untrusted.tell(
            4,
            "%s: its view %s cannot be read, since what it looks at is gone, or its definer may not look at it. It is saved as it is: mend "
            "it, or DROP VIEW." % (base.shown(name), base.shown(view)),
        )
    return {
        "parts": parts,
        "properties": properties,
        "definitions": made,
        "tables": tables,
        "refers": refers(server, name),
        **({"lacking": lacking} if lacking else {}),
    }


def refers(server: Server, name: str) -> list[str]:
    """The other databases that its tables refer to."""
    rows = server.query(
        "SELECT DISTINCT %s FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE %s"
        % (hexed("UNIQUE_CONSTRAINT_SCHEMA"), within("CONSTRAINT_SCHEMA", name))
    )
    return sorted({named(row[0]) for row in rows} - {name})


def dump_tables(server: Server, file: IO[bytes], name: str) -> tuple[Tables, list[str]]:
    """Dump the tables. Return them, and which are not in the dump."""
    begin, wanted = file.tell(), tables_of(server, name)
    views = names_of(server, name, "TABLE_TYPE = 'VIEW'")
    write_tables(server, file, name, ["--ignore-table=%s.%s" % (name, view) for view in views], [])
    tables, lacking = held(server, file, name, begin, wanted)
    if lacking:
        # What is ignored is so without regard to case. By name it takes longer.
        file.seek(begin)
        file.truncate()
        write_tables(server, file, name, [], sorted(tables_of(server, name)))
        tables, lacking = held(server, file, name, begin, wanted)
    return tables, ["table %s" % base.shown(table) for table in lacking]


def held(server: Server, file: IO[bytes], name: str, begin: int, wanted: set[str]) -> tuple[Tables, list[str]]:
    """The tables in a dump, and which of those that were there before and after are not."""
    tables = contents.tables_in(file.name, begin, file.tell())
    lacking = wanted - set(tables)
    return tables, sorted(lacking & tables_of(server, name)) if lacking else []


def tables_of(server: Server, name: str) -> set[str]:
    return set(names_of(server, name, "TABLE_TYPE IN ('BASE TABLE', 'SEQUENCE', 'SYSTEM VERSIONED')"))


def names_of(server: Server, name: str, condition: str) -> list[str]:
    where = "%s AND %s" % (within("TABLE_SCHEMA", name), condition)
    return [named(row[0]) for row in server.query("SELECT %s FROM information_schema.TABLES WHERE %s" % (hexed("TABLE_NAME"), where))]


def write_tables(server: Server, file: IO[bytes], name: str, ignoring: list[str], tables: list[str]) -> None:
    """Have the tables written, or some, with their rows, and with their past if it can be had."""
    options = ["--single-transaction", "--quick", "--hex-blob", "--skip-triggers", *ignoring]
    begin = file.tell()
    try:
        server.dump(file, *options, "--dump-history", "--", name, *tables)
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
        server.dump(file, *options, "--", name, *tables)


def properties_of(server: Server, name: str) -> dict[str, str]:
    """What CREATE DATABASE needs."""
    columns = ", ".join(map(hexed, ("DEFAULT_CHARACTER_SET_NAME", "DEFAULT_COLLATION_NAME", "SCHEMA_COMMENT")))
    rows = server.query("SELECT %s FROM information_schema.SCHEMATA WHERE %s" % (columns, within("SCHEMA_NAME", name)))
    if not rows:
        raise Incomplete("It is gone.")
    return dict(zip(("charset", "collation", "comment"), map(named, rows[0])))


def create_database(name: str, properties: dict[str, str]) -> str:
    return " ".join(["CREATE DATABASE IF NOT EXISTS " + identifier(name), *options_of(properties)])


def altered_database(name: str, properties: dict[str, str]) -> str:
    """A statement that gives a database that is there what another had."""
    no_comment = [] if properties.get("comment") else ["COMMENT ''"]
    return " ".join(["ALTER DATABASE " + identifier(name), *options_of(properties), *no_comment])


def options_of(properties: dict[str, str]) -> list[str]:
    words = []
    for key, option in (("charset", "CHARACTER SET"), ("collation", "COLLATE")):
        if re.fullmatch("[A-Za-z0-9_]+", properties.get(key, "")):
            words.append("%s %s" % (option, properties[key]))
    if properties.get("comment"):
        words.append("COMMENT '%s'" % properties["comment"].replace("\\", "\\\\").replace("'", "''"))
    return words


def warn_of_mixtures(server: Server, databases: Collection[str]) -> None:
    try:
        counts = server.query(WITHOUT_TRANSACTIONS)
    except (subprocess.CalledProcessError, Incomplete) as error:
        # Such as a table that its owner holds. The others are saved all the same.
        untrusted.tell(4, "It is not known which tables are of engines without transactions: %s" % base.reason(error))
        return
    for encoded, count in counts:
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
    what = "Database %s" % base.shown(database) if database is not None else name
    try:
        new = base.Dump(manifest, name, database)
        entry = new.write(make)
        if not new.put_in_place(entry, {"tables"}):
            untrusted.tell(4, "%s has too many tables to tell of, so the drill cannot prove it." % what)
    except (subprocess.CalledProcessError, Incomplete, OSError) as error:
        return base.failed(what, error)
    if entry.get("lacking"):
        return base.complain("%s was dumped without what the server does not show: %s" % (what, ", ".join(entry["lacking"])))
    return True


def file_name(database: str) -> str:
    """A file name for any name that MariaDB allows. Only ASCII is encoded: 64 letters of 3 bytes must fit into 255."""
    return "databases/%s.sql" % base.percent_encoded(database, base.PLAIN | frozenset(range(0x80, 0x100)))
