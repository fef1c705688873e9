# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Initialising repositories, for borg-init.service."""

from __future__ import annotations

import json
import os
import tempfile

from rootless_backup import engine, statefile
from rootless_backup.borg import state
from rootless_backup.borg.call import borg, is_local
from rootless_backup.records import before

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless_backup.borg.call import Run
    from rootless_backup.borg.engine import Engine
    from rootless_backup.borg.repository import Repository

ABSENT = frozenset({"Repository.DoesNotExist", "Repository.InvalidRepository"})
# Borg knows the repository from another place.
MOVED = frozenset({"Cache.RepositoryAccessAborted"})


def initialise(used: Engine, repositories: Iterable[Repository]) -> bool:
    """Initialise each repository that does not exist and never did. Return whether all are usable."""
    if used.borg["encryption"] == "none":
        # Only where no encryption is wanted, and only here: later, a repository of others in place of an encrypted one stays an error.
        os.environ["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] = "yes"
    done = [repository.attempt(initialise_one) for repository in repositories]
    return all(done)


def initialise_one(repository: Repository) -> bool:
    """Make sure that the repository is there, and the one that it was. Return whether it is."""
    location, voice = repository.location, repository.voice
    run = borg(repository, "info", "--json", location, quiet=ABSENT | MOVED)
    known = state.read_stamp(location, voice)
    made = None
    if run.ids & MOVED:
        moved = accept_moved(repository, known)
        if moved is None:
            return False
        run = moved
    elif not run.ok:
        made = make(repository, run, known)
        if made is None:
            return False
        run = made
    answer = json.loads(run.output)
    if known is not None and answer["repository"]["id"] != known:
        voice.error(
            "%s: this is repository %s, but %s was initialised there. If the change is meant, delete %s first."
            % (location, answer["repository"]["id"], known, state.stamp(location))
        )
        return False
    if not export_key(repository, answer["encryption"]["mode"]):
        return False
    if made is not None:
        before.write(location, False, [])
    elif (was := before.look(repository))["waits"]:
        voice.warning(before.told(was))
    # Last: with the stamp in place nothing of this is done again.
    state.write_stamp(location, answer["repository"]["id"])
    return True


def accept_moved(repository: Repository, known: str | None) -> Run | None:
    """Let Borg use a repository that it knows from another place, if it is one of this host. Return the call of Borg that tells of it.

    This is asked only where the settings name a place: a task that meets a repository of another place fails.
    """
    location, voice = repository.location, repository.voice
    with tempfile.TemporaryDirectory() as empty:
        # Without what Borg knows of it: then it shows it, and notes nothing.
        unknown = {"BORG_SECURITY_DIR": empty, "BORG_CACHE_DIR": empty}
        run = borg(repository, "list", "--json", "--last", "1", location, more=unknown)
    if not run.ok:
        repository.explain()
        return None
    repository_id = json.loads(run.output)["repository"]["id"]
    others = {engine.digest(place) for place in repository.engine.repositories}
    moved_from = [digest for digest, stamp in state.stamps().items() if stamp == repository_id and digest not in others]
    if known not in (None, repository_id) or (known is None and repository_id not in state.stamps().values()):
        voice.error("%s: this is repository %s, which was never initialised by this host's settings" % (location, repository_id))
        return None
    elsewhere = [place for place in repository.engine.repositories if place != location and state.read_stamp(place, voice) == repository_id]
    if elsewhere:
        voice.error(
            "%s: this is repository %s, and so is %s: of copies Borg uses one. Give each place a repository of its own"
            % (location, repository_id, elsewhere[0])
        )
        return None
    moved = borg(repository, "info", "--json", location, more={"BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"})
    if not moved.ok:
        return None
    voice.warning(
        "%s: this is repository %s, which was at another place before. borg_repositories names this place now, so it is accepted here"
        % (location, repository_id)
    )
    for digest in moved_from:
        state.take_over(digest, location)
    return moved


def make(repository: Repository, run: Run, known: str | None) -> Run | None:
    """Make a repository where none was found. Return the call of Borg that tells of it; None: there is none, and why was told."""
    location, voice, encryption = repository.location, repository.voice, repository.settings["encryption"]
    if "Cache.CacheInitAbortedError" in run.ids:
        voice.error(
            "%s is not encrypted, but borg_encryption is %s. If it is the repository that is meant, set borg_encryption to "
            "none." % (location, encryption)
        )
        return None
    if not run.quieted:
        repository.explain()
        return None
    if known is not None or state.is_stamped(location):
        voice.error(
            "%s is not there, but repository %s was initialised there once. Is its disk mounted? If it is lost for "
            "good and a new one shall begin, delete %s first." % (location, known or "(which is not known any more)", state.stamp(location))
        )
        return None
    parents = [] if is_local(location) else ["--make-parent-dirs"]
    if not borg(repository, "init", "--encryption", encryption, *parents, location).ok:
        repository.explain()
        return None
    voice.info("%s: initialised" % location)
    state.set_authentic(location)
    made = borg(repository, "info", "--json", location)
    return made if made.ok else None


def export_key(repository: Repository, mode: str) -> bool:
    """Keep the key of the repository beside it: without it nothing in it can be read. Return whether that succeeded."""
    key = state.exported_key(repository.location)
    os.makedirs(os.path.dirname(key), exist_ok=True)
    text = "This repository is not encrypted: it has no key.\n"
    if mode != "none":
        with tempfile.TemporaryDirectory() as directory:
            if not borg(repository, "key", "export", repository.location, os.path.join(directory, "key")).ok:
                return False
            with open(os.path.join(directory, "key"), encoding="ascii") as file:
                text = file.read()
    statefile.write(key, text)
    return True
