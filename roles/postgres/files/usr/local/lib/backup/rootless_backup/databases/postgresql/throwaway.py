# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Servers that dumps are proven with, and that are thrown away."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import subprocess
import tempfile
import time

from rootless_backup.databases.postgresql import client, servers
from rootless_backup.databases.postgresql.client import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The superuser that a server of Debian has.
USUAL = "postgres"


def prepare() -> bool:
    """Make an empty server of each version that is installed, in the working directory. Return True."""
    made = set()
    for initdb in glob.glob(servers.programs_of("*") + "initdb"):
        name = prepared_name(os.path.dirname(initdb) + "/")
        made.add(name)
        if not os.path.isdir(name):
            # Who reads it is the same user.
            new = os.path.abspath(name + ".new")
            shutil.rmtree(new, ignore_errors=True)
            initialise(os.path.dirname(initdb) + "/", new, USUAL)
            os.rename(new, name)
    for name in set(os.listdir()) - made:
        shutil.rmtree(name)
    return True


def prepared_name(programs: str) -> str:
    """What an empty server made by these programs is called: another minor version makes another one."""
    return hashlib.sha256(output([programs + "initdb", "--version"])).hexdigest()[:16]


def initialise(programs: str, directory: str, user: str) -> None:
    """Make an empty server."""
    output(
        [
            programs + "initdb",
            "--pgdata",
            directory,
            "--username=" + user,
            "--auth=trust",
            "--no-sync",
            "--no-instructions",
            "--encoding=UTF8",
            "--locale=C",
        ]
    )


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
        }
        user = self.server.get("superuser", USUAL)
        prepared = os.path.join(os.environ.get("BACKUP_PREPARED", ""), prepared_name(programs))
        if user == USUAL and os.path.isdir(prepared):
            output(["cp", "--recursive", "--reflink=auto", "--", prepared, top + "/data"])
        else:
            initialise(programs, top + "/data", user)
        self.log = open(top + "/log", "wb+")
        command = [programs + "postgres", "-D", top + "/data", *(a for setting in settings.items() for a in ("-c", "%s=%s" % setting))]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        env = dict(
            os.environ,
            PGHOST=top,
            PGPORT="5432",
            PGUSER=user,
            PGAPPNAME="backup-drill",
            PGOPTIONS=client.OPTIONS,
            **servers.preferring(programs),
        )
        deadline = time.monotonic() + 60
        while subprocess.run([programs + "pg_isready", "--quiet"], env=env, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                said = self.log.read().decode(errors="backslashreplace")
                self.__exit__()
                raise OSError("the server that is to prove it does not start: %s" % said[-1000:])
            time.sleep(0.05)
        return env

    def __exit__(self, *_: object) -> None:
        # SIGQUIT: at once, without writing anything. See postgres(1).
        if self.process.poll() is None:
            self.process.send_signal(3)
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
