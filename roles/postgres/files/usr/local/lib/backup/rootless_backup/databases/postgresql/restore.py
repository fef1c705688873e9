# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Load what is asked for, each database beside what is there."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import signal
import subprocess
import time

from rootless_backup import untrusted
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.postgresql import client, contents, loading, roles, servers, sql, stop
from rootless_backup.databases.postgresql.client import query
from rootless_backup.databases.postgresql.sql import identifier
from rootless_backup.records import manifest as manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless_backup.databases.postgresql.client import Properties
    from rootless_backup.restore.dumps import Choice


def restore() -> bool:
    """Load what is asked for, each beside what is there, which goes last. Return whether all of it succeeded."""
    if not wait_for_turn():
        untrusted.tell(3, "Nothing was restored: backupctl was gone before the dump was there.")
        return False
    with open(os.environ["BACKUP_REQUEST"], encoding="utf-8") as file:
        request = json.load(file)
    try:
        items = [item for item in map(Item, request["items"]) if item.is_wanted()]
        templates = [item for item in items if item.into == "template1"] if len(items) > 1 else []
        for _template in templates:
            untrusted.tell(
                3,
                "template1 holds tables of its own and is not restored, since new databases are made from it: restore it "
                "under another name (--into NAME) and see what you need.",
            )
        items = [item for item in items if item not in templates]
        places = [(item.address, item.into) for item in items]
        for into in {into for address, into in places if places.count((address, into)) > 1}:
            untrusted.tell(
                3,
                "%s is asked for more than once; nothing was restored. Restore them one by one, another under another name "
                "(--into NAME): %s" % (shown(into), ", ".join(item.file for item in items if item.into == into)),
            )
            return False
        clusters = {item.address: item.env for item in items}
        there = {address: clear(env) for address, env in clusters.items()}
        refused = [problem for item in items for problem in item.problems(there[item.address], request["over"])]
        for problem in refused:
            untrusted.tell(3, problem)
        if refused:
            return False
        if request["globals"]:
            for path in sorted(glob.glob(os.path.join(glob.escape(os.environ["BACKUP_DUMP"]), "*", "globals.sql"))):
                if not roles.load_globals(servers.connection(servers.target(path.split("/")[-2])), path):
                    return False
    except (subprocess.CalledProcessError, OSError, KeyError, ValueError) as error:
        untrusted.tell(3, "Nothing was restored. %s" % reason(error))
        return False
    done = [item.restore(there[item.address], request["over"]) for item in items]
    return all(done) and not templates


