# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""The accounts of the machines, as the control node says them in a file of root."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import re

from rootless_backup import host, statefile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypedDict

    class Account(TypedDict):
        """A machine's. `name` is that of the inventory, `line` that of authorized_keys, empty for one that is not let in; `alert_after` are
        the hours after which it is told that it saved nothing, 0 never.
        """

        name: str
        account: str
        uid: int
        home: str
        key: str
        quota: str
        state: str
        line: str
        alert_after: int

    class Told(TypedDict):
        """All of them; `digest` stands for them as a whole. `undelete_days`: how long what was deleted can be had back. `most`: what each
        may take. `session_time_limit`: how long a session may last, as a span of systemd's. `check_duration`: that of a check, in seconds.
        """

        digest: str
        accounts: list[Account]
        undelete_days: int
        most: str
        session_time_limit: str
        check_duration: int


# What a machine is answered that takes more room than it may.
REFUSED = 'command="' + host.REPOSITORYCTL + ' refused",restrict %s\n'


def read() -> Told:
    """What the control node says."""
    with open(host.REPOSITORY_ACCOUNTS, encoding="utf-8") as file:
        config: Told = json.load(file)
    return config


def seen(account: Account) -> str:
    """The file with what was last seen of a repository."""
    return os.path.join(host.REPOSITORY_STATE, "seen", account["account"] + ".json")


def is_refused(account: Account) -> bool:
    """Whether it takes more room than it may."""
    try:
        with open(seen(account), encoding="utf-8") as file:
            return bool(json.load(file)["refused"])
    except (FileNotFoundError, ValueError, KeyError):
        return False


def closed(account: Account) -> str:
    """The file that is there while something is put in the place of a repository, which nobody may use meanwhile."""
    return os.path.join(host.REPOSITORY_STATE, "seen", account["account"] + ".closed")


def is_welcome(account: Account) -> bool:
    """Whether it may come in."""
    return bool(account["line"]) and not is_refused(account) and not os.path.lexists(closed(account))


def wrong(account: Account) -> str:
    """What is wrong with the number of an account; empty: nothing."""
    try:
        uid = pwd.getpwnam(account["account"]).pw_uid
    except KeyError:
        uid = None
    if uid == account["uid"]:
        return ""
    try:
        other = "the number %d is that of the user %s here" % (account["uid"], pwd.getpwuid(account["uid"]).pw_name)
    except KeyError:
        other = "it has %s" % ("no number" if uid is None else "the number %d here" % uid)
    return (
        "%s: its account %s has to have the number %d, but %s, so it is not let in. Remove that user, or give its account another number: "
        "set repository_uid_range to numbers that are free here, and take %s out of repository-accounts.json in backup_secrets_dir of this "
        "server." % (account["name"], account["account"], account["uid"], other, account["name"])
    )


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within it nobody else changes generations, or what is in the place of a repository."""
    state = os.open(host.REPOSITORY_STATE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(state, fcntl.LOCK_EX)
        yield
    finally:
        os.close(state)


def reopen(config: Told) -> None:
    """Within `alone`: let those in again whose account somebody closed who was gone before he had put something in place."""
    for account in config["accounts"]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(closed(account))


def let_in() -> list[str]:
    """Make the files of authorized_keys those of the accounts, and note that it is done. Return what is wrong, a line each."""
    config = read()
    keys = os.open(host.REPOSITORY_KEYS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(keys, fcntl.LOCK_EX)
        troubles = {account["account"]: wrong(account) for account in config["accounts"] if account["line"]}
        wanted = {
            account["account"]: REFUSED % account["key"] if is_refused(account) else account["line"] + "\n"
            for account in config["accounts"]
            if account["line"] and not troubles[account["account"]] and not os.path.lexists(closed(account))
        }
        for name in sorted(set(os.listdir(keys)) - set(wanted)):
            os.unlink(name, dir_fd=keys)
        for name, line in wanted.items():
            path = os.path.join(host.REPOSITORY_KEYS, name)
            if not is_there(path, line):
                # sshd reads it as the account; it is a public key.
                statefile.write(path, line, 0o644)
        if not any(troubles.values()):
            note(config["digest"])
    finally:
        os.close(keys)
    return list(filter(None, troubles.values()))


def is_ours(account: Account) -> bool:
    """Whether the number of an account is its own here, or nobody's any more."""
    try:
        return pwd.getpwuid(account["uid"]).pw_name == account["account"]
    except KeyError:
        return True


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
