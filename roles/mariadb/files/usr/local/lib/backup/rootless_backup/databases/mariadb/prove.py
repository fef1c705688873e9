# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""Prove dumps: what is loaded into a server that is thrown away, and dumped again, has to be what was dumped."""

from __future__ import annotations

import calendar
import os
import re
import subprocess
import tempfile
import time

from rootless_backup import untrusted
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.mariadb import definitions, dump, loading
from rootless_backup.databases.mariadb.client import Incomplete, identifier
from rootless_backup.databases.mariadb.throwaway import throwaway
from rootless_backup.records import manifest as manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless_backup.databases.mariadb.client import Server
    from rootless_backup.databases.mariadb.definitions import Definition
    from rootless_backup.records.manifest import Entry

    # `{(kind, name): line}`
    Definitions = dict[tuple[str, str], str]

# What needs nothing of another database comes first, then what others look into, and so on.
STEPS = ((*definitions.ROUTINES, "TRIGGER"), (definitions.PLACE,), ("VIEW",), ("EVENT",))
# A file takes the place of another, such as one with triggers: it is there, but chown(2) is nothing for this sandbox.
OWNED = re.compile(r"35 \(HY000\): Warning: Can't copy ownership")
# Of a view: what it looks at is not there. That is of a database that is left out; the tables of the others are missed by themselves.
ELSEWHERE = re.compile(r"(?:1049|1142|1146|1356) ")


def prove() -> bool:
    """Load every dump into a server of its own, and compare with what was recorded. Return whether all is as it was."""
    directory = os.environ["BACKUP_DUMP"]
    try:
        files = manifests.read(os.path.join(directory, manifests.NAME))["files"]
        proofs = [Proof(os.path.join(directory, name), entry) for name, entry in sorted(files.items()) if entry["database"] is not None]
        with throwaway() as server, loading.ready(server):
            ok = loading.load_globals(server, directory, "system.sql", "mariadb: system.sql")
            before = loading.load_accounts(server, directory)
            for proof in proofs:
                proof.load(server)
            for kinds in STEPS:
                for proof in proofs:
                    proof.define(server, kinds)
            ok = loading.load_grants(server, directory, before, "mariadb: users.sql") and ok
            for proof in proofs:
                ok = proof.compare(server) and ok
    except (subprocess.CalledProcessError, Incomplete, OSError, KeyError, TypeError, ValueError) as error:
        untrusted.tell(3, "mariadb: %s" % reason(error))
        return False
    tables = [table for proof in proofs for table in proof.entry.get("tables", {}).values()]
    said = len(proofs), len(tables), sum(table["rows"] for table in tables), "proven" if ok else "compared"
    untrusted.tell(6, "mariadb: %d databases, %d tables, %d rows %s" % said)
    return ok


class Proof:
    """A database that is loaded, and compared with what was dumped."""

    def __init__(self, path: str, entry: Entry) -> None:
        self.path, self.entry, self.name = path, entry, str(entry["database"])
        self.lines = definitions.lines_in(path, entry)
        self.problems: list[str] = []
        # Views that look at what is not there.
        self.apart: set[tuple[str, str]] = set()

    def load(self, server: Server) -> None:
        server.query(dump.create_database(self.name, self.entry.get("properties", {})))
        self.problems += loading.short(loading.load_tables(server, self.path, self.entry, self.name))

    def define(self, server: Server, kinds: tuple[str, ...]) -> None:
        # An event whose time is over meanwhile would not be made.
        then = "SET timestamp = %d; " % calendar.timegm(time.strptime(self.entry["finished"], manifests.TIME))
        chosen = [(each, then + self.made_room(each) + line) for each, line in self.lines if each["kind"] in kinds]
        for definition, why in definitions.make(server, chosen, self.name, elsewhere=False):
            self.lacks(server, definition, why)

    def made_room(self, definition: Definition) -> str:
        """A statement that takes the place of a view away: in this sandbox, without chown(2), no file takes that of another."""
        drop = "DROP VIEW IF EXISTS %s" % identifier(definition["name"])
        return definitions.line(drop.encode()) + " " if definition["kind"] == "VIEW" else ""

    def lacks(self, server: Server, definition: Definition, why: str) -> None:
        kind, name = definition["kind"], definition["name"]
        if OWNED.match(why):
            return
        said = "%s %s cannot be made: %s" % (kind.lower(), shown(name), why)
        if kind == "VIEW":
            server.query("DROP VIEW IF EXISTS %s.%s" % (identifier(self.name), identifier(name)))
        if kind == "VIEW" and ELSEWHERE.match(why):
            self.apart.add((kind, name))
            if not definition.get("broken"):
                untrusted.tell(5, "mariadb: database %s: %s" % (shown(self.name), said))
        elif kind != definitions.PLACE:
            self.problems.append(said)

    def compare(self, server: Server) -> bool:
        """Dump what was loaded, and say where it is not what was dumped. Return whether it is."""
        if "tables" in self.entry:
            with tempfile.NamedTemporaryFile(dir=".") as file:
                again = dump.dump_database(server, file.name, self.name)
                self.problems += differences(self.entry, again)
                lines = definitions.lines_in(file.name, again)
            self.problems += self.others(told(self.lines), told(lines))
        else:
            self.problems.append("nothing was recorded of it when it was dumped, so all that is known is how much of it loads")
        for problem in self.problems:
            untrusted.tell(3, "mariadb: database %s: %s" % (shown(self.name), problem))
        return not self.problems

    def others(self, was: Definitions, now: Definitions) -> Iterator[str]:
        """Say which objects are not what they were. Of a view, which the server writes anew, it is asked whether it is there."""
        for kind, name in sorted({*was, *now} - self.apart):
            before, after = was.get((kind, name)), now.get((kind, name))
            what = "%s %s" % (kind.lower(), shown(name))
            if before is None or after is None:
                yield "%s %s" % (what, "is missing" if after is None else "was not there")
            elif kind != "VIEW" and before != after:
                yield "%s is another than it was" % what


def told(lines: list[tuple[Definition, str]]) -> Definitions:
    return {(each["kind"], each["name"]): line for each, line in lines if each["kind"] != definitions.PLACE}


def differences(was: Entry, now: Entry) -> Iterator[str]:
    """Say which tables are not what they were."""
    for name in sorted({*was["tables"], *now["tables"]}):
        before, after = was["tables"].get(name), now["tables"].get(name)
        if before is None or after is None:
            yield "table %s %s" % (shown(name), "is missing" if after is None else "was not there")
        elif before["rows"] != after["rows"]:
            yield "table %s has %d rows, but had %d" % (shown(name), after["rows"], before["rows"])
        elif before["checksum"] != after["checksum"]:
            yield "table %s has other contents than it had" % shown(name)
    if was["properties"] != now["properties"]:
        yield "its character set, collation or comment is another than it was"
