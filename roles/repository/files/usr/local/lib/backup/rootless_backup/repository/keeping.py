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

# In bytes: an inode and a size have 20 digits each at the most, of which no disk makes use.
MOST_KEPT = 40 * generations.MOST_GONE


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
        try:
            # Not before: on a disk that is full, what expired made the room for it.
            clock.note(now, count)
        except OSError as trouble:
            troubles.append("how long generations have stood could not be noted: %s" % untrusted.reason(trouble))
    finally:
        # Whatever it was that went wrong: who is refused does not come in, and who is not does.
        troubles += accounts.let_in()
        troubles += end_unwanted(config, now)
        for line in troubles:
            untrusted.tell(3, line)
    seen.note_room(config, now)
    return not troubles


def end_unwanted(config: accounts.Told, now: float) -> list[str]:
    """End the sessions that may not go on, and tell of whom. Return what kept them from it, a line or none, noted of whose they are."""
    try:
        for line in sessions.end_unwanted():
            untrusted.tell(4, line)
    except sessions.Unending as trouble:
        for account in config["accounts"]:
            if account["uid"] in trouble.uids:
                state = seen.read(account) or seen.nothing(now)
                with contextlib.suppress(Exception):
                    seen.write(account, {**state, "troubles": [*state["troubles"], "its session was to end, and does not"]})
        return [str(trouble)]
    except Exception as trouble:  # told, as all else is then
        return ["sessions that are to end could not be ended: %s" % untrusted.reason(trouble)]
    return []


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
    """Let expire what is old, and make what is due. Return what is there then."""
    directory = path_of(account)
    state: Seen = {**(seen.read(account) or seen.nothing(now)), "troubles": [], "refused": ""}
    # First: on a disk that is full it makes the room for what comes.
    generations.expire(directory, count, config["undelete_days"])
    repository = opened(account)
    files: dict[str, listing.File] = {}
    try:
        if repository is not None:
            state["troubles"] += make(repository, directory, now, count)
            files = listing.of(repository)
        elif generations.known(directory):
            state["troubles"].append(
                "its repository is not there any more: the machine deleted or moved it. `repositoryctl restore %s --in-place` brings the "
                "newest generation back" % account["name"]
            )
    except listing.Odd as trouble:
        state["troubles"].append("no generation was made: %s" % trouble)
        state["refused"] = "%s; it is let in no more as long as that is so" % trouble
    finally:
        if repository is not None:
            os.close(repository)
    # Of what cannot be counted the last count stands.
    if not state["refused"]:
        try:
            state["live"], state["held"] = generations.room(files, directory, gone(account, directory))
        except listing.Odd as trouble:
            state["refused"] = "%s; it is let in no more until some of them expire" % trouble
    # Not by what a restore or a check on the machine changes too, which save nothing.
    segments = (file.changed / 1e9 for name, file in files.items() if generations.SEGMENT.fullmatch(name))
    state["changed"] = max(segments, default=state["changed"])
    most = size_of(config["most"])
    if most and state["live"] + state["held"] > most:
        state["refused"] = (
            "it takes %s with what it deleted within %d days, and %s are allowed (repository_most), so it is let in no more until some of "
            "that expires" % (figures.size(state["live"] + state["held"]), config["undelete_days"], config["most"])
        )
    return seen.sampled(state, now)


def make(repository: int, directory: str, now: float, count: float) -> list[str]:
    """Make what is due. Return what kept it from being made, a line or none: what is there is counted all the same. Odd: see `listing`."""
    try:
        if generations.is_due(directory, count):
            generations.make(repository, directory, now, count)
    except generations.Restless as trouble:
        return ["no generation was made: %s" % trouble]
    except OSError as trouble:
        return ["no generation was made: %s" % untrusted.reason(trouble)]
    return []


def gone(account: Account, directory: str) -> dict[str, Gone]:
    """See `generations.gone`; kept from one time to the next. Odd: see there; what was kept stays then."""
    path = os.path.join(host.REPOSITORY_STATE, "seen", account["account"] + ".gone.json")
    before: dict[str, Gone] = {}
    with contextlib.suppress(FileNotFoundError, ValueError):
        before = {name: (following, files) for name, (following, files) in untrusted.read_json(path, MOST_KEPT).items()}
    files = generations.gone(directory, before)
    if files != before:
        statefile.write(path, json.dumps(files))
    return files


def size_of(text: str) -> float:
    """The bytes of a size as Borg takes it; 0: none is given."""
    return float(text[:-1]) * 1000 ** ("KMGT".index(text[-1]) + 1) if text else 0
