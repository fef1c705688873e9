# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Changing what opens the repositories, for borg-passphrase.service and borg-ssh-key.service.

Neither changes anything on this machine: when all repositories are opened by what is new, systemd has root put it in the place of the old.
"""

from __future__ import annotations

import json

from rootless_backup import credentials
from rootless_backup.borg import call, init, ssh, state
from rootless_backup.voice import JOURNAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless_backup.borg.engine import Engine
    from rootless_backup.borg.repository import Repository

# One passphrase a line: the last is to open all repositories, each of the others may open some until then.
PASSPHRASES = "borg.passphrase-next"
SSH_KEY = "borg.ssh-key-next"


class Opened:
    """A repository, the line of the passphrase that opens it, counted from 1, and how it is encrypted."""

    def __init__(self, repository: Repository, line: int, mode: str) -> None:
        self.repository, self.line, self.mode = repository, line, mode


def passphrase(used: Engine) -> bool:
    """Have the last passphrase open all repositories, or leave them as they are. Return whether it does."""
    with open(credentials.path(PASSPHRASES), encoding="utf-8", errors="surrogateescape") as file:
        last = len(file.read().rstrip("\n").split("\n"))
    opened = []
    for repository in initialised(used):
        access = look(repository, range(1, last + 1))
        if access is None:
            JOURNAL.error("The passphrase was changed nowhere. Mend what is said above, and run the playbook again.")
            return False
        opened.append(access)
    changed = []
    # What has no passphrase is opened by the first, and stays as it is.
    for access in opened:
        if access.mode != "none" and access.line != last:
            changed.append(access)
            if not give(access.repository, access.line, last):
                take_back(changed, last)
                return False
            JOURNAL.info("%s: the passphrase is changed" % access.repository.location)
    # Each in any case: an earlier change may have been broken off before it came to this.
    exported = [init.export_key(access.repository, access.mode) for access in opened]
    return all(exported)


def initialised(used: Engine) -> list[Repository]:
    """The repositories that are there: one that is still to be initialised gets what is new anyway."""
    return [used.open(location) for location in used.repositories if state.is_stamped(location)]


def look(repository: Repository, lines: Iterable[int]) -> Opened | None:
    """Find the passphrase of a repository. None: none of them opens it, or it cannot be reached, which was told."""
    for line in lines:
        listed = call.borg(
            repository,
            "list",
            "--json",
            "--last",
            "1",
            repository.location,
            quiet={"PassphraseWrong"},
            more={"BORG_PASSCOMMAND": read(line)},
        )
        if listed.ok:
            return Opened(repository, line, json.loads(listed.output)["encryption"]["mode"])
        if not listed.quieted:
            repository.explain()
            return None
    repository.voice.error("%s: neither the passphrase of this machine nor the new one opens it" % repository.location)
    return None


def give(repository: Repository, old: int, new: int) -> bool:
    """Change the passphrase of a repository from that of one line to that of another. Return whether the new one opens it."""
    variables = call.new_passphrase(credentials.path(PASSPHRASES), new)
    call.borg(repository, "key", "change-passphrase", repository.location, more={"BORG_PASSCOMMAND": read(old), **variables})
    # Borg exits with 0 as well if it took the old one for the new one.
    return look(repository, [new]) is not None


def take_back(changed: list[Opened], last: int) -> None:
    """Give repositories the passphrases that they had."""
    stuck = []
    for access in reversed(changed):
        current = look(access.repository, [access.line, last])
        if current is None or (current.line == last and not give(access.repository, last, access.line)):
            stuck.append(access.repository.location)
    if stuck:
        JOURNAL.error(
            "%s may have the new passphrase already. This machine has both: run the playbook again, which goes on." % ", ".join(stuck)
        )
    else:
        JOURNAL.error("The old passphrase opens all repositories still. Mend what is said above, and run the playbook again.")


def read(line: int) -> str:
    """The command that prints a passphrase."""
    return "sed -n %dp %s" % (line, credentials.path(PASSPHRASES))


def ssh_key(used: Engine) -> bool:
    """See whether the new SSH key is let in to all remote repositories. Return whether it is."""
    key = credentials.path(SSH_KEY)
    refused = []
    for repository in initialised(used):
        if call.is_local(repository.location):
            continue
        if not call.borg(
            repository, "list", "--json", "--last", "1", repository.location, more={"BORG_RSH": " ".join(ssh.command(key))}
        ).ok:
            repository.explain(key)
            refused.append(repository.location)
    if refused:
        JOURNAL.error("The old SSH key stays in use. When the new one is let in, run the playbook again.")
    return not refused
