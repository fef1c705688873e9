# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""A server as its clients see it: every question goes by this module."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess

from rootless_backup.databases import stop
from rootless_backup.databases.postgresql.sql import RESTORING, identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    # A row of pg_database, and more; see PROPERTIES.
    Properties = dict[str, Any]

# What the server says is read here, and names are compared with what pg_dumpall(1) writes. Settings of a database, which its owner makes,
# and those of a role come behind these: nothing of ours is looked up where others may have put something of the same name, nothing of ours
# runs as somebody else or loads what he names, and rows are written alike wherever they are.
WRITING = " -c TimeZone=UTC -c bytea_output=hex -c session_preload_libraries="
OPTIONS = (
    "-c lc_messages=C -c quote_all_identifiers=off -c search_path=pg_catalog -c role=none -c standard_conforming_strings=on"
    " -c local_preload_libraries= -c exit_on_error=off -c lock_timeout=600s -c statement_timeout=3600s"
    " -c idle_in_transaction_session_timeout=0 -c default_transaction_isolation=read\\ committed"
    " -c default_transaction_read_only=off -c default_transaction_deferrable=off" + WRITING
)
# Where a dump is loaded, what is set for the database holds, but for what would read rows otherwise than they were written.
READING = " -c array_nulls=on"
# What would end a session of ours too, or keep it out, since which version.
SINCE = {"idle_session_timeout=0": 14, "transaction_timeout=0": 17, "event_triggers=off": 17}
# Of the settings of a role in a database, and of a comment, in bytes. The kernel gives a program no argument of more than 128 KiB, and what
# is quoted is up to twice as long.
LONGEST = 16 << 10
# So much is given to a client at once, in bytes.
BATCH = 256 << 10
# What a dump does not hold by itself, but CREATE and ALTER DATABASE need. Names are bytes: a database made from another encoding need not
# be UTF-8. Hex survives every client encoding. Whoever may log in gives a role settings in any database, of any length: what is longer than
# anybody needs is left out, and `left_out` tells of it.
PROPERTIES = """WITH settings AS (SELECT setdatabase, setrole, setconfig,
        (SELECT sum(octet_length(each)) FROM unnest(setconfig) AS each) AS size FROM pg_db_role_setting)
    SELECT encode(textsend(datname::text), 'hex'), encode(textsend((to_jsonb(d) || jsonb_build_object(
    'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding),
    'tablespace', (SELECT spcname FROM pg_tablespace t WHERE t.oid = dattablespace),
    'slots', (SELECT jsonb_agg(jsonb_build_array(slot_name, plugin)) FROM pg_replication_slots s
        WHERE s.database = datname AND NOT temporary),
    'prepared', (SELECT jsonb_agg(gid) FROM pg_prepared_xacts p WHERE p.database = datname),
    'settings', (SELECT to_jsonb(setconfig) FROM settings WHERE setdatabase = d.oid AND setrole = 0 AND size <= %(most)d),
    'role_settings', (SELECT jsonb_object_agg(pg_get_userbyid(setrole), setconfig) FROM settings
        WHERE setdatabase = d.oid AND setrole <> 0 AND size <= %(most)d),
    'restoring', EXISTS (SELECT FROM pg_db_role_setting r WHERE r.setdatabase = d.oid AND r.setrole = 0
        AND '%(mark)s=on' = ANY (r.setconfig)),
    'comment', (SELECT comment FROM shobj_description(d.oid, 'pg_database') AS comment WHERE octet_length(comment) <= %(most)d),
    'left_out', (SELECT count(*) FROM settings WHERE setdatabase = d.oid AND size > %(most)d)
        + (octet_length(coalesce(shobj_description(d.oid, 'pg_database'), '')) > %(most)d)::int,
    'grants', (SELECT jsonb_agg(jsonb_build_array(
        CASE grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(grantee) END, privilege_type, is_grantable)) FROM aclexplode(datacl))
    ))::text), 'hex') FROM pg_database d ORDER BY datname""" % {"most": LONGEST, "mark": RESTORING}
# 10 is the role that made the server; PostgreSQL 16 and later has memberships granted by it.
# The time zone is that of its files: that of this session is ours.
SERVER = """SELECT current_setting('server_version_num')::int / 10000, encode(textsend(pg_get_userbyid(10)::text), 'hex'),
    encode(textsend(coalesce((SELECT setting FROM pg_file_settings WHERE lower(name) = 'timezone' AND applied LIMIT 1), '')), 'hex'),
    encode(textsend(current_setting('shared_preload_libraries')), 'hex')"""
# In hex: a locale may have a line end in its name, or what is no UTF-8, and who owns a database chooses one.
MONEY = "SELECT encode(textsend(current_setting('lc_monetary')), 'hex')"


