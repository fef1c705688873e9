# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""Prove dumps: what is loaded into a server that is thrown away, and dumped again, has to be what was dumped."""

from __future__ import annotations

import calendar
import contextlib
import os
import re
import subprocess
import tempfile
import time

from rootless_backup import untrusted
from rootless_backup.databases.base import in_either, reason, shown
from rootless_backup.databases.mariadb import definitions, dump, loading
from rootless_backup.databases.mariadb.client import Incomplete, identifier
from rootless_backup.databases.mariadb.throwaway import throwaway
from rootless_backup.records import manifest as manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless_backup.databases.mariadb.client import Server
    from rootless_backup.databases.mariadb.definitions import Definition, Line
    from rootless_backup.records.manifest import Content, Entry

    # `{(kind, name): checksum}`
    Definitions = dict[tuple[str, str], bytes]

# A file takes the place of another, such as one with triggers: it is there, but chown(2) is nothing for this sandbox.
OWNED = re.compile(r"35 \(HY000\): Warning: Can't copy ownership")
# Of a view: what it looks at is not there, or its definer may not look at it. That is of a database that is left out, or was so when it was
# dumped; tables and routines are missed by themselves.
ELSEWHERE = re.compile(r"(?:1049|1054|1142|1143|1146|1305|1356|1370|1449) ")
OLDER = (
    "an older version of this collection made these dumps, and recorded nothing to compare with: they were compared with their "
    "checksums only. The next backup records it."
)
# How long a program may be at a database of so many bytes: an owner can have it sleep.
LEAST_SECONDS, BYTES_A_SECOND = 600, 200_000


def prove() -> bool:
    """Load every dump into a server of its own, and compare with what was recorded. Return whether all is as it was."""
    try:
        manifest = manifests.read(os.path.join(os.environ["BACKUP_DUMP"], manifests.NAME))
        if "server" not in manifest:
            untrusted.tell(5, "mariadb: %s" % OLDER)
            return True
        with throwaway(manifest["server"]) as server, loading.ready(server), dump.showing(server) as shower:
            return prove_all(server, shower, manifest)
    except (subprocess.CalledProcessError, Incomplete, OSError, KeyError, TypeError, ValueError) as error:
        untrusted.tell(3, "mariadb: %s" % reason(error))
        return False


def prove_all(server: Server, shower: Server, manifest: Content) -> bool:
    """Return whether all is as it was."""
    directory = os.environ["BACKUP_DUMP"]
    # Another version may write a table otherwise.
    same = manifest["server"].get("version") == server.query("SELECT VERSION()")[0][0]
    proofs = [
        Proof(server, os.path.join(directory, name), entry)
        for name, entry in sorted(manifest["files"].items())
        if entry.get("database") is not None
    ]
    ok = loading.load_globals(server, directory, "system.sql", "mariadb: system.sql")
    before = loading.load_accounts(server, directory)
    for proof in proofs:
        proof.load()
    for kinds in definitions.STEPS:
        if kinds == ("VIEW",):
            # A view is made only if whose it is may look at what it names: by now that is there to be granted.
            loading.load_accounts(server, directory)
        for proof in proofs:
            proof.begin(kinds)
        definitions.in_rounds([proof.attempt for proof in proofs])
        for proof in proofs:
            proof.settle()
    ok = loading.load_grants(server, directory, before, "mariadb: users.sql") and ok
    for proof in proofs:
        ok = proof.compare(shower, same) and ok
    tables = [table for proof in proofs for table in proof.entry.get("tables", {}).values()]
    counts = len(proofs), len(tables), sum(table["rows"] for table in tables), "proven" if ok else "compared"
    untrusted.tell(6, "mariadb: %d databases, %d tables, %d rows %s" % counts)
    return ok


