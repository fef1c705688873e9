# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""The accounts of the machines, as the control node says them in a file of root."""

from __future__ import annotations

import json
import os
import re

from rootless_backup import host, statefile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class Account(TypedDict):
        """A machine's. `name` is the machine's in the inventory, `line` that of authorized_keys, empty for one that is not let in."""

        name: str
        account: str
        uid: int
        home: str
        quota: str
        state: str
        line: str

    class Told(TypedDict):
        """All of them, and what stands for them as a whole."""

        digest: str
        accounts: list[Account]


def read() -> Told:
    """What the control node says."""
    with open(host.REPOSITORY_ACCOUNTS, encoding="utf-8") as file:
        told: Told = json.load(file)
    return told


def let_in() -> None:
    """Make the files of authorized_keys those of the accounts, and note that it is done."""
    told = read()
    wanted = {each["account"]: each["line"] + "\n" for each in told["accounts"] if each["line"]}
    for name in sorted(set(os.listdir(host.REPOSITORY_KEYS)) - set(wanted)):
        os.unlink(os.path.join(host.REPOSITORY_KEYS, name))
    for name, line in wanted.items():
        path = os.path.join(host.REPOSITORY_KEYS, name)
        if not is_there(path, line):
            # sshd reads it as the account; it is a public key.
            statefile.write(path, line, 0o644)
    done = os.path.join(host.REPOSITORY_STATE, "accounts")
    if not re.fullmatch("[0-9a-f]{64}", told["digest"]):
        raise ValueError("%s has no digest" % host.REPOSITORY_ACCOUNTS)
    for name in os.listdir(done):
        os.unlink(os.path.join(done, name))
    statefile.write(os.path.join(done, told["digest"]), "")


def is_there(path: str, content: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read() == content and os.fstat(file.fileno()).st_mode & 0o777 == 0o644
    except FileNotFoundError:
        return False
