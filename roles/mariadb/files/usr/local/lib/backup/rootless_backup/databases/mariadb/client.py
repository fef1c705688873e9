# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""The server as the clients that come with it see it: every question goes by this module."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def settings() -> dict[str, Any]:
    """Those of the role."""
    found: dict[str, Any] = json.loads(os.environ["SETTINGS"])
    return found


@contextlib.contextmanager
def connected() -> Iterator[Server]:
    """The server, by the account of the settings."""
    given = settings()
    with Server.of(client_options(given["account"], given["socket"], password())) as server:
        yield server


def password() -> str | None:
    path = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"), "password")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()


def client_options(account: str, socket: str, secret: str | None) -> str:
    """The options of the clients, as a file: an argument or a variable could be read by others."""
    options = {"protocol": "socket", "socket": socket, "user": account}
    if secret is not None:
        options["password"] = secret
    return "[client]\n" + "".join("%s=%s\n" % (name, quoted(value)) for name, value in options.items())


def quoted(value: str) -> str:
    """A value as it stands in an option file. See https://mariadb.com/kb/en/configuring-mariadb-with-option-files/"""
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


LOCK_WAIT = 600


class Lacking(Exception):
    """An account that may not do what is needed."""


class Server:
    """The server for one account."""

    def __init__(self, options: str, wait: int = LOCK_WAIT) -> None:
        """`wait`: how many seconds a statement waits for a lock of somebody else."""
        self.options, self.wait = "--defaults-file=" + options, wait

    @classmethod
    @contextlib.contextmanager
    def of(cls, options: str) -> Iterator[Server]:
        """The server, by these options of the clients."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".cnf") as file:
            file.write(options)
            file.flush()
            yield cls(file.name)

    def client(self, *arguments: str) -> list[str]:
        # No other setting of the machine, and no command of the client's own: in a text that an owner wrote these would run programs.
        options = ["--default-character-set=utf8mb4", "--max-allowed-packet=1G", "--binary-mode", "--batch"]
        return ["mariadb", self.options, *options, "--init-command=SET lock_wait_timeout = %d" % self.wait, *arguments]

    def query(self, sql: str) -> list[list[str]]:
        """The rows of the answer, a list of texts each. CalledProcessError: the server refused."""
        command = self.client("--skip-column-names")
        run = subprocess.run(command, input=sql.encode(errors="surrogateescape"), capture_output=True, check=False)
        if run.returncode != 0:
            # Not the statement, which the client says too: there may be a password in it.
            said = b"\n".join(line for line in run.stderr.splitlines() if line.startswith(b"ERROR"))
            raise subprocess.CalledProcessError(run.returncode, command[0], stderr=said or run.stderr[-1000:])
        out = run.stdout
        return [[unescaped(text) for text in line.split("\t")] for line in out.decode(errors="surrogateescape").split("\n")[:-1]]

    def refused(self, statements: list[str]) -> list[int]:
        """Which of these, by their numbers, the server refuses; all are tried."""
        lines = [1]
        for each in statements:
            lines.append(lines[-1] + each.count("\n") + 1)
        script = "".join(each + ";\n" for each in statements)
        run = subprocess.run(self.client("--force"), input=script.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        wrong = [int(line) for line in re.findall(rb"^ERROR \d+ \(\w+\) at line (\d+)", run.stderr, re.MULTILINE)]
        return [number for number in range(len(statements)) if any(lines[number] <= line < lines[number + 1] for line in wrong)]

    def version(self) -> str:
        return self.query("SELECT VERSION()")[0][0]


def unescaped(text: str) -> str:
    """A field of mariadb(1) --batch as it is in the server."""
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t", "0": "\0"}.get(match[1], match[1]), text, flags=re.DOTALL)


def identifier(name: str) -> str:
    """A name as it stands in SQL."""
    return "`%s`" % name.replace("`", "``")


def literal(text: str) -> str:
    """A text as it stands in SQL: in hex it needs no quoting, whatever the mode of the session."""
    return "CONVERT(0x%s USING utf8mb4)" % text.encode().hex() if text else "''"


def hexed(column: str) -> str:
    """A column of names: hex survives every character set."""
    return "HEX(CONVERT(%s USING utf8mb4))" % column


def named(encoded: str) -> str:
    """What `hexed` gives."""
    return bytes.fromhex(encoded).decode()
