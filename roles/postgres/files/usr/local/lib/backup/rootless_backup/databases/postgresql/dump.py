# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Dump every database of every cluster, as the hook."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
import threading
import time

from rootless_backup import untrusted
from rootless_backup.databases import base
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.postgresql import client, contents, servers, session, sql
from rootless_backup.databases.postgresql.client import output, query
from rootless_backup.databases.postgresql.meanwhile import Meanwhile
from rootless_backup.databases.postgresql.script import Unread
from rootless_backup.records import manifest as manifests
from rootless_backup.records.manifest import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import Any, Optional

    from rootless_backup.databases.postgresql.client import Properties
    from rootless_backup.databases.postgresql.servers import Cluster
    from rootless_backup.records.manifest import Entry

    # What the manifest shall hold of a dump, what the dump lacks, and why the drill cannot prove it.
    Told = tuple[Entry, list[str], list[str]]
    Tell = Callable[[], Told]
    # The name of a dump, that of its database, and what writes it; see `dump`.
    Wanted = tuple[str, Optional[str], Callable[[str], Tell]]

TARGET = "/backup/postgresql"
GLOBALS = "globals.sql"
# Databases whose last dump was smaller, in bytes, are dumped beside the others: neither waits for the other then.
SMALL = 1 << 20
# Between two writings of the manifest while dumps come: of a thousand databases each would cost more than the one before.
SECONDS = 10
# What pg_dump says where something was dropped or altered after it looked, and before it had its lock.
CHANGED = re.compile(rb"does not exist|could not open relation with OID|cache lookup failed|could not find|concurrently")
# What PostgreSQL says where there is no room for another session, or for its locks: who owns many tables takes all of these for his dump.
SCARCE = re.compile(rb"out of shared memory|too many clients|too many connections|connection slots")
# Behind a word that is no hex, which the names of databases are.
PLACES = """SELECT 'place', encode(textsend(path), 'hex') FROM (SELECT setting FROM pg_settings WHERE name = 'data_directory'
            UNION SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname !~ '^pg_') AS places(path)"""
# What has to be in a dump, and how money is written in it, which is read in no other way. What belongs to an extension is made by it.
# On a standby pg_dump leaves out the rows of unlogged tables, which it has none of: these are `UNLOGGED` then.
UNLOGGED = b"u"
RELATIONS = """SELECT c.oid, c.xmin, CASE WHEN relpersistence = 'u' AND pg_is_in_recovery() THEN 'u' ELSE relkind::text END,
    encode(textsend(format('%I.%I', nspname, relname)), 'hex')
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'm', 'S') AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e' AND (objid = c.oid
        OR objid IN (SELECT refobjid FROM pg_depend
            WHERE classid = 'pg_class'::regclass AND objid = c.oid AND relkind = 'S' AND deptype IN ('i', 'a'))))"""


def dump_all() -> bool:
    """Dump every cluster. Return whether all of it succeeded."""
    # systemd ends what dumps too. What is in its place by then is in the manifest.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + int(signal.SIGTERM)))
    settings = servers.read_settings()
    existing = servers.found()
    clusters = settings["clusters"] or [cluster for cluster in existing if cluster["wanted"]]
    if not clusters:
        untrusted.tell(
            3,
            "There is no PostgreSQL cluster that is online or starts by itself. Name yours in postgres_clusters, or set "
            "postgres_state to absent.",
        )
        return False
    dumped = [dump_cluster(settings, cluster) for cluster in clusters]
    ok = all(dumped)
    if ok:
        # The dumps of a cluster that is only not dumped now stay.
        base.remove_others(TARGET, {str(cluster["name"]) for cluster in [*clusters, *([] if settings["clusters"] else existing)]})
    return ok


def dump_cluster(settings: dict[str, Any], cluster: Cluster) -> bool:
    """Dump one cluster. Return whether every database and the globals were dumped."""
    directory = os.path.join(TARGET, str(cluster["name"]))
    base.clear(directory)
    try:
        env = servers.connection(cluster)
        server, *rows = query(env, client.SERVER, client.PROPERTIES, PLACES).decode(errors="surrogateescape").split("\n")
        properties = client.properties_in(row for row in rows if not row.startswith("place|"))
        places = [os.fsdecode(bytes.fromhex(row[len("place|") :])) for row in rows if row.startswith("place|")]
    except (subprocess.CalledProcessError, OSError) as error:
        return base.failed("cluster %s" % cluster["name"], error)

    databases, others, whole = connectable(properties, set(settings["exclude"]))
    base.warn_of_uncovered(places, settings["data_directories"], "postgres_data_directories")
    version, maker, zone, preloaded = server.split("|", 3)
    facts = {
        "version": int(version),
        "superuser": client.text(maker),
        "timezone": client.text(zone),
        "shared_preload_libraries": client.text(preloaded),
    }
    try:
        with Manifest(directory, every=SECONDS, server=facts) as manifest:
            ok = dump_each(manifest, env, {name: properties[name] for name in databases}, settings["lock_wait"])
            if ok:
                base.keep_only(manifest, {*map(file_name, databases), GLOBALS}, set(map(file_name, others)))
                untrusted.tell(6, "%s: %d databases, %d bytes" % (cluster["name"], len(databases), manifest.size()))
    except OSError as error:
        return base.failed("cluster %s" % cluster["name"], error)
    return ok and whole


