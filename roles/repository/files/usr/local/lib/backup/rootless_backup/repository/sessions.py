# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""What runs as the accounts: a key that opens nothing any more ends no session that it opened before."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from rootless_backup import systemd
from rootless_backup.repository import accounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

# In seconds, for processes that were killed to be gone.
PATIENCE = 10


class Unending(Exception):
    """Something does not end; `uids` are those as whom it runs, and the text says it."""

    def __init__(self, uids: Collection[int]) -> None:
        super().__init__("processes of %s do not end" % ", ".join("repo%d" % uid for uid in sorted(uids)))
        self.uids = uids


def end_unwanted() -> list[str]:
    """End the sessions of those who may not come in, and those that last too long. Return of whom, a line each. Unending: one does not."""
    config = accounts.read()
    # Of a number that is somebody else's nothing is ended.
    by_uid = {account["uid"]: account for account in config["accounts"] if accounts.is_ours(account)}
    shut = end({uid for uid, account in by_uid.items() if not accounts.is_welcome(account)})
    limit = config["session_time_limit"]
    old = end_old(by_uid.keys(), systemd.timespan(limit) / 1e6)
    return [
        *(
            "%s: a session lasted longer than %s (repository_session_time_limit), and was ended" % (by_uid[uid]["name"], limit)
            for uid in sorted(old)
        ),
        *("%s: it is let in no more, and its sessions were ended" % by_uid[uid]["name"] for uid in sorted(shut)),
    ]


def end(uids: Collection[int]) -> set[int]:
    """End all that runs as one of these. Return of whom something ran. Unending: something does not end."""
    ended: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    while True:
        processes = [(pid, uid) for pid, uid in running() if uid in uids]
        if not processes:
            return ended
        if time.monotonic() > deadline:
            raise Unending({uid for _pid, uid in processes})
        for pid, uid in processes:
            ended.add(uid)
            kill(pid)
        time.sleep(0.05)


def end_old(uids: Collection[int], limit: float) -> set[int]:
    """End what has run as one of these for longer than so many seconds. Return of whom something had."""
    ended: set[int] = set()
    for pid, uid in running():
        if uid in uids and age(pid) > limit:
            ended.add(uid)
            kill(pid)
    return ended


def running() -> list[tuple[int, int]]:
    """Each process, and as whom it runs. The owner of its directory is root where it says that it is not to be dumped; see proc(5)."""
    processes = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open("/proc/%s/status" % name, "rb") as file:
                uid = next(line for line in file if line.startswith(b"Uid:"))
                processes.append((int(name), int(uid.split()[1])))
    return processes


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def age(pid: int) -> float:
    """For how many seconds a process runs, by a clock that nobody sets; 0: it does not any more. See proc(5), "starttime"."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            # Its name comes before, in parentheses, and may hold anything.
            begun = int(file.read().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - begun / os.sysconf("SC_CLK_TCK")
