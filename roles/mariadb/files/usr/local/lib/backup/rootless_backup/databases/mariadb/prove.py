# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""Prove dumps: what is loaded into a server that is thrown away, and dumped again, has to be what was dumped."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from rootless_backup import untrusted
from rootless_backup.databases.base import reason, shown
from rootless_backup.databases.mariadb import client, dump, loading
from rootless_backup.databases.mariadb.client import Server
from rootless_backup.records import manifest as manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless_backup.records.manifest import Entry

# Nothing of the machine's own settings, and what needs no waiting for a disk.
SETTINGS = (
    "--skip-networking",
    "--event-scheduler=OFF",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-use-native-aio=0",
    "--max-allowed-packet=1G",
    "--skip-log-bin",
)
LONGEST_START = 120


def prove() -> bool:
    """Load every dump into a server of its own, and compare with what was recorded. Return whether all is as it was."""
    directory = os.environ["BACKUP_DUMP"]
    tables = rows = 0
    try:
        files = manifests.read(os.path.join(directory, manifests.NAME))["files"]
        databases = {name: entry for name, entry in sorted(files.items()) if entry["database"] is not None}
        with throwaway() as (server, socket), loading.ready(server):
            # What it is that others need comes first, and views, which look into others, last.
            ok = "system.sql" not in files or loading.load_whole(server, os.path.join(directory, "system.sql"), "mariadb: system.sql")
            for name, entry in databases.items():
                ok = load(server, socket, os.path.join(directory, name), entry) and ok
            for name, entry in databases.items():
                ok = loading.load_views(server, os.path.join(directory, name), entry, entry["database"]) and ok
            # A view cannot be read while there is nobody as whom it looks.
            if "users.sql" in files:
                ok = loading.load_whole(server, os.path.join(directory, "users.sql"), "mariadb: users.sql") and ok
            for entry in databases.values():
                ok = compare(server, entry) and ok
                tables += len(entry.get("tables", {}))
                rows += sum(each["rows"] for each in entry.get("tables", {}).values())
    except (subprocess.CalledProcessError, OSError, KeyError, ValueError, TypeError) as error:
        untrusted.tell(3, "mariadb: %s" % reason(error))
        return False
    untrusted.tell(6, "mariadb: %d databases, %d tables, %d rows %s" % (len(databases), tables, rows, "proven" if ok else "compared"))
    return ok


def load(server: Server, socket: str, path: str, entry: Entry) -> bool:
    """Load a dump into a database of its name. Return whether all of it went."""
    server.query(dump.create_database(entry["database"], entry.get("properties", {})))
    return loading.load(server, socket, path, entry, entry["database"])


def compare(server: Server, entry: Entry) -> bool:
    """Dump what was loaded, and say where it is not what was recorded. Return whether it is."""
    name = entry["database"]
    problems = []
    with tempfile.NamedTemporaryFile(dir=".") as file:
        again = dump.dump_database(server, file.name, name, LONGEST_START)
    if "tables" not in entry:
        problems = ["nothing was recorded of it when it was dumped, so all that is known is that it loads"]
    else:
        for table in sorted({*entry["tables"], *again["tables"]}):
            was, now = entry["tables"].get(table), again["tables"].get(table)
            if was is None or now is None:
                problems.append("table %s %s" % (shown(table), "is missing" if now is None else "was not there"))
            elif was["rows"] != now["rows"]:
                problems.append("table %s has %d rows, but had %d" % (shown(table), now["rows"], was["rows"]))
            elif was != now:
                problems.append("table %s has other contents than it had" % shown(table))
    for kind, number in entry.get("objects", {}).items():
        if again["objects"].get(kind) != number:
            problems.append("there are %s %s, but there were %s" % (again["objects"].get(kind), kind, number))
    for problem in problems:
        untrusted.tell(3, "mariadb: database %s: %s" % (shown(name), problem))
    return not problems


@contextlib.contextmanager
def throwaway() -> Iterator[tuple[Server, str]]:
    """A server below the working directory, which nobody else reaches, and which is gone at the end; and its socket."""
    # The name of a socket may have 107 bytes.
    top = os.path.abspath(tempfile.mkdtemp(prefix="m", dir="."))
    data, socket = top + "/data", top + "/s"
    try:
        install = ["mariadb-install-db", "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal"]
        subprocess.run([*install, "--skip-test-db", "--skip-name-resolve"], stdin=subprocess.DEVNULL, capture_output=True, check=True)
        with open(top + "/log", "wb+") as log:
            place = [
                "--datadir=" + data,
                "--socket=" + socket,
                "--pid-file=" + top + "/pid",
                "--tmpdir=" + top,
                "--secure-file-priv=" + top,
            ]
            command = ["mariadbd", "--no-defaults", *place, *SETTINGS]
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
                try:
                    with Server.of(client.client_options("root", socket, None)) as server:
                        if not answers(server, process):
                            log.seek(0)
                            raise OSError("the server that is to prove it does not start: %s" % log.read().decode(errors="replace")[-1000:])
                        yield server, socket
                finally:
                    process.kill()
    finally:
        shutil.rmtree(top, ignore_errors=True)


def answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    """Wait until it answers. Return whether it does."""
    deadline = time.monotonic() + LONGEST_START
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.CalledProcessError):
            server.version()
            return True
        time.sleep(0.05)
    return False
