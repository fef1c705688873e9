# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""Load what is asked for from a dump."""

from __future__ import annotations

import json
import os
import subprocess
import time

from rootless_backup import untrusted
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.mariadb import client, dump, loading
from rootless_backup.databases.mariadb.client import Server, hexed, identifier, literal, named
from rootless_backup.records import manifest as manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless_backup.restore.dumps import Choice

BESIDE = "restoring_"


def restore() -> bool:
    """Load what is asked for. Return whether all of it succeeded."""
    with open(os.environ["BACKUP_REQUEST"], encoding="utf-8") as file:
        request = json.load(file)
    directory = os.environ["BACKUP_DUMP"]
    try:
        manifest = manifests.read(os.path.join(directory, manifests.NAME))
        with client.connected() as server:
            demand_all(server)
            tell_of_versions(manifest.get("server", {}).get("version"), server.version())
            socket = client.settings()["socket"]
            items = [Item(server, socket, each, manifest["files"]) for each in request["items"]]
            refused = [problem for problem in (item.problem(request["over"]) for item in items) if problem]
            names = [item.into for item in items]
            refused += [
                "%s is asked for more than once" % shown(name) for name in sorted({name for name in names if names.count(name) > 1})
            ]
            for problem in refused:
                untrusted.tell(3, problem)
            if refused:
                return False
            with loading.ready(server):
                return load_all(server, directory, items, request)
    except (subprocess.CalledProcessError, OSError, KeyError, ValueError, client.Lacking) as error:
        untrusted.tell(3, "The restore ended; what was not said to be restored is as it was. %s" % reason(error))
        return False


def load_all(server: Server, directory: str, items: list[Item], request: dict[str, Any]) -> bool:
    """Load plugins and the like, databases, then views, which look into databases, and accounts, whose grants name tables. Return whether
    all of it went.
    """
    ok = True
    if request["globals"] and os.path.exists(os.path.join(directory, "system.sql")):
        ok = loading.load_whole(server, os.path.join(directory, "system.sql"), "globals")
    clear(server)
    done = [item for item in items if item.restore(request["over"])]
    for item in done:
        item.ok = loading.load_views(server, item.path, item.entry, item.into) and item.ok
        item.tell()
    if request["globals"] and os.path.exists(os.path.join(directory, "users.sql")):
        ok = loading.load_whole(server, os.path.join(directory, "users.sql"), "globals") and ok
    return ok and len(done) == len(items) and all(item.ok for item in items)


def demand_all(server: Server) -> None:
    """Lacking: the account may not do what a restore needs."""
    held = " ".join(row[0] for row in server.query("SHOW GRANTS"))
    if not held.startswith("GRANT ALL PRIVILEGES ON *.* TO") or "WITH GRANT OPTION" not in held:
        raise client.Lacking(
            "The account %s may not do all that a restore needs. Give it, for as long as that takes: GRANT ALL ON *.* TO this account WITH "
            "GRANT OPTION." % server.query("SELECT CURRENT_USER()")[0][0]
        )


def tell_of_versions(dumped: object, here: str) -> None:
    """Warn of a server that is older than the one that was dumped."""
    numbers = [[int(each) for each in str(version).split("-")[0].split(".")[:2] if each.isdigit()] for version in (dumped, here)]
    if dumped is not None and numbers[0] > numbers[1]:
        untrusted.tell(
            4, "The dump is of MariaDB %s, and this server is older, %s: what it does not know does not come back." % (dumped, here)
        )


def clear(server: Server) -> None:
    """Take away what a restore that was killed had begun; only one is at work at a time."""
    for row in server.query("SELECT %s FROM information_schema.SCHEMATA" % hexed("SCHEMA_NAME")):
        name = named(row[0])
        if name.startswith(BESIDE) and len(name) == len(BESIDE) + 16:
            server.query("SET foreign_key_checks = 0; DROP DATABASE %s" % identifier(name))


