# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""Keep generations of all repositories: make what is due, let expire what is old, refuse who takes too much."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time

from rootless_backup import figures, host, statefile, untrusted
from rootless_backup.repository import accounts, clock, generations, listing, seen, sessions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless_backup.repository.accounts import Account
    from rootless_backup.repository.generations import Gone
    from rootless_backup.repository.seen import Seen


def path_of(account: Account) -> str:
    """Where the generations of an account are: beside the repositories, since hard links do not leave a file system."""
    return os.path.join(os.path.dirname(account["home"]), ".generations", account["account"])


def opened(account: Account) -> int | None:
    """The repository of an account, opened through no link; None: there is none. OSError: it cannot be opened."""
    home = os.open(account["home"], listing.DIRECTORY)
    try:
        return os.open("repository", listing.DIRECTORY, dir_fd=home)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    finally:
        os.close(home)


def keep() -> bool:
    """Keep generations of all repositories. Return whether nothing was wrong; what was is told."""
    config = accounts.read()
    now = time.time()
    count = clock.stood(now, lambda: newest(config, now))
    troubles = []
    try:
        accounts.reopen(config)
        for account in config["accounts"]:
            troubles += ["%s: %s" % (account["name"], line) for line in keep_one(account, config, now, count)]
    finally:
        # Whatever it was that went wrong: who is refused does not come in, and who is not does.
        troubles += accounts.let_in()
        for line in sessions.end_unwanted():
            untrusted.tell(4, line)
    seen.note_room(config, now)
    for line in troubles:
        untrusted.tell(3, line)
    return not troubles


def newest(config: accounts.Told, now: float) -> float:
    """The count at which the newest generation of all was made; if there is none, now."""
    return max((made for account in config["accounts"] for made, _name in generations.known(path_of(account))[-1:]), default=now)


def keep_one(account: Account, config: accounts.Told, now: float, count: float) -> list[str]:
    """Keep generations of one repository. Whatever goes wrong with it, the others are kept too. Return what is wrong, a line each."""
    try:
        state = kept(account, config, now, count)
        seen.write(account, state)
    except Exception as trouble:  # whatever it is; it is told
        line = "its repository could not be looked after: %s" % untrusted.reason(trouble)
        with contextlib.suppress(Exception):
            seen.write(account, {**(seen.read(account) or seen.nothing(now)), "troubles": [line]})
        return [line]
    return state["troubles"] + ([state["refused"]] if state["refused"] else [])


def kept(account: Account, config: accounts.Told, now: float, count: float) -> Seen:
    """Make what is due, and let expire what is old. Return what is there then."""
    directory = path_of(account)
    state: Seen = {**(seen.read(account) or seen.nothing(now)), "troubles": [], "refused": ""}
    repository = opened(account)
    files: dict[str, listing.File] = {}
    try:
        if repository is not None:
            if generations.is_due(directory, count):
                generations.make(repository, directory, now, count)
            files = listing.of(repository)
        elif generations.known(directory):
            state["troubles"].append(
                "its repository is not there any more: the machine deleted or moved it. `repositoryctl restore %s --in-place` brings the "
                "newest generation back" % account["name"]
            )
    except generations.Restless as trouble:
        assert repository is not None
        state["troubles"].append("no generation was made: %s" % trouble)
        files = listing.of(repository)
    except listing.Odd as trouble:
        state["troubles"].append("no generation was made: %s" % trouble)
        state["refused"] = "%s; it is let in no more as long as that is so" % trouble
    finally:
        if repository is not None:
            os.close(repository)
    generations.expire(directory, count, config["undelete_days"])
    deleted = gone(account, directory)
    live, held = generations.room(files, directory, deleted)
    # Of what cannot be counted the last count stands.
    state["live"], state["held"] = (live, held) if not state["refused"] else (state["live"], state["held"])
    state["changed"] = max((file.changed / 1e9 for file in files.values()), default=state["changed"])
    most = size_of(config["most"])
    if most and state["live"] + state["held"] > most:
        state["refused"] = (
            "it takes %s with what it deleted within %d days, and %s are allowed (repository_most), so it is let in no more until some of "
            "that expires" % (figures.size(state["live"] + state["held"]), config["undelete_days"], config["most"])
        )
    return seen.sampled(state, now)


def gone(account: Account, directory: str) -> dict[str, Gone]:
    """See `generations.gone`; kept from one time to the next."""
    path = os.path.join(host.REPOSITORY_STATE, "seen", account["account"] + ".gone.json")
    before: dict[str, Gone] = {}
    with contextlib.suppress(FileNotFoundError, ValueError), open(path, encoding="utf-8") as file:
        before = {name: (following, files) for name, (following, files) in json.load(file).items()}
    after = generations.gone(directory, before)
    if after != before:
        statefile.write(path, json.dumps(after))
    return after


def size_of(text: str) -> float:
    """The bytes of a size as Borg takes it; 0: none is given."""
    return float(text[:-1]) * 1000 ** ("KMGT".index(text[-1]) + 1) if text else 0
