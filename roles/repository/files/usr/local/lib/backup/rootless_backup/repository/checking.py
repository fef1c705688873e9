# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""Verify what can be verified without a key: that each file of the newest generation is what Borg wrote, by its checksums.

Borg reads what others wrote, so it does as a user who owns nothing, in a tree of hard links which it can only read.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import json
import os
import pwd
import subprocess
import time

from rootless_backup import host, statefile, untrusted
from rootless_backup import tree as trees
from rootless_backup.repository import accounts, generations, keeping, sessions, undelete

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypedDict

    from rootless_backup.repository.accounts import Account, Told

    class Checked(TypedDict):
        """When the last whole check of a repository ended, when it last had a turn, up to which segment it was checked since, and what is
        damaged.
        """

        checked: float
        turn: float
        segment: int
        damage: str


# How Borg ends that was stopped, in seconds after it was to end by itself.
GRACE = 300
LAST = "last_segment_checked"


def path(account: Account) -> str:
    return os.path.join(host.REPOSITORY_STATE, "seen", account["account"] + ".check.json")


def read(account: Account) -> Checked:
    """How far the check of a repository is."""
    nothing: Checked = {"checked": 0, "turn": 0, "segment": -1, "damage": ""}
    try:
        with open(path(account), encoding="utf-8") as file:
            return {**nothing, **json.load(file)}
    except (FileNotFoundError, ValueError, TypeError):
        return nothing


def damage(account: Account) -> str:
    """What the last check found, or nothing."""
    return read(account)["damage"]


@contextlib.contextmanager
def alone() -> Iterator[bool]:
    """Whether nobody else checks, who would remove the trees that are checked. Within it nobody begins to."""
    lock = os.open(os.path.join(host.REPOSITORY_STATE, "checking.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_alone = True
        except BlockingIOError:
            is_alone = False
        yield is_alone
    finally:
        os.close(lock)


def check(config: Told, wanted: Account | None = None) -> bool:
    """Check one, or one after the other, until the time is over. Return whether nothing is damaged."""
    with alone() as is_alone:
        if not is_alone:
            untrusted.say("Another check is at work, so this one ends. Try again when that is over.")
            return True
        return check_all([wanted] if wanted else in_turn(config["accounts"], time.time()), config["check_duration"])


def in_turn(machines: list[Account], now: float) -> list[Account]:
    """First whose last turn is longest ago, not whose last whole check is: one that never comes to its end would take all of the time."""

    def last(machine: Account) -> float:
        turn = read(machine)["turn"]
        # Of a time to come: the clock was set back.
        return turn if turn <= now else 0

    return sorted(machines, key=last)


def check_all(machines: list[Account], seconds: float) -> bool:
    """Check one after the other for so long. Return whether nothing is damaged."""
    end = time.monotonic() + seconds
    good = True
    for account in machines:
        left = end - time.monotonic()
        if left < 1:
            break
        known = generations.names(keeping.path_of(account))
        if not known:
            continue
        # Before it begins: whatever comes of it, the others are first then.
        statefile.write(path(account), json.dumps({**read(account), "turn": time.time()}))
        try:
            state = check_one(account, known[-1], left)
        except Exception as trouble:  # of one; the others are checked all the same
            state = {**read(account), "damage": "it could not be checked: %s" % untrusted.reason(trouble)}
        statefile.write(path(account), json.dumps(state))
        if state["damage"]:
            untrusted.tell(3, "%s: %s" % (account["name"], state["damage"]))
            good = False
    return good


def check_one(account: Account, name: str, seconds: float) -> Checked:
    """Check a generation for so long. Return how far it is then."""
    before = read(account)
    top = os.path.join(os.path.dirname(account["home"]), ".checking")
    tree = os.path.join(top, account["account"])
    user = pwd.getpwnam(host.REPOSITORY_GROUP)
    # Whatever Borg was made to start by what another machine wrote has nothing more to do with this one.
    sessions.end({user.pw_uid})
    if os.path.lexists(tree):
        take_back(tree)
    os.mkdir(tree, 0o700)
    try:
        with accounts.alone():
            undelete.lay(os.path.join(keeping.path_of(account), name), tree)
        give(tree, user.pw_uid, before["segment"])
        ended = run(tree, user.pw_uid, account["uid"], seconds)
        segment = reached(tree)
    finally:
        take_back(tree)
    if ended is None:
        return before
    if ended:
        return {**before, "checked": time.time(), "segment": -1, "damage": "the generation %s is damaged: %s" % (name, ended)}
    return {**before, "segment": segment} if segment >= 0 else {**before, "checked": time.time(), "segment": -1, "damage": ""}


def give(tree: str, uid: int, segment: int) -> None:
    """Give the directories of a tree, and what was copied in it, to a user; and say there behind which segment its check begins.

    -1: at the first. The machine may have written another one there, behind which it damaged nothing.
    """
    parser = settings(tree)
    for section in (parser.default_section, "repository"):
        parser.remove_option(section, LAST)
    if segment >= 0:
        parser["repository"][LAST] = str(segment)
    with open(os.path.join(tree, "config"), "w", encoding="utf-8") as config:
        parser.write(config)
    # The top last: until then nobody else comes in. Not by path, all the same.
    for _top, _below, files, directory in os.fwalk(tree, topdown=False):
        for file in files:
            if os.lstat(file, dir_fd=directory).st_nlink == 1:
                os.chown(file, uid, -1, dir_fd=directory, follow_symlinks=False)
        os.fchown(directory, uid, -1)


def take_back(tree: str) -> None:
    """Remove a tree that was given away, and in which nobody is any more: directories of any depth and with any modes."""
    # Root cannot override modes here. Only of directories: files have names elsewhere too.
    own = ["-execdir", "chown", "--no-dereference", "0", "{}", "+", "-execdir", "chmod", "700", "{}", "+"]
    command, none = ["find", tree, "-type", "d", *own], subprocess.DEVNULL
    subprocess.run(command, stdin=none, stdout=none, stderr=none, check=True)
    trees.remove(tree)


def reached(tree: str) -> int:
    """The last segment that was checked, if the time was over; -1: all were."""
    return settings(tree).getint("repository", LAST, fallback=-1)


def settings(tree: str) -> configparser.ConfigParser:
    """The settings of a repository, which others wrote. Untrustworthy, configparser.Error: they are none."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(untrusted.read_plain(os.path.join(tree, "config")).decode("utf-8", "replace"))
    return parser


def run(tree: str, uid: int, group: int, seconds: float) -> str | None:
    """Have Borg check a tree, as a user with the group of its files. Return what is wrong, or nothing; None: it did not end in time."""
    command = ["borg", "check", "--repository-only", "--max-duration=%d" % max(1, seconds), "--", tree]
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "BORG_BASE_DIR": tree + "/.borg"}
    try:
        ended = subprocess.run(
            command,
            user=uid,
            group=group,
            extra_groups=[],
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds + GRACE,
            check=False,
            # Where somebody checks by hand, it has nothing to do with his terminal.
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Borg reads what others wrote: it may have been made to start something that goes on.
        sessions.end({uid})
    line = untrusted.printable(ended.stderr.decode(errors="backslashreplace").strip().split("\n")[0][:300])
    return "" if ended.returncode == 0 else line or "borg check ended with %d" % ended.returncode
