# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""Bring a generation back: beside, for whoever looks what is in it, or in place of what the account has."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time

from rootless_backup import statefile, tree, untrusted
from rootless_backup.repository import accounts, clock, generations, keeping, listing, sessions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless_backup.repository.accounts import Account

FORMS = ("%Y-%m-%dT%H-%M-%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


class Impossible(Exception):
    """It cannot be brought back; the text says why, and what can be done."""


def chosen(account: Account, at: str) -> str:
    """The newest generation that is not younger than a time in UTC; the newest of all, if none is given. Impossible: there is none."""
    made = generations.names(keeping.path_of(account))
    # By what the clock said; the one that was made last is the last all the same.
    known = sorted(made)
    if not known:
        raise Impossible("there is no generation of %s yet" % account["name"])
    if not at:
        return made[-1]
    for form in FORMS:
        with contextlib.suppress(ValueError):
            wanted = time.strptime(at, form)
            # Of a day all of it.
            limit = time.strftime(generations.NAME, wanted) if form != FORMS[-1] else time.strftime("%Y-%m-%dT23-59-59Z", wanted)
            older = [name for name in known if name <= limit]
            if not older:
                raise Impossible("there is no generation of %s as old as that; the oldest is %s" % (account["name"], known[0]))
            return older[-1]
    raise Impossible("--at: %s is not allowed. Use a time in UTC, as in 2026-01-31, 2026-01-31 14:00 or %s" % (at, known[-1]))


def beside(account: Account, name: str) -> str:
    """Lay a generation down where only root comes, and return its path. It stays until somebody removes it."""
    directory = os.path.join(os.path.dirname(account["home"]), ".restored")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    path = os.path.join(directory, "%s-%s" % (account["account"], name))
    if os.path.lexists(path):
        raise Impossible("%s is there already; remove it first, or use it" % path)
    os.mkdir(path, 0o700)
    lay(os.path.join(keeping.path_of(account), name), path)
    return path


def lay(generation: str, path: str) -> None:
    """Make a tree of a generation in an empty directory."""
    source = os.open(generation, listing.DIRECTORY)
    try:
        if not generations.link_all(source, path, listing.of(source)):
            raise Impossible("%s is not whole any more" % generation)
    finally:
        os.close(source)


def in_place(account: Account, name: str) -> None:
    """Put a generation in the place of the repository. The account is let in by nobody meanwhile, and its sessions end."""
    directory = keeping.path_of(account)
    if not os.path.isdir(account["home"]):
        raise Impossible("%s is not there: is the disk of the repositories mounted?" % account["home"])
    statefile.write(accounts.closed(account), "")
    try:
        accounts.let_in()
        if accounts.is_ours(account):
            sessions.end({account["uid"]})
        now = time.time()
        new = os.path.join(directory, ".restoring")
        if os.path.lexists(new):
            shutil.rmtree(new)
        os.mkdir(new, 0o700)
        lay(os.path.join(directory, name), new)
        home = os.open(account["home"], listing.DIRECTORY)
        try:
            replace(account, home, new, now)
        finally:
            os.close(home)
    finally:
        os.unlink(accounts.closed(account))
        accounts.let_in()


def replace(account: Account, home: int, new: str, now: float) -> None:
    """Exchange the repository in an open home for a tree of root's, which becomes the account's. What was there is kept as a generation."""
    directory = os.path.dirname(new)
    repository = keeping.opened(account)
    if repository is not None:
        try:
            count = clock.stood(now, lambda: keeping.newest(accounts.read(), now))
            # Whatever is wrong with what was there, it does not keep what is good from coming back.
            try:
                clock.note(now, count)
                generations.make(repository, directory, now, count)
            except (listing.Odd, generations.Restless, OSError) as trouble:
                untrusted.say("What was there is not kept: %s" % untrusted.reason(trouble))
            keep_nonce(repository, new)
        finally:
            os.close(repository)
    for top, _below, files in os.walk(new):
        os.chown(top, account["uid"], account["uid"])
        for file in files:
            path = os.path.join(top, file)
            if os.lstat(path).st_nlink == 1:
                os.chown(path, account["uid"], account["uid"])
    replaced = os.path.join(directory, ".replaced")
    if os.path.lexists(replaced):
        tree.remove(replaced)
    with contextlib.suppress(FileNotFoundError):
        os.rename("repository", replaced, src_dir_fd=home)
    os.rename(new, "repository", dst_dir_fd=home)
    if os.path.islink(replaced) or not os.path.isdir(replaced):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(replaced)
        return
    # Whoever is still in it makes nothing anew there.
    os.chown(replaced, 0, 0)
    tree.remove(replaced)


def keep_nonce(repository: int, new: str) -> None:
    """Count on from where the account was: with what was counted twice, two texts could be compared that were encrypted."""
    with contextlib.suppress(OSError, ValueError):
        opened = os.open("nonce", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=repository)
        with open(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return
            now = file.read(64).strip()
        path = os.path.join(new, "nonce")
        with open(path, "rb") as file:
            then = file.read(64).strip()
        if int(now, 16) > int(then, 16):
            with open(path, "wb") as file:
                file.write(now)