def wait_for_turn() -> bool:
    """Wait until what is to be loaded is there, and nobody else's any more. Return whether it ever will be."""
    pipe = None
    # A backupctl that is older than this starts it in its turn.
    with contextlib.suppress(KeyError, FileNotFoundError):
        # Where there is nobody at the other end any more, only so it does not wait for one.
        pipe = os.open(os.environ["BACKUP_READY"], os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(pipe, True)
    if pipe is not None:
        with contextlib.suppress(subprocess.CalledProcessError, OSError, ValueError):
            # Meanwhile: it takes its time. What is wrong with it is said when it is needed.
            if not servers.read_settings()["clusters"]:
                servers.found()
        if not os.read(pipe, 1):
            return False
    # systemd stops what loads a dump too; see `query` for what it does not stop.
    signal.signal(signal.SIGTERM, stop.stopping)
    if pipe is not None:
        # From here on whoever stops it is answered.
        os.read(pipe, 1)
    return True


class Item:
    """A database to restore: `file` below $BACKUP_DUMP, as the database `into`."""

    def __init__(self, asked: Choice) -> None:
        self.file = asked["file"]
        self.path = os.path.join(os.environ["BACKUP_DUMP"], self.file)
        self.into = asked["into"]
        self.name = asked["name"]
        self.entry = manifests.read(os.path.join(os.path.dirname(self.path), manifests.NAME))["files"][os.path.basename(self.path)]
        self.env = servers.connection(servers.target(asked["file"].split("/")[0]))
        self.address = self.env["PGHOST"], self.env["PGPORT"]

    def is_wanted(self) -> bool:
        """Whether there is anything in it: a template without tables every new server has."""
        large = self.entry.get("large objects", self.entry.get("tables", {}).get("large objects", {}))
        return (
            self.into != "template1"
            or self.name != "template1"
            or large.get("number", large.get("rows", 0)) > 0
            or "tables" not in self.entry
            or any(each["rows"] for each in contents.tables_of(self.entry).values())
        )

    def problems(self, there: dict[str, Properties], over: bool) -> Iterator[str]:
        """What stands in the way, for people; `there` are the databases of the cluster."""
        if self.into in ("template0", "template1"):
            yield ("%s is a template that new databases are made from; restore it under another name (--into NAME)" % shown(self.into))
        elif self.into in there and not over and not self.is_empty():
            yield (
                "there is a database %s already, and it is not empty. Restore under another name (--into NAME), or in its place "
                "(--over)." % shown(self.into)
            )

    def is_empty(self, name: str | None = None) -> bool:
        """Whether a database, its own if none is named, has nothing that the server did not bring.

        See FirstNormalObjectId in PostgreSQL's transam.h.
        """
        catalogues = (
            "pg_class",
            "pg_proc",
            "pg_type",
            "pg_namespace",
            "pg_extension",
            "pg_foreign_server",
            "pg_foreign_data_wrapper",
            "pg_publication",
            "pg_event_trigger",
            "pg_cast",
            "pg_operator",
            "pg_opclass",
            "pg_opfamily",
            "pg_collation",
            "pg_conversion",
            "pg_language",
            "pg_transform",
            "pg_am",
            "pg_default_acl",
            "pg_statistic_ext",
            "pg_ts_config",
            "pg_ts_dict",
            "pg_ts_parser",
            "pg_ts_template",
        )
        # The number of a large object is whatever its maker says.
        found = " UNION ALL ".join(
            ["SELECT oid FROM pg_largeobject_metadata", *("SELECT oid FROM %s WHERE oid >= 16384" % each for each in catalogues)]
        )
        return query(dict(self.env, PGDATABASE=name or self.into), "SELECT count(*) FROM (%s) AS found" % found, database=None) == b"0\n"

    def restore(self, databases: dict[str, Properties], over: bool) -> bool:
        """Load it beside what is there, then put it in its place. Return whether it succeeded."""
        beside, away = ("%s_%s" % (verb, os.urandom(8).hex()) for verb in ("restoring", "replaced"))
        begun = time.monotonic()
        old = databases.get(self.into)
        properties = self.entry.get("properties", {})
        whole = False
        try:
            stop.go_on()
            loading.load(loading.create_database(self.env, beside, self.entry), beside, self.path)
            if old is not None and not over and not self.is_empty():
                raise OSError("Somebody has put something into it meanwhile.")
            stop.go_on()
            whole = True
            # A template last: it cannot be dropped.
            query(
                self.env,
                *sql.settings_of(beside, properties),
                *sql.swap(beside, self.into, None if old is None else away, properties.get("datconnlimit", -1)),
                *(["ALTER DATABASE %s IS_TEMPLATE true" % identifier(self.into)] if properties.get("datistemplate") else []),
            )
        except (subprocess.CalledProcessError, OSError) as error:
            return self.give_up(error, beside, away, old, whole)
        if old is not None:
            self.drop(away, over)
        untrusted.tell(
            6,
            "database %s: restored%s, as it was at %s, in %.1f s"
            % (
                shown(self.into),
                "" if self.into == self.name else " from " + shown(self.name),
                self.entry["finished"],
                time.monotonic() - begun,
            ),
        )
        return True

    def give_up(self, error: BaseException, beside: str, away: str, old: Properties | None, whole: bool) -> bool:
        """Take away what was begun, and say what is there now. Return False."""
        if stop.STOPPED.is_set():
            error = OSError("It was stopped.")
        try:
            now = client.properties_of(self.env)
            if whole and beside not in now:
                before = "" if old is None else "; what was there before is database %s, and lets nobody in" % away
                untrusted.tell(3, "database %s: restored, but not to the end%s. %s" % (shown(self.into), before, reason(error)))
                return False
            query(self.env, *sql.dropping(beside))
        except subprocess.CalledProcessError as trouble:
            now = {}
            untrusted.tell(
                4, "what was begun, database %s, could not be taken away; the next restore does it: %s" % (beside, reason(trouble))
            )
        if whole and old is not None and old["datallowconn"] and self.into in (now or {self.into}):
            try:
                query(self.env, "ALTER DATABASE %s ALLOW_CONNECTIONS true" % identifier(self.into))
            except subprocess.CalledProcessError as trouble:
                untrusted.tell(3, "%s may let nobody in: ALTER DATABASE … ALLOW_CONNECTIONS true. %s" % (shown(self.into), reason(trouble)))
        return not_restored("database %s" % shown(self.into), error)

    def drop(self, away: str, over: bool) -> None:
        """Drop what was there before."""
        try:
            query(self.env, "ALTER DATABASE %s IS_TEMPLATE false" % away)
            if not over:
                query(self.env, "ALTER DATABASE %s ALLOW_CONNECTIONS true" % away)
                if not self.is_empty(away):
                    untrusted.tell(4, "what somebody put into %s at the last moment is in database %s" % (shown(self.into), away))
                    return
            query(self.env, "DROP DATABASE %s" % away)
        except subprocess.CalledProcessError as error:
            untrusted.tell(4, "what was there before is still there, as database %s: %s" % (away, reason(error)))


def clear(env: dict[str, str]) -> dict[str, Properties]:
    """Take away what a restore that was killed had begun; only one is at work at a time. Return the databases that are there,
    as `properties_of` does.
    """
    there = client.properties_of(env)
    for name in there:
        if re.fullmatch("restoring_[0-9a-f]{16}", name):
            try:
                query(env, *sql.dropping(name))
            except subprocess.CalledProcessError as error:
                untrusted.tell(4, "what a restore that was killed had begun is still there, as database %s: %s" % (name, reason(error)))
    return there


def not_restored(what: str, error: BaseException) -> bool:
    why = reason(error)
    hint = " With --globals the roles of the dump that are missing come first." if re.search('role ".*" does not exist', why) else ""
    untrusted.tell(3, "%s was not restored; what was there is as it was. %s%s" % (what, why, hint))
    return False
