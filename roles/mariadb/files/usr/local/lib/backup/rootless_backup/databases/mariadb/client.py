# Managed by Ansible (collection rootless.backup, role mariadb): changes made here are overwritten.
"""A server as the clients that come with it see it: every question goes by this module."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import subprocess
import tempfile
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Any

COMPLETE = b"\n-- Dump completed\n"
# How long a session waits for a lock, in seconds: an owner may hold his tables as long as he likes, and other databases are behind them.
LOCK_WAIT = 600
# What a session of ours waits for and takes, whatever the server is set to; and how it reads what we say.
SETTINGS = "SET lock_wait_timeout = %d, max_statement_time = %d, sql_mode = ''"
SESSION = SETTINGS % (LOCK_WAIT, 0)
# One that only looks: a definition is held while a table is made or altered, and looked at several times.
LOOK_WAIT = 60
LOOKING = SETTINGS % (LOOK_WAIT, LOCK_WAIT)
# What reads for mariadb-dump, which has no such limit, and waits. Never what an administrator alters.
WAITING = """SELECT ID FROM information_schema.PROCESSLIST WHERE USER = SUBSTRING_INDEX(USER(), '@', 1) AND COMMAND = 'Query'
    AND STATE LIKE 'Waiting for %%' AND (INFO LIKE 'SHOW %%' OR INFO LIKE 'SELECT %%') AND TIME >= %d"""
# In how many parts of its limit it is watched.
WATCHES = 4
CHARACTERS = "--default-character-set=utf8mb4"
# A statement has a row of blobs in hex, which is twice as long.
PACKET = "--max-allowed-packet=1G"

# What a restore loads is loaded, though its server is stricter than the one that was dumped.
LENIENT = ("check_constraint_checks", "innodb_strict_mode")
# Of a statement; what has no line is of the session.
AT_LINE = re.compile(rb"^ERROR (\d+ \(\w+\)) at line (\d+): (.*)", re.MULTILINE)
# There is nobody any more who would answer.
LOST = re.compile(rb"^ERROR 20(?:06|13) ", re.MULTILINE)
# So many errors of a script are kept, and so much of each.
MOST_KEPT, LONGEST = 10_000, 1000


class Incomplete(Exception):
    """A dump that says of itself that it is not whole, or cannot become so."""


def settings() -> dict[str, Any]:
    """Those of the role."""
    values: dict[str, Any] = json.loads(os.environ["SETTINGS"])
    return values


@contextlib.contextmanager
def connected(session: str = SESSION) -> Iterator[Server]:
    """The server, by the account of the settings."""
    values = settings()
    with Server.of(values["account"], values["socket"], password(), session) as server:
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

    def __init__(self, options: str, account: str, socket: str, session: str) -> None:
        """`options`: the path of a file with those of the clients. `session`: what each begins with."""
        self.options, self.account, self.socket, self.session = "--defaults-file=" + options, account, socket, session
        # How long a program may be at it.
        self.seconds: float | None = None

    @classmethod
    @contextlib.contextmanager
    def of(cls, account: str, socket: str, secret: str | None = None, session: str = SESSION) -> Iterator[Server]:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".cnf") as file:
            file.write(client_options(account, socket, secret))
            file.flush()
            yield cls(file.name, account, socket, session)

    def limited(self, seconds: float | None) -> Server:
        """The same server, but a program that takes longer than that is ended; see `Incomplete`."""
        other = copy.copy(self)
        other.seconds = seconds
        return other

    def client(self, database: str | None, *arguments: str) -> list[str]:
        # No other setting of the machine; and whatever an owner wrote is no command of the client's own, which would run programs, and
        # has no file of this machine read.
        options = [CHARACTERS, PACKET, "--binary-mode", "--local-infile=0", "--batch", "--skip-column-names"]
        # In the option a name is a name: it could look like one of them.
        names = [] if database is None else ["--database=" + database]
        return ["mariadb", self.options, *options, "--init-command=" + self.session, *names, *arguments]

    def query(self, sql: str) -> list[list[str]]:
        """The rows of the answer, fields as texts. CalledProcessError: the server refused."""
        command = self.client(None)
        with self.in_time():
            done = subprocess.run(command, input=sql.encode(), capture_output=True, check=False, timeout=self.seconds)
        if done.returncode != 0:
            raise refusal(done.returncode, done.stderr)
        return [[field.decode() for field in fields_of(line)] for line in done.stdout.split(b"\n")[:-1]]

    def rows(self, sql: str, database: str) -> Iterator[list[bytes]]:
        """The rows of the answers to many questions, fields as bytes, one after another: each may be large. What is refused has none."""
        with tempfile.TemporaryFile() as script, tempfile.TemporaryFile() as log:
            script.write(sql.encode())
            script.seek(0)
            command = self.client(database, "--force", "--quick")
            with subprocess.Popen(command, stdin=script, stdout=subprocess.PIPE, stderr=log) as running:
                assert running.stdout
                with self.ending(running):
                    for line in running.stdout:
                        yield fields_of(line.rstrip(b"\n"))
                    running.wait()
            log.seek(0)
            errors = log.read(1 << 20)
            if running.returncode != 0 and (LOST.search(errors) or not AT_LINE.search(errors)):
                raise refusal(running.returncode, errors)

    def dump(self, file: IO[bytes], *arguments: str) -> None:
        """Have mariadb-dump write behind what is in a file. CalledProcessError, Incomplete: what is there is of no use."""
        # Without the date, a database that did not change is the same file as yesterday.
        command = ["mariadb-dump", self.options, CHARACTERS, PACKET, "--skip-dump-date", *arguments]
        file.flush()
        with self.in_time(), self.unblocked():
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, check=True, timeout=self.seconds)
        file.seek(0, os.SEEK_END)
        if not is_complete(file.name):
            raise Incomplete("mariadb-dump ended without an error, but not with `-- Dump completed`.")

    def run(self, blocks: Iterable[bytes], database: str | None) -> list[str]:
        """Have the client run a script, all of it that goes. Return the errors."""
        lines: list[bytes] = []
        ended = False
        command = self.client(database, "--force")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
            assert running.stdin and running.stderr
            hearing = threading.Thread(target=hear, args=[running.stderr, lines])
            hearing.start()
            with self.ending(running):
                try:
                    for block in blocks:
                        running.stdin.write(block)
                    running.stdin.close()
                except BrokenPipeError:
                    ended = True
                    with contextlib.suppress(BrokenPipeError):
                        running.stdin.close()
                hearing.join()
                running.wait()
        errors = [line.decode(errors="backslashreplace") for line in lines]
        if ended or (running.returncode != 0 and not errors):
            errors.append("ERROR: the client ended with %d" % running.returncode)
        return errors

    def refused(self, statements: Iterable[str], database: str) -> dict[int, str]:
        """Which of these, a line each, the server refuses, by their numbers, and why; all are tried."""
        reasons: dict[int, str] = {}
        for error in self.run((statement.encode() + b"\n" for statement in statements), database):
            match = AT_LINE.match(error.encode(errors="backslashreplace"))
            if match is None:
                raise refusal(1, error.encode(errors="backslashreplace"))
            # The first is the reason of those that follow.
            reasons.setdefault(int(match[2]) - 1, (match[1] + b": " + match[3]).decode(errors="backslashreplace"))
        return reasons

    @contextlib.contextmanager
    def ending(self, running: subprocess.Popen[bytes]) -> Iterator[None]:
        """In here a program that takes too long is ended. Incomplete: it was."""
        if self.seconds is None:
            yield
            return
        late = threading.Event()

        def end() -> None:
            late.set()
            running.kill()

        timer = threading.Timer(self.seconds, end)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        if late.is_set():
            raise self.too_slow()

    @contextlib.contextmanager
    def in_time(self) -> Iterator[None]:
        """Incomplete: a program in here took too long."""
        try:
            yield
        except subprocess.TimeoutExpired:
            raise self.too_slow() from None

    @contextlib.contextmanager
    def unblocked(self) -> Iterator[None]:
        """What waits in here for a lock is refused after LOCK_WAIT. Incomplete: it was, and failed for that."""
        ended = threading.Event()
        refused: list[str] = []
        watching = threading.Thread(target=self.refuse_waiting, args=[ended, refused])
        watching.start()
        try:
            yield
        except subprocess.CalledProcessError:
            if refused:
                raise Incomplete("Somebody has held a lock on a table of it for more than %d seconds." % LOCK_WAIT) from None
            raise
        finally:
            ended.set()
            watching.join()

    def refuse_waiting(self, ended: threading.Event, refused: list[str]) -> None:
        """Until the event comes, end statements of this account that wait for a lock for too long."""
        while not ended.wait(LOCK_WAIT / WATCHES):
            # One that has ended by itself is none any more.
            with contextlib.suppress(subprocess.CalledProcessError, Incomplete):
                for (waiting,) in self.query(WAITING % LOCK_WAIT):
                    # Before what waits can have failed.
                    refused.append(waiting)
                    self.query("KILL QUERY %d" % int(waiting))

    def too_slow(self) -> Incomplete:
        return Incomplete("It takes longer than %d seconds, so it was ended." % (self.seconds or 0))


def refusal(code: int, output: bytes) -> subprocess.CalledProcessError:
    # Not the statement, which the client says too: there may be a password in it.
    return subprocess.CalledProcessError(code, "mariadb", stderr=b"\n".join(errors_in(output)) or output[-1000:])


def hear(pipe: IO[bytes], lines: list[bytes]) -> None:
    """Keep the errors that a client tells of, as it tells them: it says each statement too, of whatever length."""
    begins = True
    while piece := pipe.readline(LONGEST):
        if begins and piece.startswith(b"ERROR") and len(lines) < MOST_KEPT:
            lines.append(piece.rstrip(b"\n"))
        begins = piece.endswith(b"\n")


def errors_in(output: bytes) -> list[bytes]:
    return [line for line in output.splitlines() if line.startswith(b"ERROR")]


def fields_of(line: bytes) -> list[bytes]:
    return [unescaped(field) for field in line.split(b"\t")]


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
