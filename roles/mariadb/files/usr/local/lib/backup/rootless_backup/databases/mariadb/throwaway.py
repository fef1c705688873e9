# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""A server that dumps are proven with, and that is thrown away."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from rootless_backup.databases.mariadb.client import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Nothing of the machine's own settings, and what needs no waiting for a disk. No event of an owner runs in it.
SETTINGS = (
    "--skip-networking",
    "--event-scheduler=OFF",
    "--local-infile=0",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-use-native-aio=0",
    "--max-allowed-packet=1G",
    "--skip-log-bin",
)
# What a server that was dumped was set to, and has to be here too: the names of tables, and rows, that another cannot take.
AS_DUMPED = {"lower_case_table_names": (0, 1), "innodb_page_size": (4096, 8192, 16384, 32768, 65536)}
# Tables that are encrypted are so with a key of any number up to this one.
KEYS = 255
RIGHTS = ("GRANT ALL ON *.* TO %s WITH GRANT OPTION", "GRANT PROXY ON ''@'%%' TO %s WITH GRANT OPTION")
# Seconds until it answers.
LONGEST_START = 120


@contextlib.contextmanager
def throwaway(dumped: dict[str, Any]) -> Iterator[Server]:
    """A server below the working directory, which nobody else reaches, and which is gone at the end.

    `dumped`: what the manifest tells of the server that was dumped.
    """
    # The name of a socket may have 107 bytes.
    top = os.path.abspath(tempfile.mkdtemp(prefix="m", dir="."))
    data, socket, secret = top + "/data", top + "/s", os.urandom(20).hex()
    # Not root: how that is let in comes with what is loaded. Nor is it anybody who does.
    account = "backup_prove_" + os.urandom(8).hex()
    options = ["--datadir=" + data, *as_dumped(dumped)]
    try:
        install = ["mariadb-install-db", "--no-defaults", *options, "--auth-root-authentication-method=normal"]
        subprocess.run([*install, "--skip-test-db", "--skip-name-resolve"], stdin=subprocess.DEVNULL, capture_output=True, check=True)
        # A statement of an owner writes no file but there.
        places = {"socket": socket, "pid-file": top + "/pid", "tmpdir": top, "secure-file-priv": data}
        command = ["mariadbd", "--no-defaults", *options, *("--%s=%s" % place for place in places.items()), *SETTINGS, *encrypting(top)]
        with open(top + "/log", "wb+") as log, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
            try:
                with Server.of("root", socket) as server:
                    if not answers(server, process):
                        log.seek(0)
                        output = log.read().decode(errors="backslashreplace")[-1000:]
                        raise OSError("the server that is to prove it does not start: %s" % output)
                    create = "CREATE USER %s IDENTIFIED BY '" + secret + "'"
                    server.query("; ".join(statement % (account + "@localhost") for statement in (create, *RIGHTS)))
                with Server.of(account, socket, secret) as server:
                    yield server
            finally:
                process.kill()
    finally:
        shutil.rmtree(top, ignore_errors=True)


def as_dumped(dumped: dict[str, Any]) -> list[str]:
    """The options of a server like the one that was dumped."""
    return ["--%s=%d" % (name, dumped[name]) for name, known in AS_DUMPED.items() if dumped.get(name) in known]


def encrypting(top: str) -> list[str]:
    """The options of a server that takes tables that are encrypted, if it knows how: with keys of its own."""
    path = os.path.join(top, "keys")
    with open(path, "w", encoding="ascii") as file:
        file.write("".join("%d;%s\n" % (number, os.urandom(32).hex()) for number in range(1, KEYS + 1)))
    return ["--plugin-load-add=file_key_management", "--loose-file-key-management-filename=" + path]


def answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    """Wait until it answers. Return whether it does."""
    deadline = time.monotonic() + LONGEST_START
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.CalledProcessError):
            server.query("SELECT 1")
            return True
        time.sleep(0.05)
    return False
