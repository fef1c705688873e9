# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""Verify what can be verified without a key: that each file of the newest generation is what Borg wrote, by its checksums.

Borg reads what others wrote, so it does as a user who owns nothing, in a tree of hard links which it can only read.
"""

from __future__ import annotations

import configparser
import json
import os
import pwd
import shutil
import subprocess
import time

from rootless_backup import host, statefile, untrusted
from rootless_backup.repository import accounts, generations, keeping, undelete

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from rootless_backup.repository.accounts import Account, Told

    class Checked(TypedDict):
        """When the last whole check of a repository ended, of which generation it was begun and how far that is, and what is damaged."""

        checked: float
        segment: int
        damage: str


# How Borg ends that was stopped, in seconds after it was to end by itself.
GRACE = 300
LAST = "last_segment_checked"


def path(account: Account) -> str:
    return os.path.join(host.REPOSITORY_STATE, "seen", account["account"] + ".check.json")


def read(account: Account) -> Checked:
    """How far the check of a repository is."""
    nothing: Checked = {"checked": 0, "segment": -1, "damage": ""}
    try:
        with open(path(account), encoding="utf-8") as file:
            return {**nothing, **json.load(file)}
    except (FileNotFoundError, ValueError, TypeError):
        return nothing


def damage(account: Account) -> str:
    """What the last check found, or nothing."""
    return read(account)["damage"]


def check(config: Told, wanted: Account | None = None) -> bool:
    """Check one repository, or all, one after the other, until the time is over: who was checked longest ago comes first. Return whether
    nothing is damaged.
    """
    end = time.monotonic() + config["check_duration"]
    good = True
    for account in [wanted] if wanted else sorted(config["accounts"], key=lambda account: read(account)["checked"]):
        left = end - time.monotonic()
        if left < 1:
            break
        known = generations.names(keeping.path_of(account))
        if not known:
            continue
        try:
            state = check_one(account, known[-1], left)
            statefile.write(path(account), json.dumps(state))
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
    if os.path.lexists(tree):
        shutil.rmtree(tree)
    os.mkdir(tree, 0o700)
    try:
        with accounts.alone():
            undelete.lay(os.path.join(keeping.path_of(account), name), tree)
        user = pwd.getpwnam(host.REPOSITORY_GROUP)
        give(tree, user.pw_uid, before["segment"])
        ended = run(tree, user.pw_uid, account["uid"], seconds)
        segment = reached(tree)
    finally:
        for directory, _below, _files in os.walk(tree):
            os.chown(directory, 0, -1)
        shutil.rmtree(tree)
    if ended is None:
        return before
    if ended:
        return {"checked": time.time(), "segment": -1, "damage": "the generation %s is damaged: %s" % (name, ended)}
    return {**before, "segment": segment} if segment >= 0 else {"checked": time.time(), "segment": -1, "damage": ""}


def give(tree: str, uid: int, segment: int) -> None:
    """Give the directories of a tree, and what was copied in it, to a user; and say there from which segment on it is to be checked."""
    if segment >= 0:
        parser = settings(tree)
        parser["repository"][LAST] = str(segment)
        with open(os.path.join(tree, "config"), "w", encoding="utf-8") as config:
            parser.write(config)
    for top, _below, files in os.walk(tree):
        for file in files:
            if os.lstat(os.path.join(top, file)).st_nlink == 1:
                os.chown(os.path.join(top, file), uid, -1)
        os.chown(top, uid, -1)


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
        )
    except subprocess.TimeoutExpired:
        return None
    line = untrusted.printable(ended.stderr.decode(errors="backslashreplace").strip().split("\n")[0][:300])
    return "" if ended.returncode == 0 else line or "borg check ended with %d" % ended.returncode