def dump_each(manifest: Manifest, env: dict[str, str], databases: dict[str, Properties], lock_wait: int) -> bool:
    """Dump the globals and each database, `{name: properties}`. Return whether all of it succeeded."""
    small: collections.deque[Wanted] = collections.deque([(GLOBALS, None, lambda path: dump_globals(path, env))])
    large: collections.deque[Wanted] = collections.deque()
    for name, properties in databases.items():
        # In the environment a name is a name: on the command line it could be an option or a connection string.
        where = dict(env, PGDATABASE=name)
        make = functools.partial(dump_database, env=where, properties=properties, lock_wait=lock_wait)
        was = manifest.files.get(file_name(name), {}).get("size", SMALL)
        (small if was < SMALL else large).append((file_name(name), name, make))
    stopped = threading.Event()
    again: list[Wanted] = []
    beside = Meanwhile(dump_in_turn, manifest, taken(small), stopped, again)
    try:
        ok = dump_in_turn(manifest, taken(large, small), stopped, again)
        ok = bool(beside.result()) and ok
        return dump_in_turn(manifest, again, stopped) and ok
    except BaseException:
        stopped.set()
        raise
    finally:
        # However this ends, what is in its place is in the manifest.
        beside.join()


def taken(*queues: collections.deque[Wanted]) -> Iterator[Wanted]:
    """What is in these, one after the other; somebody else may take of it too."""
    for queue in queues:
        with contextlib.suppress(IndexError):
            while True:
                yield queue.popleft()


def dump_in_turn(manifest: Manifest, wanted: Iterable[Wanted], stopped: threading.Event, again: list[Wanted] | None = None) -> bool:
    """Dump one after the other, until the event comes. Return whether all of it succeeded. `again`: see `dump`."""
    completing: list[Meanwhile] = []
    try:
        for item in wanted:
            if stopped.is_set():
                break
            # One is completed while the next one is written, and no more: each needs room beside the dump that it replaces.
            for earlier in completing[-2:-1]:
                earlier.join()
            completing.append(dump(manifest, item, completing[-1] if completing else None, again))
    finally:
        for completion in completing:
            completion.join()
    return all(completion.result() for completion in completing)


def connectable(properties: dict[str, Properties], exclude: set[str]) -> tuple[list[str], list[str], bool]:
    """The names of the databases to dump, the names of those that cannot be dumped now, and whether none of the latter has to be dumped."""
    databases, others, whole = [], [], True
    for name, row in properties.items():
        if name in exclude:
            continue
        if sql.LOADED.fullmatch(name) and row["datconnlimit"] == 0:
            untrusted.tell(5, "%s is being restored, or was when that was killed, and is not dumped." % shown(name))
            others.append(name)
            continue
        if row.get("restoring"):
            untrusted.tell(
                3,
                "%s is being restored, or was when that was killed, and is not dumped; its last dump stays. Restore it again with --over."
                % shown(name),
            )
            others.append(name)
            whole = False
            continue
        if row.get("left_out"):
            untrusted.tell(4, "%s has settings or a comment of more than %d bytes, which are not saved." % (shown(name), client.LONGEST))
        invalid = row["datconnlimit"] == -2
        if row["datallowconn"] and not invalid:
            databases.append(name)
            continue
        others.append(name)
        if invalid:
            untrusted.tell(4, "%s is invalid (its DROP DATABASE was interrupted) and cannot be dumped; drop it." % shown(name))
        elif name != "template0":
            untrusted.tell(4, "%s does not allow connections and is not dumped." % shown(name))
    return databases, others, whole


