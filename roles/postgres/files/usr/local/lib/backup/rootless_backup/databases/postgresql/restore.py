# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Load what is asked for, each database beside what is there."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import signal
import subprocess
import time

from rootless_backup import untrusted
from rootless_backup.databases import stop
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.postgresql import client, loading, roles, servers, sql
from rootless_backup.databases.postgresql.client import query
from rootless_backup.databases.postgresql.item import Item
from rootless_backup.databases.request import BEFORE, NOT, RESTORED, asked_twice, came_back, note_back, refuse, say_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless_backup.databases.postgresql.client import Properties


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
        if asked_twice(items):
            return False
        clusters = {item.address: item.env for item in items}
        databases = {address: clear(env) for address, env in clusters.items()}
        back = [item for item in items if came_back(item.file, request) and item.into in databases[item.address] and not item.is_empty()]
        refused = [item for item in items if item not in back and refuse(item.problems(databases[item.address], request["over"]))]
        # Where all databases are asked for, those that are not refused are restored all the same.
        if refused and not request.get("all"):
            return False
        ok = not templates and not refused
        for item in items:
            lacking = loading.missing_locale(item.entry.get("properties", {}))
            if lacking is not None:
                untrusted.tell(
                    4,
                    "database %s was made with locale %s, which this machine does not have: dpkg-reconfigure locales, then systemctl "
                    "restart postgresql, then restore again" % (shown(item.into), shown(lacking)),
                )
        if request["globals"]:
            ok = load_globals() and ok
    except (subprocess.CalledProcessError, OSError, KeyError, ValueError) as error:
        untrusted.tell(3, "Nothing was restored. %s" % reason(error))
        return False
    known = {**dict.fromkeys(refused, NOT), **dict.fromkeys(back, BEFORE)}
    results = [(item, *timed(item, databases[item.address], request, known.get(item))) for item in items]
    if request.get("all"):
        say_all(results)
    return ok and all(result in (RESTORED, BEFORE) for _item, _seconds, result in results)


def load_globals() -> bool:
    """Bring back the roles and tablespaces of each cluster. Return whether all of them came; what did not is told."""
    done = []
    for path in sorted(glob.glob(os.path.join(glob.escape(os.environ["BACKUP_DUMP"]), "*", "globals.sql"))):
        done.append(roles.load_globals(servers.connection(servers.target(path.split("/")[-2])), path))
    return all(done)


def timed(item: Item, databases: dict[str, Properties], request: dict[str, Any], known: str | None) -> tuple[float, str]:
    """Restore a database, unless it is `known` what came of it. Return how many seconds it took, and what came of it."""
    begun = time.monotonic()
    result = known or (NOT if stop.STOPPED.is_set() else item.restore(databases, request))
    if result == RESTORED:
        note_back(item.file, request)
    return time.monotonic() - begun, result


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


def clear(env: dict[str, str]) -> dict[str, Properties]:
    """Take away what a restore that was killed had begun; only one is at work at a time. Return the databases that are there,
    as `properties_of` does.
    """
    databases = client.properties_of(env)
    for name in databases:
        if sql.LOADED.fullmatch(name) and databases[name]["datconnlimit"] == 0:
            try:
                query(env, sql.ending(name))
                client.drop(env, name)
            except (subprocess.CalledProcessError, OSError) as error:
                untrusted.tell(4, "what a restore that was killed had begun is still there, as database %s: %s" % (name, reason(error)))
        elif sql.REPLACED.fullmatch(name):
            untrusted.tell(
                4,
                "%s was there before a restore: drop it when what took its place is whole. To have it back: ALTER DATABASE %s RENAME TO …, "
                "ALLOW_CONNECTIONS true" % (name, name),
            )
    return databases
