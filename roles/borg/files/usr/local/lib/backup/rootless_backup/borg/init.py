# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Initialising repositories, for borg-init.service."""

from __future__ import annotations

import json
import os

from rootless_backup.borg import state
from rootless_backup.borg.call import borg, is_local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless_backup.borg.call import Run
    from rootless_backup.borg.engine import Engine
    from rootless_backup.borg.repository import Repository

ABSENT = frozenset({"Repository.DoesNotExist", "Repository.InvalidRepository"})


def initialise(engine: Engine, repositories: Iterable[Repository]) -> bool:
    """Initialise each repository that does not exist and never did. Return whether all are usable."""
    if engine.borg["encryption"] == "none":
        # Only where that is wanted, and only here: a repository of others in place of an encrypted one stays an error later.
        os.environ["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] = "yes"
    done = [repository.attempt(initialise_one) for repository in repositories]
    return all(done)


def initialise_one(repository: Repository) -> bool:
    """Make sure that the repository is there, and the one that it was. Return whether it is."""
    location, voice = repository.location, repository.voice
    found = borg(repository, "info", "--json", location, quiet=ABSENT)
    known = state.read_stamp(location)
    if not found.ok:
        made = make(repository, found, known)
        if made is None:
            return False
        found = made
    answer = json.loads(found.output)
    if known is not None and answer["repository"]["id"] != known:
        voice.error(
            "%s: this is repository %s, but %s was initialised there. If the change is meant, delete %s first."
            % (location, answer["repository"]["id"], known, state.stamp(location))
        )
        return False
    if not export_key(repository, answer["encryption"]["mode"]):
        return False
    # Last: with the stamp in place nothing of this is done again.
    state.write_stamp(location, answer["repository"]["id"])
    return True


def make(repository: Repository, found: Run, known: str | None) -> Run | None:
    """Make a repository where none was found. Return the call of Borg that tells of it; None: there is none, and why was told."""
    location, voice, encryption = repository.location, repository.voice, repository.settings["encryption"]
    if "Cache.CacheInitAbortedError" in found.ids:
        voice.error(
            "%s is not encrypted, but borg_encryption is %s. If it is the repository that is meant, set borg_encryption to "
            "none." % (location, encryption)
        )
        return None
    if not found.quieted:
        repository.explain()
        return None
    if known is not None:
        voice.error(
            "%s is not there, but repository %s was initialised there once. Is its disk mounted? If it is lost for "
            "good and a new one shall begin, delete %s first." % (location, known, state.stamp(location))
        )
        return None
    parents = [] if is_local(location) else ["--make-parent-dirs"]
    if not borg(repository, "init", "--encryption", encryption, *parents, location).ok:
        repository.explain()
        return None
    voice.info("%s: initialised" % location)
    made = borg(repository, "info", "--json", location)
    return made if made.ok else None


def export_key(repository: Repository, mode: str) -> bool:
    """Keep the key of the repository beside it: without it nothing in it can be read. Return whether that succeeded."""
    key = state.exported_key(repository.location)
    os.makedirs(os.path.dirname(key), exist_ok=True)
    if mode == "none":
        with open(key, "w", encoding="ascii") as file:
            file.write("This repository is not encrypted: it has no key.\n")
        return True
    return borg(repository, "key", "export", repository.location, key).ok
