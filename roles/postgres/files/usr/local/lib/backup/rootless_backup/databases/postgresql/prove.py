# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Prove dumps: what is loaded and dumped again has to be what was dumped."""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import tempfile

from rootless_backup import untrusted
from rootless_backup.databases.base import in_either, reason, shown
from rootless_backup.databases.postgresql import client, contents, roles, sql
from rootless_backup.databases.postgresql.client import output, query
from rootless_backup.databases.postgresql.failures import EMPTY, told
from rootless_backup.databases.postgresql.loading import Dump
from rootless_backup.databases.postgresql.script import Unread
from rootless_backup.databases.postgresql.throwaway import IN_PLACE, Throwaway
from rootless_backup.records import manifest as manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless_backup.databases.postgresql.client import Properties
    from rootless_backup.databases.postgresql.contents import Contents
    from rootless_backup.records.manifest import Entry


# What a database has because of where and when it is, not of what was dumped; and what is told of by another name. All else is compared.
INCIDENTAL = {
    "datacl",
    "datallowconn",
    "datcollversion",
    "datdba",
    "datfrozenxid",
    "dathasloginevt",
    "datlastsysoid",
    "datminmxid",
    "datname",
    "dattablespace",
    "left_out",
    "oid",
    "prepared",
    "slots",
}

NOTHING_RECORDED = "nothing was recorded of it when it was dumped, so all that is known is that it loads"


def prove() -> bool:
    """Load every dump into a server of its own, and compare with what was recorded. Return whether all is as it was."""
    paths = sorted(glob.glob(os.path.join(glob.escape(os.environ["BACKUP_DUMP"]), "*", manifests.NAME)))
    if not paths:
        untrusted.tell(3, "postgresql: the archive holds no manifest of a cluster")
        return False
    done = [prove_cluster(path) for path in paths]
    return all(done)


def prove_cluster(path: str) -> bool:
    """Prove the dumps of one cluster. Return whether all are as they were."""
    directory = os.path.dirname(path)
    cluster = os.path.basename(directory)
    ok = True
    databases = tables = rows = 0
    try:
        manifest = manifests.read(path)
        server = manifest.get("server") or unrecorded(cluster)
        with Throwaway(server) as env:
            if "globals.sql" in manifest["files"]:
                # Where tablespaces lie, nothing is for this server: those of an older one are not made.
                ok = roles.load_globals(
                    env,
                    os.path.join(directory, "globals.sql"),
                    r'directory ".*"|tablespace ".*"|role "%s" already exists' % re.escape(env["PGUSER"]),
                    within=server["version"] >= IN_PLACE,
                )
            for name, entry in sorted(manifest["files"].items()):
                if entry["database"] is None:
                    continue
                for problem in compare(env, os.path.join(directory, name), entry, server):
                    untrusted.tell(3, "postgresql: %s: database %s: %s" % (cluster, shown(entry["database"]), problem))
                    ok = False
                databases += 1
                held = contents.tables_of(entry)
                tables += len(held)
                rows += sum(table["rows"] for table in held.values())
    except (subprocess.CalledProcessError, OSError, KeyError, ValueError) as error:
        untrusted.tell(3, "postgresql: %s: %s" % (cluster, reason(error)))
        return False
    untrusted.tell(
        6, "postgresql: %s: %d databases, %d tables, %d rows %s" % (cluster, databases, tables, rows, "proven" if ok else "compared")
    )
    return ok


def unrecorded(cluster: str) -> dict[str, Any]:
    """The server of a dump by an early version of this collection, whose manifests did not tell of it. ValueError: it is not known."""
    version = re.match("([1-9][0-9]?)-", cluster)
    if version is None:
        raise ValueError("its manifest does not say of which version of PostgreSQL it is")
    return {"version": int(version[1]), "shared_preload_libraries": "", "unrecorded": True}


def compare(env: dict[str, str], path: str, entry: Entry, server: dict[str, Any]) -> Iterator[str]:
    """Load a dump, and say where it is not what was recorded: what is dumped again has to be what was dumped."""
    try:
        places = server["version"] >= IN_PLACE
        properties = entry.get("properties", {})
        if not places:
            entry = {**entry, "properties": {name: value for name, value in properties.items() if name != "tablespace"}}
        dump = Dump(path, entry, env, server)
        where = dict(dump.make_database("drill"), PGDATABASE="drill")
        # A database with a subscription cannot be dropped. That what is elsewhere cannot be reached says nothing of the dump.
        dump.load(where, "drill", *([] if places else ["--no-tablespaces"]), "--no-subscriptions", strict=True)
        yield from others(env, entry.get("properties", {}))
        for failure in dump.failures:
            if failure.kind == EMPTY:
                untrusted.tell(5, told(failure))
            else:
                yield "is not what it was: %s" % told(failure)
        if "tables" not in entry:
            if "unrecorded" not in server:
                yield NOTHING_RECORDED
            else:
                untrusted.tell(5, "postgresql: database %s: %s" % (shown(entry["database"]), NOTHING_RECORDED))
            return
        recorded, restored = contents.recorded_in(entry), again(where, entry)
        if recorded != restored:
            with contents.reading(path, env) as stream:
                held = {**contents.scan(stream), "objects": contents.objects(contents.entries(path, env))}
            yield from differences(recorded, held)
            yield from differences(*in_any_order(path, where, entry, held, restored))
    except Unread as trouble:
        yield "what is in it cannot be compared: %s" % trouble
    except subprocess.CalledProcessError as error:
        yield "cannot be restored: %s" % reason(error)
    finally:
        query(env, "DROP DATABASE IF EXISTS drill")


