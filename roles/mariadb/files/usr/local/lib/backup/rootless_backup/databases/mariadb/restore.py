# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""Load what is asked for: the databases, then what looks from one into another."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from rootless_backup import untrusted
from rootless_backup.databases import stop
from rootless_backup.databases.base import reason
from rootless_backup.databases.mariadb import account, client, definitions, dump, loading
from rootless_backup.databases.mariadb.client import identifier
from rootless_backup.databases.mariadb.item import Item
from rootless_backup.databases.request import BEFORE, NOT, RESTORED, asked_twice, came_back, mark_of, note_back, refuse, say_all
from rootless_backup.records import manifest as manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless_backup.databases.mariadb.client import Server


class Lacking(Exception):
    """An account that may not do what is needed."""


def restore() -> bool:
    """Load what is asked for. Return whether all of it succeeded."""
    signal.signal(signal.SIGTERM, stop.stopping)
    with open(os.environ["BACKUP_REQUEST"], encoding="utf-8") as file:
        request = json.load(file)
    items: list[Item] = []
    try:
        manifest = manifests.read(os.path.join(os.environ["BACKUP_DUMP"], manifests.NAME))
        with client.connected() as server:
            demand_all(server)
            tell_of_versions(str(manifest.get("server", {}).get("version", "")), server)
            items += [Item(server, choice, manifest["files"], mark_of(choice["file"], request)) for choice in request["items"]]
            if asked_twice(items):
                return False
            clear(server)
            back = [item for item in items if came_back(item.file, request) and not item.is_empty()]
            for item in back:
                item.result = BEFORE
                item.unmark()
            refused = [item for item in items if item not in back and refuse(item.problems(request["over"]))]
            # Of all that there is, the others do not wait for that.
            if refused and not request.get("all"):
                return False
            with loading.ready(server):
                ok = load_all(server, [item for item in items if item not in refused and item not in back], request)
    except (subprocess.CalledProcessError, OSError, KeyError, ValueError, Lacking) as error:
        untrusted.tell(3, "The restore ended; what was not said to be restored is as it was. %s" % reason(error))
        for item in items:
            item.tell_of_mark()
        return False
    if request.get("all"):
        say_all([(item, item.seconds, item.result) for item in items])
    return ok and all(item.result in (RESTORED, BEFORE) for item in items)


def load_all(server: Server, items: list[Item], request: dict[str, Any]) -> bool:
    """Load plugins and the like, databases, what looks from one into another, and grants, which name tables. Return whether all that is
    of no database went.
    """
    directory, ok = os.environ["BACKUP_DUMP"], True
    before: list[str] = []
    if request["globals"]:
        ok = loading.load_globals(server, directory, "system.sql", "globals")
        # As whom a view looks has to be there when another looks into it. What lacks its table yet is told of at the end.
        before = loading.load_accounts(server, directory)
    for item in items:
        item.restore(request)
    for kinds in definitions.STEPS[1:]:
        if request["globals"] and kinds == ("VIEW",):
            # A view is made only if whose it is may look at what it names: by now that is there to be granted.
            loading.load_accounts(server, directory)
        make(items, kinds)
    for item in items:
        item.tell_of_events()
    for item in items:
        item.end(request.get("strict", False))
        if item.result == RESTORED:
            note_back(item.file, request)
        item.unmark()
        item.tell_of_mark()
    if request["globals"]:
        ok = loading.load_grants(server, directory, before, "globals") and ok
    return ok


def make(items: list[Item], kinds: tuple[str, ...]) -> None:
    """Make what may look into other databases, of all that are there."""
    loaded = [item for item in items if item.result != NOT]
    for item in loaded:
        item.begin(item.into, kinds)
    definitions.in_rounds([item.attempted for item in loaded])
    for item in loaded:
        item.settled()


def demand_all(server: Server) -> None:
    """Lacking: the account may not do what a restore needs."""
    held = " ".join(row[0] for row in server.query("SHOW GRANTS"))
    if "GRANT ALL PRIVILEGES ON *.* TO" not in held or "WITH GRANT OPTION" not in held:
        raise Lacking(
            "The account %s may not do all that a restore needs. Give it, for as long as that takes, as root: GRANT ALL ON *.* TO this "
            "account WITH GRANT OPTION." % server.query("SELECT CURRENT_USER()")[0][0]
        )


def tell_of_versions(dumped: str, server: Server) -> None:
    """Warn of a server that is older than the one that was dumped."""
    here = server.query("SELECT VERSION()")[0][0]
    numbers = [[int(part) for part in version.split("-")[0].split(".")[:2] if part.isdecimal()] for version in (dumped, here)]
    if numbers[0] > numbers[1]:
        untrusted.tell(
            4, "The dump is of MariaDB %s, and this server is older, %s: what it does not know does not come back." % (dumped, here)
        )


def clear(server: Server) -> None:
    """Take away what a restore that was killed had begun, and set the server as it was then; only one is at work at a time."""
    account.clear(server, account.RESTORE)
    for name, comment in dump.commented(server):
        if not dump.BEGUN.fullmatch(name):
            continue
        if comment == dump.WHOLE:
            untrusted.tell(4, "database %s was loaded and never took its place: take from it what you need, and drop it." % name)
            continue
        before = loading.noted(comment)
        if before:
            server.query(loading.setting(before))
        server.query("SET foreign_key_checks = 0; DROP DATABASE %s" % identifier(name))
