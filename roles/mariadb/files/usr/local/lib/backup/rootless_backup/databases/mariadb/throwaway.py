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
# Not root: how that is let in comes with what is loaded.
ACCOUNT = "backup_prove"
RIGHTS = ("GRANT ALL ON *.* TO %s WITH GRANT OPTION", "GRANT PROXY ON ''@'%%' TO %s WITH GRANT OPTION")
# Seconds until it answers.
LONGEST_START = 120


@contextlib.contextmanager
def throwaway() -> Iterator[Server]:
    """A server below the working directory, which nobody else reaches, and which is gone at the end."""
    # The name of a socket may have 107 bytes.
    top = os.path.abspath(tempfile.mkdtemp(prefix="m", dir="."))
    data, socket, secret = top + "/data", top + "/s", os.urandom(20).hex()
    try:
        install = ["mariadb-install-db", "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal"]
        subprocess.run([*install, "--skip-test-db", "--skip-name-resolve"], stdin=subprocess.DEVNULL, capture_output=True, check=True)
        # A statement of an owner writes no file but there.
        places = {"datadir": data, "socket": socket, "pid-file": top + "/pid", "tmpdir": top, "secure-file-priv": data}
        command = ["mariadbd", "--no-defaults", *("--%s=%s" % each for each in places.items()), *SETTINGS]
        with open(top + "/log", "wb+") as log, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
            try:
                with Server.of("root", socket) as server:
                    if not answers(server, process):
                        log.seek(0)
                        said = log.read().decode(errors="backslashreplace")[-1000:]
                        raise OSError("the server that is to prove it does not start: %s" % said)
                    server.query(
                        "; ".join(each % (ACCOUNT + "@localhost") for each in ("CREATE USER %s IDENTIFIED BY '" + secret + "'", *RIGHTS))
                    )
                with Server.of(ACCOUNT, socket, secret) as server:
                    yield server
            finally:
                process.kill()
    finally:
        shutil.rmtree(top, ignore_errors=True)


def answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    """Wait until it answers. Return whether it does."""
    deadline = time.monotonic() + LONGEST_START
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.CalledProcessError):
            server.query("SELECT 1")
            return True
        time.sleep(0.05)
    return False
