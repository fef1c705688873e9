# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""A session of pg_dump: what it writes is read meanwhile, and where it waits for too long it is ended."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import tempfile
import threading
import time

from rootless_backup.databases.postgresql import contents
from rootless_backup.databases.postgresql.client import query
from rootless_backup.databases.postgresql.meanwhile import Meanwhile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO

    from rootless_backup.databases.postgresql.contents import Contents

# In how many parts of its limit a dump is watched for waiting.
WATCHES = 4
# For how much more of a dump, in bytes, it is worth to look again at once, and else after how many seconds.
ENOUGH, PAUSE = 128 << 10, 0.002


def run_dump(path: str, env: dict[str, str], encoding: str, lock_wait: int) -> Callable[[], Contents]:
    """Dump a database into a file. Return a function that waits for what is in it; see `contents.scan`."""
    command = [
        "pg_dump",
        "--format=custom",
        "--compress=0",
        "--encoding=" + encoding,
        "--lock-wait-timeout=%ds" % lock_wait,
        "--file",
        path,
    ]
    # Its own, by which its session is found, and nobody else's.
    env = dict(env, PGAPPNAME="backup-dump-%s" % os.urandom(8).hex())
    source, sink = os.pipe()
    contents.widen(source)
    ended = threading.Event()
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors) as dumping,
    ):
        # What is in it is read while it is written: pg_restore reads a pipe in the order in which pg_dump writes.
        fed, recorded = Meanwhile(feed, path, dumping, sink), Meanwhile(record, source, env)
        watched = Meanwhile(end_waiting, env, lock_wait, ended)
        try:
            dumping.wait()
        finally:
            ended.set()
        watched.join()
        if dumping.returncode != 0:
            fed.join()
            recorded.join()
            errors.seek(0)
            raise subprocess.CalledProcessError(dumping.returncode, command[0], stderr=errors.read())

    def wait() -> Contents:
        # What it was not given it cannot tell of.
        fed.result()
        held: Contents = recorded.result()
        return held

    return wait


def end_waiting(env: dict[str, str], lock_wait: int, ended: threading.Event) -> None:
    """Until the event comes, end the session of a pg_dump that has waited for locks for too long. Its own limit holds for a statement that
    locks tables only. Somebody may hold a sequence or a view, or one table after the other, as long as he likes, and keep all other
    databases waiting.
    """
    # Of its name, and ours: anybody may call his session as he likes. The one that asks has another.
    waiting = (
        "FROM pg_stat_activity WHERE application_name = '%s' AND usename = session_user AND wait_event_type = 'Lock'" % env["PGAPPNAME"]
    )
    env = dict(env, PGAPPNAME="backup-postgresql")
    seen = 0
    while not ended.wait(max(1.0, lock_wait / WATCHES)):
        with contextlib.suppress(subprocess.CalledProcessError):
            seen += query(env, "SELECT 'waits' %s" % waiting) != b""
            if seen > WATCHES:
                query(env, "SELECT pg_terminate_backend(pid) %s" % waiting)


def feed(path: str, dumping: subprocess.Popen[bytes], sink: int) -> None:
    """Write what a process writes into a new file into a pipe too, to the end of both."""
    with open(sink, "wb", buffering=0) as pipe, contextlib.suppress(BrokenPipeError):
        while not os.path.exists(path) and dumping.poll() is None:
            time.sleep(PAUSE)
        with open(path, "rb", buffering=0) as file:
            ended = False
            while (passed := pass_on(file, pipe)) or not ended:
                if passed < ENOUGH:
                    # What it had written when it ended is there: then nothing more means nothing.
                    ended = dumping.poll() is not None
                    if not ended:
                        time.sleep(PAUSE)


def pass_on(file: FileIO, pipe: FileIO) -> int:
    """Write what follows in a file into a pipe. Return how many bytes; 0: there is nothing more yet."""
    try:
        return os.sendfile(pipe.fileno(), file.fileno(), None, 1 << 20)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
    # Not all file systems can.
    block = file.read(1 << 20)
    rest = memoryview(block)
    while rest:
        rest = rest[pipe.write(rest) :]
    return len(block)


def record(source: int, env: dict[str, str]) -> Contents:
    """What is in a dump that comes through a pipe; see `contents.scan`."""
    with open(source, "rb") as pipe, contents.reading(None, env, pipe) as stream:
        return contents.scan(stream)
