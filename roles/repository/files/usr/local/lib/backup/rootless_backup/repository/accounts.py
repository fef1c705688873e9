# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""The accounts of the machines, as the control node says them in a file of root."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re

from rootless_backup import host, statefile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypedDict

    class Account(TypedDict):
        """A machine's. `name` is the machine's in the inventory, `line` that of authorized_keys, empty for one that is not let in."""

        name: str
        account: str
        uid: int
        home: str
        key: str
        quota: str
        state: str
        line: str

    class Told(TypedDict):
        """All of them, what stands for them as a whole, the days that what was deleted can be had back, and what each may take."""

        digest: str
        accounts: list[Account]
        undelete_days: int
        most: str


# What a machine is answered that takes more room than it may.
REFUSED = 'command="/usr/local/sbin/repositoryctl refused",restrict %s\n'


def read() -> Told:
    """What the control node says."""
    with open(host.REPOSITORY_ACCOUNTS, encoding="utf-8") as file:
        told: Told = json.load(file)
    return told


def seen(each: Account) -> str:
    """The file with what was last seen of a repository."""
    return os.path.join(host.REPOSITORY_STATE, "seen", each["account"] + ".json")


def is_refused(each: Account) -> bool:
    """Whether it takes more room than it may."""
    try:
        with open(seen(each), encoding="utf-8") as file:
            return bool(json.load(file)["refused"])
    except (FileNotFoundError, ValueError, KeyError):
        return False


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within it nobody else changes generations, or what is in the place of a repository."""
    state = os.open(host.REPOSITORY_STATE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(state, fcntl.LOCK_EX)
        yield
    finally:
        os.close(state)


def let_in(but: str = "") -> None:
    """Make the files of authorized_keys those of the accounts, without one, and note that it is done."""
    told = read()
    keys = os.open(host.REPOSITORY_KEYS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(keys, fcntl.LOCK_EX)
        wanted = {
            each["account"]: REFUSED % each["key"] if is_refused(each) else each["line"] + "\n"
            for each in told["accounts"]
            if each["line"] and each["account"] != but
        }
        for name in sorted(set(os.listdir(keys)) - set(wanted)):
            os.unlink(name, dir_fd=keys)
        for name, line in wanted.items():
            path = os.path.join(host.REPOSITORY_KEYS, name)
            if not is_there(path, line):
                # sshd reads it as the account; it is a public key.
                statefile.write(path, line, 0o644)
        if not but:
            note(told["digest"])
    finally:
        os.close(keys)


def note(digest: str) -> None:
    """Note that what the control node says is done. ValueError: it says no digest."""
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError("%s has no digest" % host.REPOSITORY_ACCOUNTS)
    done = os.path.join(host.REPOSITORY_STATE, "accounts")
    if os.listdir(done) == [digest]:
        return
    for name in os.listdir(done):
        os.unlink(os.path.join(done, name))
    statefile.write(os.path.join(done, digest), "")


def is_there(path: str, content: str) -> bool:
    """Whether a file is as it has to be."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read() == content and os.fstat(file.fileno()).st_mode & 0o777 == 0o644
    except FileNotFoundError:
        return False
