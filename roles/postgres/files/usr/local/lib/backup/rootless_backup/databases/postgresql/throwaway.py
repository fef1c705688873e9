# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Servers that dumps are proven with, and that are thrown away."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time

from rootless_backup import untrusted
from rootless_backup.databases.base import reason
from rootless_backup.databases.postgresql import client, servers
from rootless_backup.databases.postgresql.client import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The superuser that a server of Debian has.
USUAL = "postgres"
# Since this version all minor ones can make a tablespace in their own directory.
IN_PLACE = 15
INITDB = ("--auth=trust", "--no-instructions", "--encoding=UTF8", "--locale=C")


def prepare() -> bool:
    """Make an empty server of each version that is installed, in the working directory. Return whether all could be made."""
    directories = [os.path.dirname(path) + "/" for path in sorted(glob.glob(servers.programs_of("*") + "initdb"))]
    made = [prepare_one(programs) for programs in directories]
    for name in set(os.listdir()) - set(made):
        shutil.rmtree(name)
    return None not in made


def prepare_one(programs: str) -> str | None:
    """Make an empty server. Return its name, None: it could not be made."""
    new = os.path.abspath("new")
    try:
        name = prepared_name(programs)
        if not os.path.isdir(name):
            shutil.rmtree(new, ignore_errors=True)
            # Synced, unlike those that are thrown away: it stays, whatever becomes of the machine.
            initialise(programs, new, USUAL)
            os.rename(new, name)
        return name
    except (subprocess.CalledProcessError, OSError) as error:
        untrusted.tell(4, "an empty server of %s could not be prepared, so each proof makes its own: %s" % (programs, reason(error)))
        return None


def prepared_name(programs: str) -> str:
    """What an empty server made by these programs is called: another minor version, or another way to make it, makes another one."""
    return hashlib.sha256(output([programs + "initdb", "--version"]) + " ".join(INITDB).encode()).hexdigest()[:16]


def initialise(programs: str, directory: str, user: str, *more: str) -> None:
    """Make an empty server."""
    output([programs + "initdb", "--pgdata", directory, "--username=" + user, *INITDB, *more])


class Throwaway:
    """A server below the working directory, which nobody else reaches, and which is gone at the end. Gives the clients' environment."""

    def __init__(self, server: dict[str, Any]) -> None:
        self.server = server
        # The name of a socket may have 107 bytes.
        self.directory = tempfile.mkdtemp(prefix="pg", dir=".")
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> dict[str, str]:
        programs = servers.programs_of(self.server["version"])
        if not os.path.exists(programs):
            raise OSError(
                "the dump is of PostgreSQL %d, of which there are no programs in %s to prove it with" % (self.server["version"], programs)
            )
        top = os.path.abspath(self.directory)
        # What needs no waiting for a disk: it is thrown away.
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": top,
            "shared_preload_libraries": self.server["shared_preload_libraries"],
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "autovacuum": "off",
            "jit": "off",
            "logging_collector": "off",
            "max_locks_per_transaction": "1024",
            "max_parallel_maintenance_workers": "0",
            # A tablespace lies in the server's own directory.
            **({"allow_in_place_tablespaces": "on"} if self.server["version"] >= IN_PLACE else {}),
            **self.zone(),
        }
        user = self.server.get("superuser", USUAL)
        env = dict(
            os.environ,
            PGHOST=top,
            PGPORT="5432",
            PGUSER=user,
            PGAPPNAME="backup-drill",
            PGOPTIONS=client.options(self.server["version"]),
            **servers.preferring(programs),
        )
        command = [
            programs + "postgres",
            "-D",
            top + "/data",
            *(argument for setting in settings.items() for argument in ("-c", "%s=%s" % setting)),
        ]
        prepared = os.path.join(os.environ.get("BACKUP_PREPARED", ""), prepared_name(programs))
        if user == USUAL and os.path.isdir(prepared):
            output(["cp", "--recursive", "--reflink=auto", "--", prepared, top + "/data"])
            if self.start(command, env) is None:
                return env
            # Whatever became of it, the dump is proven.
            shutil.rmtree(top + "/data")
        initialise(programs, top + "/data", user, "--no-sync")
        trouble = self.start(command, env)
        if trouble is not None:
            self.remove()
            raise OSError("the server that is to prove it does not start: %s" % trouble[-1000:])
        return env

    def zone(self) -> dict[str, str]:
        """The setting of the time zone of the server that was dumped, if this machine knows it: what is set for a database comes before."""
        name = self.server.get("timezone")
        known = isinstance(name, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*", name)
        return {"TimeZone": str(name)} if known and os.path.isfile("/usr/share/zoneinfo/%s" % name) else {}

    def start(self, command: list[str], env: dict[str, str]) -> str | None:
        """Start the server. Return what it says if it does not, else None."""
        with open(os.path.join(self.directory, "log"), "wb+") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            ready = [os.path.join(os.path.dirname(command[0]), "pg_isready"), "--quiet"]
            deadline = time.monotonic() + 60
            while subprocess.run(ready, env=env, stdout=subprocess.DEVNULL, check=False).returncode != 0:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.end()
                    log.seek(0)
                    return log.read().decode(errors="backslashreplace")
                time.sleep(0.05)
        return None

    def __exit__(self, *_: object) -> None:
        self.end()
        self.remove()

    def end(self) -> None:
        # SIGQUIT: at once, without writing anything. See postgres(1).
        if self.process.poll() is None:
            self.process.send_signal(3)
        self.process.wait()

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