class Item:
    """A database to restore: `file` below $BACKUP_DUMP, as the database `into`."""

    def __init__(self, server: Server, socket: str, asked: Choice, files: dict[str, manifests.Entry]) -> None:
        self.server, self.socket = server, socket
        self.path = os.path.join(os.environ["BACKUP_DUMP"], asked["file"])
        self.entry = files[asked["file"]]
        self.name, self.into = asked["name"], asked["into"]
        self.properties = self.entry.get("properties", {})
        self.begun = time.monotonic()
        self.ok = False

    def problem(self, over: bool) -> str | None:
        """What stands in the way, for people."""
        if self.into in dump.SYSTEM or self.into.startswith(BESIDE) or not 1 <= len(self.into) <= 64:
            return "%s is no name for a database that is restored; choose another (--into NAME)." % shown(self.into)
        if not over and not self.is_empty():
            return (
                "there is a database %s already, and it is not empty. Restore under another name (--into NAME), or in its place (--over)."
                % (shown(self.into))
            )
        return None

    def is_empty(self) -> bool:
        there = " UNION ALL ".join(
            "SELECT 1 FROM information_schema.%s WHERE %s_SCHEMA = %s" % (table, column, literal(self.into))
            for table, column in (("TABLES", "TABLE"), ("ROUTINES", "ROUTINE"), ("EVENTS", "EVENT"))
        )
        return not self.server.query(there)

    def restore(self, over: bool) -> bool:
        """Load all but its views, which come behind those of all. Return whether it is there."""
        self.begun = time.monotonic()
        try:
            if not self.is_empty():
                if not over:
                    raise OSError("Somebody has put something into it meanwhile.")
                self.ok = self.replace()
                return self.ok
            self.server.query("DROP DATABASE IF EXISTS %s; %s" % (identifier(self.into), dump.create_database(self.into, self.properties)))
            self.ok = loading.load(self.server, self.socket, self.path, self.entry, self.into)
            if self.into != self.name:
                events = loading.disable_events(self.server, self.into)
                if events:
                    untrusted.tell(
                        4,
                        "%s: its events are switched off, since those of %s may run: %s"
                        % (shown(self.into), shown(self.name), ", ".join(map(shown, events))),
                    )
            return True
        except (subprocess.CalledProcessError, OSError) as error:
            untrusted.tell(3, "database %s was not restored to its end. %s" % (shown(self.into), reason(error)))
            return False

    def replace(self) -> bool:
        """Load it beside what is there, which goes only when all of it is. Return whether that succeeded."""
        server, beside = self.server, BESIDE + os.urandom(8).hex()
        server.query(dump.create_database(beside, self.properties))
        if not loading.load(server, self.socket, self.path, self.entry, beside):
            server.query("SET foreign_key_checks = 0; DROP DATABASE %s" % identifier(beside))
            untrusted.tell(3, "database %s was not restored; what was there is as it was." % shown(self.into))
            return False
        moves = []
        where = "WHERE TABLE_SCHEMA = %s AND TABLE_TYPE <> 'VIEW'" % literal(beside)
        for row in server.query("SELECT %s FROM information_schema.TABLES %s" % (hexed("TABLE_NAME"), where)):
            table = identifier(named(row[0]))
            moves.append("%s.%s TO %s.%s" % (identifier(beside), table, identifier(self.into), table))
        # A table with a trigger stays where it is.
        drops = [
            "DROP TRIGGER %s.%s" % (identifier(beside), identifier(named(row[0])))
            for row in server.query(
                "SELECT %s FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s" % (hexed("TRIGGER_NAME"), literal(beside))
            )
        ]
        try:
            server.query(
                ";\n".join(
                    [
                        "SET foreign_key_checks = 0",
                        *drops,
                        "DROP DATABASE " + identifier(self.into),
                        dump.create_database(self.into, self.properties),
                        *(["RENAME TABLE " + ", ".join(moves)] if moves else []),
                        "DROP DATABASE " + identifier(beside),
                    ]
                )
            )
        except subprocess.CalledProcessError as error:
            untrusted.tell(
                3, "database %s: what was restored is database %s, until it is moved: %s" % (shown(self.into), beside, reason(error))
            )
            return False
        return loading.load_definitions(server, self.socket, self.path, self.entry, self.into)

    def tell(self) -> None:
        untrusted.tell(
            6 if self.ok else 3,
            "database %s: %s%s, as it was at %s, in %.1f s"
            % (
                shown(self.into),
                "restored" if self.ok else "restored but for what is named",
                "" if self.into == self.name else " from " + shown(self.name),
                self.entry["finished"],
                time.monotonic() - self.begun,
            ),
        )
