# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""A tree that goes from one user to the next."""

from __future__ import annotations

import grp
import os
import pwd
import resource
import stat
import subprocess
import sys

from rootless_backup import untrusted


def identity(user: str, group: str) -> tuple[int, int]:
    """The numbers of a user and a group; its own if none is named."""
    account = pwd.getpwnam(user)
    return account.pw_uid, grp.getgrnam(group).gr_gid if group else account.pw_gid


def hand_over(directory: str, user: int, group: int) -> None:
    """Give a tree to its next reader. What is in it was made by the one before, who may still be at work in it: no link is followed, and
    nothing is given that was not theirs."""
    # Each directory in another takes some calls and two descriptors; an engine lays down none deeper than a path can be long.
    sys.setrecursionlimit(50_000)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192 if hard == resource.RLIM_INFINITY else min(8192, hard), hard))
    top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        before = os.fstat(top).st_uid
        give_entries(top, before, user, group)
        os.fchown(top, user, group)
    finally:
        os.close(top)


def give_entries(directory: int, before: int, user: int, group: int) -> None:
    for name in os.listdir(directory):
        # Opened for nothing but to look at it: a FIFO would wait, and a device could act.
        opened = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=directory)
        try:
            file_stat = os.fstat(opened)
            if file_stat.st_uid != before:
                untrusted.die("backupctl restore-db: %r was put where the dump is taken out, and is not of it; nothing was loaded" % name)
            if stat.S_ISDIR(file_stat.st_mode):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
                try:
                    if not os.path.samestat(os.fstat(inner), file_stat):
                        untrusted.die("backupctl restore-db: %r was exchanged for another directory; nothing was loaded" % name)
                    give_entries(inner, before, user, group)
                finally:
                    os.close(inner)
            # Of the very entry that was looked at, whatever has its name by now.
            os.chown("/proc/self/fd/%d" % opened, user, group)
        finally:
            os.close(opened)


def take_away(directory: str) -> None:
    """Remove a tree of somebody else. By rm(1), which goes by open directories, however deep."""
    subprocess.run(["rm", "--recursive", "--force", "--one-file-system", "--", directory], check=True)
