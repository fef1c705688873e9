# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""A server as the clients that come with it see it: every question goes by this module."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Any

COMPLETE = b"\n-- Dump completed\n"
# What a session of ours waits for and takes, whatever the server is set to; and how it reads what we say.
SESSION = "SET lock_wait_timeout = 600, max_statement_time = 0, sql_mode = ''"
CHARACTERS = "--default-character-set=utf8mb4"
# A statement has a row of blobs in hex, which is twice as long.
PACKET = "--max-allowed-packet=1G"


# Of a statement; what has no line is of the session.
AT_LINE = re.compile(rb"^ERROR (\d+ \(\w+\)) at line (\d+): (.*)", re.MULTILINE)


class Incomplete(Exception):
    """A dump that says of itself that it is not whole, or cannot become so."""


def settings() -> dict[str, Any]:
    """Those of the role."""
    found: dict[str, Any] = json.loads(os.environ["SETTINGS"])
    return found


@contextlib.contextmanager
def connected() -> Iterator[Server]:
    """The server, by the account of the settings."""
    given = settings()
    with Server.of(given["account"], given["socket"], password()) as server:
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


class Server:
    """A server for one account."""

    def __init__(self, options: str, socket: str) -> None:
        """`options`: the path of a file with those of the clients."""
        self.options, self.socket = "--defaults-file=" + options, socket

    @classmethod
    @contextlib.contextmanager
    def of(cls, account: str, socket: str, secret: str | None = None) -> Iterator[Server]:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".cnf") as file:
            file.write(client_options(account, socket, secret))
            file.flush()
            yield cls(file.name, socket)

    def client(self, database: str | None, *arguments: str) -> list[str]:
        # No other setting of the machine; and whatever an owner wrote is no command of the client's own, which would run programs, and
        # has no file of this machine read.
        options = [CHARACTERS, PACKET, "--binary-mode", "--local-infile=0", "--batch", "--skip-column-names", "--init-command=" + SESSION]
        # In the option a name is a name: it could look like one of them.
        return ["mariadb", self.options, *options, *([] if database is None else ["--database=" + database]), *arguments]

    def answer(self, sql: str, database: str | None = None, force: bool = False) -> list[list[bytes]]:
        """The rows of the answer, fields as bytes. CalledProcessError: the server refused; with `force` that ends nothing but that."""
        command = self.client(database, *(["--force"] if force else []))
        done = subprocess.run(command, input=sql.encode(), capture_output=True, check=False)
        if done.returncode != 0 and not (force and AT_LINE.search(done.stderr)):
            # Not the statement, which the client says too: there may be a password in it.
            raise subprocess.CalledProcessError(
                done.returncode, command[0], stderr=b"\n".join(errors_in(done.stderr)) or done.stderr[-1000:]
            )
        return [[unescaped(field) for field in line.split(b"\t")] for line in done.stdout.split(b"\n")[:-1]]

    def query(self, sql: str) -> list[list[str]]:
        """The rows of the answer, fields as texts. CalledProcessError: the server refused."""
        return [[field.decode() for field in row] for row in self.answer(sql)]

    def dump(self, file: IO[bytes], *arguments: str) -> None:
        """Have mariadb-dump write behind what is in a file. CalledProcessError, Incomplete: what is there is of no use."""
        # Without the date, a database that did not change is the same file as yesterday.
        command = ["mariadb-dump", self.options, CHARACTERS, PACKET, "--skip-dump-date", *arguments]
        file.flush()
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, check=True)
        file.seek(0, os.SEEK_END)
        if not is_complete(file.name):
            raise Incomplete("mariadb-dump ended without an error, but not with `-- Dump completed`.")

    def refused(self, statements: Iterable[str], database: str | None = None) -> dict[int, str]:
        """Which of these, a line each, the server refuses, by their numbers, and why; all are tried."""
        script = "".join(each + "\n" for each in statements)
        command = self.client(database, "--force")
        done = subprocess.run(command, input=script.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        found: dict[int, str] = {}
        for error in errors_in(done.stderr):
            match = AT_LINE.match(error)
            if match is None:
                raise subprocess.CalledProcessError(1, command[0], stderr=error)
            # The first is the reason of those that follow.
            found.setdefault(int(match[2]) - 1, (match[1] + b": " + match[3]).decode(errors="backslashreplace"))
        return found


def errors_in(said: bytes) -> list[bytes]:
    return [line for line in said.splitlines() if line.startswith(b"ERROR")]


def unescaped(field: bytes) -> bytes:
    """A field of mariadb(1) --batch as it is in the server."""
    return re.sub(rb"\\(.)", lambda match: {b"n": b"\n", b"t": b"\t", b"0": b"\0"}.get(match[1], match[1]), field, flags=re.DOTALL)


def is_complete(path: str) -> bool:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - len(COMPLETE)))
        return file.read() == COMPLETE


def identifier(name: str) -> str:
    """A name as it stands in SQL."""
    return "`%s`" % name.replace("`", "``")


def literal(text: str) -> str:
    """A text as it stands in SQL: in hex it needs no quoting, whatever the mode of the session."""
    return "CONVERT(0x%s USING utf8mb4)" % text.encode().hex() if text else "''"


def within(column: str, database: str) -> str:
    """The condition that a column of information_schema names a database: by itself it compares without regard to case."""
    return "%s = %s AND BINARY %s = %s" % (column, literal(database), column, literal(database))


def hexed(column: str) -> str:
    """A column of names: hex survives every character set."""
    return "HEX(CONVERT(%s USING utf8mb4))" % column


def named(encoded: str) -> str:
    """What `hexed` gives."""
    return bytes.fromhex(encoded).decode()