def others(env: dict[str, str], was: Properties) -> Iterator[str]:
    """Give the database its rights, and say which of its properties are not those that were recorded."""
    rights = [*sql.owner_of("drill", was), *sql.rights_of("drill", was), sql.limit("drill", was.get("datconnlimit", -1))]
    if was.get("datistemplate"):
        rights.append("ALTER DATABASE drill IS_TEMPLATE true")
    try:
        answer = query(env, *rights, client.PROPERTIES)
    # OSError: there are more than a client can be given.
    except (subprocess.CalledProcessError, OSError) as error:
        yield "its owner, its rights or its comment cannot be given to it: %s" % reason(error)
        return
    finally:
        if was.get("datistemplate"):
            # No template can be dropped.
            query(env, "ALTER DATABASE drill IS_TEMPLATE false")
    now = client.properties_in(answer.decode("ascii").split("\n"))["drill"]
    for name in sorted(was.keys() & now.keys() - INCIDENTAL):
        if comparable(name, was[name]) != comparable(name, now[name]):
            yield "its %s is %s, but was %s" % (untrusted.printable(name), *(shown_short(properties[name]) for properties in (now, was)))


def comparable(name: str, value: Any) -> Any:
    """A property, as it is compared: settings are written in several ways, and in any order; grants come from anybody."""
    if name == "settings":
        return sorted(sql.assignments(value or []))
    if name == "role_settings":
        return {role: sorted(sql.assignments(settings)) for role, settings in (value or {}).items()}
    if name == "grants":
        return sorted({str(grant) for grant in value or []})
    return value


def shown_short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:200] + "…"


def in_any_order(path: str, env: dict[str, str], entry: Entry, held: Contents, restored: Contents) -> tuple[Contents, Contents]:
    """What a dump and the database that was made of it hold, read once more: where the rows or the columns came in another order, that
    makes no difference.
    """
    apart = {
        name: table["columns"]
        for name, table in held["tables"].items()
        if name in restored["tables"]
        and table != restored["tables"][name]
        and sorted(table["columns"]) == sorted(restored["tables"][name]["columns"])
    }
    if not apart:
        return held, restored
    with contents.reading(path, env) as stream:
        return {**held, **contents.scan(stream, apart)}, again(env, entry, apart)


def again(env: dict[str, str], entry: Entry, apart: dict[str, list[str]] | None = None) -> Contents:
    """What is in a database, by dumping it as it was dumped."""
    command = ["pg_dump", "--format=custom", "--compress=0", "--encoding=" + entry["properties"]["encoding"]]
    if entry.get("standby"):
        # As pg_dump does by itself on one.
        command.append("--no-unlogged-table-data")
    with tempfile.TemporaryFile() as errors:
        with (
            subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as dumping,
            contents.reading(None, env, dumping.stdout) as stream,
        ):
            # It is pg_restore's.
            assert dumping.stdout
            dumping.stdout.close()
            held = contents.scan(stream, apart)
        if dumping.returncode != 0:
            errors.seek(0)
            raise subprocess.CalledProcessError(dumping.returncode, command[0], stderr=errors.read())
    with tempfile.NamedTemporaryFile() as file:
        output([*command, "--schema-only", "--file", file.name], env=env)
        return {**held, "objects": contents.objects(contents.entries(file.name, env))}


def differences(was: Contents, now: Contents) -> Iterator[str]:
    """Say where two are not the same."""
    if "objects" not in was:
        # An older manifest has the parts of a table as tables of their own, where a dump may have their rows together.
        names = was["tables"].keys() & now["tables"].keys()
        rows = [sum(table["rows"] for table in side["tables"].values()) for side in (was, now)]
        if rows[0] != rows[1]:
            yield "the tables have %d rows, but had %d" % (rows[1], rows[0])
        was = {
            **{kind: now[kind] for kind in ("objects", "sequences", "large objects")},
            "tables": {
                name: {**table, "rows": was["tables"][name]["rows"] if name in names else table["rows"]}
                for name, table in now["tables"].items()
            },
        }
    for kind in sorted({*was["objects"], *now["objects"]}):
        before, after = was["objects"].get(kind, 0), now["objects"].get(kind, 0)
        if before != after:
            yield "there are %d %s, but there were %d" % (after, kind, before)
    for name, before, after in in_either(was["tables"], now["tables"]):
        if before is None or after is None:
            yield "table %s %s" % (shown_plain(name), "is missing" if after is None else "was not there")
        elif before["rows"] != after["rows"]:
            yield "table %s has %d rows, but had %d" % (shown_plain(name), after["rows"], before["rows"])
        elif sorted(before["columns"]) != sorted(after["columns"]):
            yield "table %s has other columns than it had" % shown_plain(name)
        elif before["checksum"] != after["checksum"]:
            yield "table %s has other contents than it had" % shown_plain(name)
    for name, before, after in in_either(was["sequences"], now["sequences"]):
        if before != after:
            yield "sequence %s is at %s, but was at %s" % (shown_plain(name), after, before)
    if was["large objects"] != now["large objects"]:
        yield "the large objects are others than they were: there are %d, and there were %d" % (
            now["large objects"].get("number", 0),
            was["large objects"].get("number", 0),
        )


def shown_plain(name: str) -> str:
    """A name as it stands in SQL, in one line."""
    return name if name.isprintable() else shown(name)