class Proof:
    """A database that is loaded, and compared with what was dumped. What goes wrong with it costs no other."""

    def __init__(self, server: Server, path: str, entry: Entry) -> None:
        self.path, self.entry, self.name = path, entry, str(entry["database"])
        self.seconds = max(LEAST_SECONDS, entry.get("size", 0) // BYTES_A_SECOND)
        self.server = server.limited(self.seconds)
        self.lines: list[tuple[Definition, Line]] = []
        self.making: definitions.Making | None = None
        self.problems: list[str] = []
        # Whether it goes on.
        self.going = True
        # Views that look at what is not there.
        self.apart: set[tuple[str, str]] = set()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """What goes wrong in here is a problem of it, and ends it."""
        try:
            yield
        except (subprocess.CalledProcessError, Incomplete, OSError, KeyError, TypeError, ValueError) as error:
            self.problems.append(reason(error))
            self.going = False

    def load(self) -> None:
        with self.at_work():
            self.lines = definitions.lines_in(self.path, self.entry)
            self.server.query(dump.create_database(self.name, self.entry.get("properties", {})))
            self.problems += loading.short(loading.load_tables(self.server, self.path, self.entry, self.name))

    def begin(self, kinds: tuple[str, ...]) -> None:
        """What is of some kinds is to be made."""
        with self.at_work():
            # An event whose time is over meanwhile would not be made.
            then = "SET timestamp = %d; " % calendar.timegm(time.strptime(self.entry["finished"], manifests.TIME))
            chosen = [line for line in self.lines if line[0]["kind"] in kinds]
            # In this sandbox, without chown(2), no file takes the place of another.
            self.making = definitions.Making(self.server, chosen, self.name, self.name, lambda line: then + definitions.made_room(line))

    def attempt(self) -> int:
        """Make of it what can be made. Return how many there are more."""
        with self.at_work():
            if self.going and self.making and self.making.pending:
                return self.making.attempt()
        return 0

    def settle(self) -> None:
        """What could not be made is a problem, unless it says nothing of the dump."""
        with self.at_work():
            if self.going and self.making:
                for (definition, _line), why in zip(self.making.pending, self.making.whys):
                    self.lacks(definition, why)

    def lacks(self, definition: Definition, why: str) -> None:
        kind, name = definition["kind"], definition["name"]
        if OWNED.match(why):
            return
        problem = "%s %s cannot be made: %s" % (kind.lower(), shown(name), why)
        if kind == "VIEW":
            self.server.query("DROP VIEW IF EXISTS %s.%s" % (identifier(self.name), identifier(name)))
        broken = bool(definition.get("broken"))
        if kind == "VIEW" and (broken or ELSEWHERE.match(why)):
            self.apart.add((kind, name))
            if not broken:
                untrusted.tell(5, "mariadb: database %s: %s" % (shown(self.name), problem))
        elif kind != definitions.PLACE:
            self.problems.append(problem)

    def compare(self, shower: Server, same: bool) -> bool:
        """Dump what was loaded, and say where it is not what was dumped; see `prove_all`. Return whether it is."""
        with self.at_work():
            if "tables" not in self.entry:
                self.problems.append("nothing was recorded of it when it was dumped, so all that is known is how much of it loads")
            elif self.going:
                with tempfile.NamedTemporaryFile(dir=".") as file:
                    again = dump.dump_database(self.server, shower.limited(self.seconds), file.name, self.name)
                    self.problems += differences(self.entry, again, same)
                    lines = definitions.lines_in(file.name, again)
                self.problems += self.others(told(self.lines), told(lines))
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


def told(lines: list[tuple[Definition, Line]]) -> Definitions:
    return {(definition["kind"], definition["name"]): line.sum for definition, line in lines if definition["kind"] != definitions.PLACE}


def differences(was: Entry, now: Entry, same: bool) -> Iterator[str]:
    """Say which tables are not what they were. `same`: they stood in a server of the same version."""
    for name, before, after in in_either(was["tables"], now["tables"]):
        if before is None or after is None:
            yield "table %s %s" % (shown(name), "is missing" if after is None else "was not there")
        elif before["rows"] != after["rows"]:
            yield "table %s has %d rows, but had %d" % (shown(name), after["rows"], before["rows"])
        elif before["checksum"] != after["checksum"]:
            yield "table %s has other contents than it had" % shown(name)
        elif same and "definition" in before and before["definition"] != after["definition"]:
            yield "table %s is made otherwise than it was: a column, a key or an option" % shown(name)
    if was["properties"] != now["properties"]:
        yield "its character set, collation or comment is another than it was"