def options(version: int) -> str:
    """What sessions with a server of a version, such as 15, are told."""
    return OPTIONS + "".join(" -c " + setting for setting, since in SINCE.items() if version >= since)


def environment(host: str, port: str) -> dict[str, str]:
    return dict(os.environ, PGHOST=host, PGPORT=port, PGCONNECT_TIMEOUT="30", PGAPPNAME="backup-postgresql", PGOPTIONS=OPTIONS)


@functools.cache
def version_of(host: str, port: str) -> int:
    """The version of a server, such as 15."""
    return int(query(environment(host, port), SERVER).split(b"|")[0])


def text(line: str) -> str:
    """What is written in hex, as MONEY gives it."""
    return os.fsdecode(bytes.fromhex(line))


def properties_of(env: dict[str, str]) -> dict[str, Properties]:
    """The properties of each database, as the server has them: `{name: row of pg_database and more}`."""
    return properties_in(query(env, PROPERTIES).decode("ascii").split("\n"))


def properties_in(lines: Iterable[str]) -> dict[str, Properties]:
    """The same, from what PROPERTIES gives."""
    rows = (line.split("|") for line in lines if line)
    return {os.fsdecode(bytes.fromhex(name)): json.loads(bytes.fromhex(row).decode(errors="surrogateescape")) for name, row in rows}


def query(env: dict[str, str], *statements: str, database: str | None = "template1") -> bytes:
    """What the server answers, as bytes; the first statement that fails is the last.

    When a restore is stopped the client is not: the server would go on, and nobody would know to which end.
    """
    deaf = signal.getsignal(signal.SIGTERM) is stop.stopping
    # No quoting and no psqlrc; the database postgres can be dropped, template1 not. None: the database of the environment.
    where = dict(env, PGCLIENTENCODING="SQL_ASCII", **({} if database is None else {"PGDATABASE": database}))
    command = [
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--no-align",
        "--tuples-only",
        "--set=ON_ERROR_STOP=1",
        *(argument for statement in statements for argument in ("--command", os.fsencode(statement))),
    ]
    return output(command, env=where, preexec_fn=functools.partial(signal.signal, signal.SIGTERM, signal.SIG_IGN) if deaf else None)


def refused(env: dict[str, str], statements: Iterable[str], tried: bool = False) -> Iterator[tuple[str, Exception]]:
    """Have the server run all of these statements that it takes, many at once. Give the others, each with its error. `tried`: they are run,
    and undone again.
    """
    for batch in batches(statements):
        try:
            query(env, *(["BEGIN", *batch, "ROLLBACK"] if tried else batch))
        # OSError: one that is too long is no argument for a client.
        except (subprocess.CalledProcessError, OSError) as error:
            if len(batch) == 1:
                yield batch[0], error
                continue
            for statement in batch:
                yield from refused(env, [statement], tried)


def batches(statements: Iterable[str]) -> Iterator[list[str]]:
    """The statements, in parts that a client can be given."""
    batch: list[str] = []
    size = 0
    for statement in statements:
        length = len(os.fsencode(statement))
        if batch and size + length > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(statement)
        # With what leads to it.
        size += length + 100
    if batch:
        yield batch


def drop(env: dict[str, str], name: str) -> None:
    """Drop a database, also one with subscriptions, whose slots elsewhere are left to the one that takes its place."""
    try:
        query(env, "DROP DATABASE IF EXISTS %s" % identifier(name))
    except subprocess.CalledProcessError as error:
        if b"logical replication subscription" not in error.stderr:
            raise
        where = dict(env, PGDATABASE=name)
        database = "ALTER DATABASE %s " % identifier(name)
        query(env, database + "CONNECTION LIMIT 0", database + "ALLOW_CONNECTIONS true")
        subscriptions = "SELECT encode(textsend(subname::text), 'hex') FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid"
        listed = query(where, subscriptions + " WHERE datname = current_database()", database=None).split()
        for quoted in (identifier(os.fsdecode(bytes.fromhex(line.decode()))) for line in listed):
            subscription = "ALTER SUBSCRIPTION %s" % quoted
            query(where, subscription + " DISABLE", subscription + " SET (slot_name = NONE)", "DROP SUBSCRIPTION " + quoted, database=None)
        query(env, "DROP DATABASE IF EXISTS %s" % identifier(name))


def output(command: Sequence[str | bytes], env: dict[str, str] | None = None, preexec_fn: Callable[[], object] | None = None) -> bytes:
    """What a command prints. CalledProcessError, with what it said: it exits with anything but 0."""
    return subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, preexec_fn=preexec_fn
    ).stdout