def dump(manifest: Manifest, wanted: Wanted, before: Meanwhile | None = None, again: list[Wanted] | None = None) -> Meanwhile:
    """Have a dump written, see `base.Dump`. Return, as Meanwhile, whether it is complete.

    What writes it returns a function that needs no server any more, and gives what the manifest shall hold of it, what it lacks, and why
    the drill cannot prove it. `before`: what is completed first; so the next database is dumped meanwhile. `again`: for what has to be
    tried once more, since another dump took what it needed of the server.
    """
    name, database, make = wanted
    new = base.Dump(manifest, name, database)
    what = "database %s" % shown(database) if database is not None else "globals"

    try:
        tell = new.write(make)
    except Exception as error:  # as below
        tell = functools.partial(failing, error)

    def complete() -> bool:
        if before is not None:
            before.join()
        try:
            with new.or_nothing():
                more, lacking, unproven = tell()
            whole = new.put_in_place(more, optional=contents.RECORDED)
        except Exception as error:  # whatever it is: it costs this dump, and no other
            if again is None or not SCARCE.search(getattr(error, "stderr", None) or b""):
                return base.failed(what, error)
            untrusted.tell(5, "%s was not dumped beside another, and is dumped once more. %s" % (what, reason(error)))
            again.append(wanted)
            return True
        if not whole:
            unproven = [*unproven, "it has so many tables that the manifest does not tell of them"]
        for problem in unproven:
            # It is the whole dump, by the word of pg_dump. The drill will say the same, which does not keep it from being saved.
            untrusted.tell(4, "%s is dumped, but the drill cannot prove it: %s" % (what, problem))
        for problem in lacking:
            untrusted.tell(3, "%s was dumped, but %s" % (what, problem))
        return not lacking

    return Meanwhile(complete)


def failing(error: Exception) -> Told:
    """Raise what was raised before."""
    raise error


def dump_globals(path: str, env: dict[str, str]) -> Tell:
    """Dump roles and tablespaces; see `dump`."""
    dumping = Meanwhile(output, ["pg_dumpall", "--globals-only", "--file", path], env)

    def tell() -> Told:
        dumping.result()
        return {"finished": time.strftime(manifests.TIME, time.gmtime())}, [], []

    return tell


def dump_database(path: str, env: dict[str, str], properties: Properties, lock_wait: int) -> Tell:
    """Dump a database; see `dump`. Nothing but pg_dump reads what is in it: to plan a query is to run code of the owner of a table."""
    money, before = relations(env)
    begun = time.monotonic()
    try:
        read_contents = session.run_dump(path, env, properties["encoding"], lock_wait)
    except subprocess.CalledProcessError as error:
        # Whoever made it wait before has had his time.
        if not CHANGED.search(error.stderr) or time.monotonic() - begun > lock_wait:
            raise
        untrusted.tell(
            5, "database %s changed while it was dumped, and is dumped once more. %s" % (shown(env["PGDATABASE"]), reason(error))
        )
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        read_contents = session.run_dump(path, env, properties["encoding"], lock_wait)
    after = Meanwhile(relations, env)

    def tell() -> Told:
        # Here, while the rest of what is in it is still being read.
        entry: Entry = {"properties": properties, "lc_monetary": money, "sha256": manifests.checksum(path)}
        if b"|%s|" % UNLOGGED in before:
            entry["standby"] = True
        lacking, unproven = [], []
        try:
            entries = contents.entries(path, env)
            # What was there before and is there after, the same all the time, was there when pg_dump looked.
            lines = {*before.splitlines()} & {*after.result()[1].splitlines()}
            lacking = ["it lacks %s, which is in the database" % shown(name) for name in absent(lines, entries)]
            entry.update(objects=contents.objects(entries), **read_contents())
        except (Unread, OSError, subprocess.CalledProcessError) as unread:
            unproven = [reason(unread)]
        return entry, lacking, unproven

    return tell


def relations(env: dict[str, str]) -> tuple[str, bytes]:
    """How money is written, and each relation of a database that must be in its dump: `OID|XMIN|RELKIND|NAME`, a line each, with the
    name in hex. As it comes: taken apart, ten thousand take as much memory as all else that is done with them.
    """
    money, _end, lines = query(env, client.MONEY, RELATIONS, database=None).partition(b"\n")
    return client.text(money.decode("ascii")), lines


def absent(lines: Iterable[bytes], entries: Collection[contents.Listed]) -> list[str]:
    """The names of the relations in these lines (see `relations`) that a dump with these entries does not hold, or holds without their
    rows.
    """
    # 1259 is pg_class.
    defined = {b"%d" % oid for table, oid, _kind in entries if table == 1259}
    filled = {b"%d" % oid for _table, oid, kind in entries if kind == "TABLE DATA"}
    rows = (line.split(b"|") for line in lines)
    return sorted(
        os.fsdecode(bytes.fromhex(name.decode()))
        for oid, _xmin, kind, name in rows
        if oid not in defined or (kind == b"r" and oid not in filled)
    )


def file_name(database: str) -> str:
    """A file name for any name that PostgreSQL allows: every byte but a few is percent-encoded."""
    return base.percent_encoded(database) + ".dump"
