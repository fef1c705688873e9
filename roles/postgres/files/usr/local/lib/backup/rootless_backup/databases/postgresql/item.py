# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""A database that is restored: loaded beside what is there, which goes last."""

from __future__ import annotations

import os
import re
import subprocess
import time

from rootless_backup import untrusted
from rootless_backup.databases import stop
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.postgresql import client, contents, failures, servers, sql
from rootless_backup.databases.postgresql.client import query
from rootless_backup.databases.postgresql.failures import Failure
from rootless_backup.databases.postgresql.loading import Dump
from rootless_backup.databases.postgresql.sql import identifier
from rootless_backup.databases.request import IN_PART, NOT, RESTORED
from rootless_backup.records import manifest as manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless_backup.databases.postgresql.client import Properties
    from rootless_backup.restore.dumps import Choice


class Item:
    """A database to restore: `file` below $BACKUP_DUMP, as the database `into`."""

    def __init__(self, choice: Choice) -> None:
        self.file = choice["file"]
        self.path = os.path.join(os.environ["BACKUP_DUMP"], self.file)
        self.into = choice["into"]
        self.name = choice["name"]
        manifest = manifests.read(os.path.join(os.path.dirname(self.path), manifests.NAME))
        self.entry = manifest["files"][os.path.basename(self.path)]
        # What it says of the server that was dumped.
        self.server = manifest.get("server", {})
        self.env = servers.connection(servers.target(choice["file"].split("/")[0]))
        self.address = self.env["PGHOST"], self.env["PGPORT"]

    def is_wanted(self) -> bool:
        """Whether there is anything in it: a template without tables every new server has."""
        large = self.entry.get("large objects", self.entry.get("tables", {}).get("large objects", {}))
        return (
            self.into != "template1"
            or self.name != "template1"
            or large.get("number", large.get("rows", 0)) > 0
            or "tables" not in self.entry
            or any(table["rows"] for table in contents.tables_of(self.entry).values())
        )

    def problems(self, databases: dict[str, Properties], over: bool) -> Iterator[str]:
        """What stands in the way, for people; `databases` are those of the cluster."""
        if self.into in ("template0", "template1"):
            yield ("%s is a template that new databases are made from; restore it under another name (--into NAME)" % shown(self.into))
        elif self.into in databases and not over and not self.is_empty():
            looked_into = (
                "it is not empty" if databases[self.into]["datallowconn"] else "it lets nobody in, who could see whether it is empty"
            )
            yield (
                "there is a database %s already, and %s. Restore under another name (--into NAME), or in its place (--over)."
                % (shown(self.into), looked_into)
            )
        elif databases.get(self.into, {}).get("prepared"):
            yield (
                "there are prepared transactions in database %s, which keep it where it is: COMMIT PREPARED or ROLLBACK PREPARED, see "
                "pg_prepared_xacts" % shown(self.into)
            )

    def rows(self) -> str:
        """How many rows were dumped, for people."""
        try:
            return str(sum(int(table["rows"]) for table in contents.tables_of(self.entry).values())) if "tables" in self.entry else "?"
        except (AttributeError, KeyError, TypeError, ValueError):
            return "?"

    def is_empty(self, name: str | None = None) -> bool:
        """Whether a database (its own, if none is named) has nothing but what the server brought. False too for one that lets nobody in: of
        that it is not known. See FirstNormalObjectId in PostgreSQL's transam.h.
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
        objects = " UNION ALL ".join(
            ["SELECT oid FROM pg_largeobject_metadata", *("SELECT oid FROM %s WHERE oid >= 16384" % catalogue for catalogue in catalogues)]
        )
        try:
            return (
                query(dict(self.env, PGDATABASE=name or self.into), "SELECT count(*) FROM (%s) AS found" % objects, database=None) == b"0\n"
            )
        except subprocess.CalledProcessError as error:
            untrusted.tell(4, "database %s: %s" % (shown(name or self.into), reason(error)))
            return False

    def restore(self, databases: dict[str, Properties], request: dict[str, Any]) -> str:
        """Load it and put it in its place. Return what came of it."""
        return Attempt(self, databases.get(self.into), request).run()


class Attempt:
    """A database that is loaded, beside what is there or in its place, and put in its place."""

    def __init__(self, item: Item, old: Properties | None, request: dict[str, Any]) -> None:
        """`old`: what there is of this name; `request`: how it is asked for."""
        self.item, self.env, self.into, self.old = item, item.env, item.into, old
        self.over, self.partial, self.strict = (request.get(option, False) for option in ("over", "partial", "strict"))
        self.in_place: bool = request.get("in_place", False)
        self.beside, self.away = ("%s_%s" % (verb, os.urandom(8).hex()) for verb in ("restoring", "replaced"))
        # What it is called now.
        self.at = self.beside
        self.properties: dict[str, Any] = item.entry.get("properties", {})
        self.begun = time.monotonic()
        # Whether there is one; whether only its name and its rights are lacking.
        self.made = self.whole = False
        # Whether what was there is of any worth.
        self.precious = False

    def run(self) -> str:
        """Load it, then put it in its place. Return what came of it."""
        try:
            stop.go_on()
            dump = Dump(self.item.path, self.item.entry, self.env, self.item.server)
            # What is bound to its name can be made under no other; where nothing is lost by it, it is at once.
            if dump.bound() and (self.old is None or self.item.is_empty()):
                self.in_place = True
            self.load(dump)
            if dump.bound() and dump.failures and not self.in_place and (self.old is None or self.item.is_empty()):
                self.take_away()
                dump.failures, self.in_place, self.made = [], True, False
                self.load(dump)
            return self.put_in_place(dump)
        except Exception as error:  # told; the other databases come all the same
            return self.give_up(error)

    def load(self, dump: Dump) -> None:
        """Make a database and load the dump into it. OSError: not all of it was loaded, and what is there is not to go for that."""
        env = dump.make_database(self.beside)
        self.made = True
        if self.in_place:
            if self.old is not None:
                self.precious = self.is_precious()
                untrusted.tell(5, "what there is of database %s is database %s until it is restored" % (shown(self.into), self.away))
            away = None if self.old is None else self.away
            query(self.env, sql.mark(self.beside, restoring=True), *sql.swap(self.beside, self.into, away))
            self.at = self.into
        dump.load(env, self.at, strict=self.strict)
        if self.strict and dump.failures:
            raise OSError("; ".join(failure.why for failure in dump.failures))

    def is_precious(self) -> bool:
        """Whether there is something in what was there. OSError: there was not, when it began."""
        precious = self.old is not None and not self.item.is_empty()
        if precious and not self.over:
            raise OSError("Somebody has put something into it meanwhile.")
        return precious

    def put_in_place(self, dump: Dump) -> str:
        """Give it its name, unless it may not have it; see `demand`."""
        for failure in dump.failures:
            untrusted.tell(3, "database %s: not loaded: %s" % (shown(self.into), failures.told(failure)))
        if not self.over and not self.in_place:
            self.is_precious()
        self.demand(dump)
        stop.go_on()
        self.whole = True
        self.take_place(dump)
        self.take_leave()
        self.say_so(dump)
        return IN_PART if dump.failures else RESTORED

    def demand(self, dump: Dump) -> None:
        """OSError: not all of it is there, and what was there is not to go for that."""
        lacking = lost(dump)
        if not self.in_place and lacking:
            self.precious = self.is_precious()
        if lacking and self.precious and not self.partial:
            bound = " What is bound to the name of its database is loaded with --in-place." if dump.bound() and not self.in_place else ""
            raise OSError(
                "%d parts of it did not load, such as %s. With --partial the rest takes its place, with --into NAME it is loaded beside.%s"
                % (len(lacking), failures.told(lacking[0]), bound)
            )

    def take_place(self, dump: Dump) -> None:
        """Give it its owner, its rights and its name. What the server refuses of the rights is a failure each; see `demand`."""
        for privilege in sql.unknown(self.properties):
            untrusted.tell(4, "what is granted on database %s as %s is left out: it is not known" % (shown(self.into), shown(privilege)))
        owner, rights = list(sql.owner_of(self.at, self.properties)), sql.rights_of(self.at, self.properties)
        try:
            # Tried first: what is there goes on meanwhile.
            query(self.env, "BEGIN", *owner, *rights, "ROLLBACK", "SELECT 'given'", *self.placing(dump))
        except (subprocess.CalledProcessError, OSError) as error:
            if self.strict or b"given" in (getattr(error, "stdout", None) or b""):
                raise
            refusals = [*client.refused(self.env, owner, tried=True)]
            refusals += client.refused(self.env, sql.rights_of(self.at, self.properties, owned=False))
            for statement, trouble in refusals:
                failure = Failure(failures.RIGHT, failures.cut(statement), failures.cut(reason(trouble)))
                untrusted.tell(3, "database %s: left out: %s" % (shown(self.into), failures.told(failure)))
                dump.failures.append(failure)
            self.demand(dump)
            query(self.env, *self.placing(dump, given=True))

    def placing(self, dump: Dump, given: bool = False) -> Iterator[str]:
        """Statements that give it its name, and let in whom the dumped one let in, if nothing is lost that may keep others out. Else it
        stays ours, since an owner lets in whom he likes, and becomes no template, since that is copied. `given`: it has its rights already.
        """
        whole = failures.harmless(lost(dump))
        rights = list(sql.owner_of(self.into, self.properties)) if whole else []
        if not given:
            rights += sql.rights_of(self.into, self.properties, owned=whole)
        if self.in_place:
            rights.append(sql.mark(self.into, restoring=False))
        rights.append(sql.limit(self.into, self.properties.get("datconnlimit", -1) if whole else 0))
        yield from sql.swap(self.at, self.into, None if self.old is None else self.away, rights)
        if whole and self.properties.get("datistemplate"):
            # Last: a template cannot be dropped.
            yield "ALTER DATABASE %s IS_TEMPLATE true" % identifier(self.into)

    def take_leave(self) -> None:
        """Drop what was there before."""
        if self.old is None:
            return
        away = self.away
        try:
            query(self.env, "ALTER DATABASE %s IS_TEMPLATE false" % away)
            if not self.over:
                query(self.env, "ALTER DATABASE %s ALLOW_CONNECTIONS true" % away)
                if not self.item.is_empty(away):
                    untrusted.tell(4, "what somebody put into %s at the last moment is in database %s" % (shown(self.into), away))
                    return
            client.drop(self.env, away)
        except subprocess.CalledProcessError as error:
            untrusted.tell(4, "what was there before is still there, as database %s: %s" % (away, reason(error)))

    def say_so(self, dump: Dump) -> None:
        """Say what is there now, and what is not."""
        lacking = lost(dump)
        untrusted.tell(
            6,
            "database %s: restored%s%s, as it was at %s, in %.1f s"
            % (
                shown(self.into),
                "" if self.into == self.item.name else " from " + shown(self.item.name),
                " but for what is named above" if dump.failures else "",
                self.item.entry["finished"],
                time.monotonic() - self.begun,
            ),
        )
        if not failures.harmless(lacking):
            owner = "".join("%s; " % statement for statement in sql.owner_of(self.into, self.properties)).replace("\n", "\n    ")
            untrusted.tell(
                4,
                "some of that may be what keeps others out, so nobody but superusers is let in, and it is not its owner's yet. When you "
                "have looked: %s%s;%s"
                % (
                    owner,
                    sql.limit(self.into, self.properties.get("datconnlimit", -1)),
                    roles_hint(" ".join(failure.why for failure in lacking)),
                ),
            )
        for name, plugin in pairs(self.properties.get("slots")):
            call = "SELECT pg_create_logical_replication_slot(%s, %s)" % (sql.literal(name), sql.literal(plugin))
            untrusted.tell(
                4, "it had a logical slot, which is not in a dump. To make it again, in database %s: %s;" % (shown(self.into), call)
            )
        for gid in self.properties.get("prepared") or []:
            untrusted.tell(
                4,
                "a transaction was prepared, and what it did is not in the dump; who began it has to begin again: PREPARE TRANSACTION %s;"
                % sql.literal(str(gid)),
            )
        for name in dump.names(b"SUBSCRIPTION"):
            untrusted.tell(
                4,
                "subscription %s is there, and takes nothing yet. In database %s: ALTER SUBSCRIPTION %s ENABLE; ALTER SUBSCRIPTION %s "
                "REFRESH PUBLICATION;" % (shown(name), shown(self.into), identifier(name), identifier(name)),
            )

    def take_away(self) -> None:
        """Drop what was loaded, or begun; what its clients asked for may still be under way."""
        query(self.env, sql.ending(self.beside))
        client.drop(self.env, self.beside)

    def give_up(self, error: BaseException) -> str:
        """Take away what was begun, and say what is there now."""
        what = "database %s" % shown(self.into)
        if stop.STOPPED.is_set():
            error = OSError("It was stopped.")
        try:
            now = client.properties_of(self.env)
            if self.whole and not self.in_place and self.is_placed(now):
                before = "" if self.old is None else "; what was there before is database %s, and lets nobody in" % self.away
                untrusted.tell(3, "%s: restored, but not to the end%s. %s" % (what, before, reason(error)))
                return IN_PART
            if self.in_place and self.is_placed(now):
                self.undo()
            elif self.old is not None:
                self.reopen()
            self.take_away()
        except Exception as trouble:  # told, with what is left to do
            begun = "%s, which the next restore does" % self.beside if self.at == self.beside else shown(self.at) + ": drop that first"
            untrusted.tell(
                3,
                "%s was not restored, and what was begun could not be taken away: database %s. What was there "
                "is database %s if there is one of this name, and is as it was; it may have to be renamed, and opened: ALTER DATABASE … "
                "ALLOW_CONNECTIONS true. %s; %s" % (what, begun, self.away, reason(error), reason(trouble)),
            )
            return NOT
        return not_restored(what, error)

    def is_placed(self, now: dict[str, Properties]) -> bool:
        """Whether what was loaded has its name, of the databases that are there."""
        return self.made and self.beside not in now and (self.into if self.old is None else self.away) in now

    def undo(self) -> None:
        """Let what was there before have its name again, at once."""
        if self.old is None:
            closed = "ALTER DATABASE %s ALLOW_CONNECTIONS false" % identifier(self.into)
            query(self.env, closed, sql.ending(self.into), "ALTER DATABASE %s RENAME TO %s" % (identifier(self.into), self.beside))
        else:
            query(self.env, *sql.swap(self.away, self.into, self.beside))
            self.reopen()
        self.at = self.beside

    def reopen(self) -> None:
        """Let in again whom what was there before let in."""
        if self.old is not None and self.old["datallowconn"]:
            query(self.env, "ALTER DATABASE %s ALLOW_CONNECTIONS true" % identifier(self.into))


def lost(dump: Dump) -> list[Failure]:
    """What is not there of what was dumped; a setting that is refused is only told of."""
    return [failure for failure in dump.failures if failure.kind not in (failures.SETTING, failures.TABLESPACE, failures.EMPTY)]


def pairs(value: object) -> Iterator[tuple[str, str]]:
    """The pairs of texts in a value of a manifest, which should be a list of them; all else in it is left out."""
    for pair in value if isinstance(value, list) else []:
        if isinstance(pair, list) and len(pair) == 2:
            yield str(pair[0]), str(pair[1])


def not_restored(what: str, error: BaseException) -> str:
    why = reason(error)
    untrusted.tell(3, "%s was not restored; what was there is as it was. %s%s" % (what, why, roles_hint(why)))
    return NOT


def roles_hint(why: str) -> str:
    return " With --globals the roles of the dump that are missing come first." if re.search('role ".*" does not exist', why) else ""
