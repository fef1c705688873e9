# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What `backupctl restore-db` asks of a hook of databases, and what comes of it."""

from __future__ import annotations

import contextlib
import json
import os

from rootless_backup import untrusted
from rootless_backup.databases.base import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Protocol

    class Item(Protocol):
        """A database to restore: `file` below $BACKUP_DUMP, as the database `into` of the server at `address`."""

        file: str
        into: str
        address: tuple[str, str]

        def rows(self) -> str:
            """How many rows were dumped, for people."""


# What comes of a database.
RESTORED, IN_PART, NOT = "restored", "restored in part", "not restored"
BEFORE = "came back before"
# Beside the request, a line of JSON each: a file of the dump that came back; or `{file: mark}` of one that is begun, with what is in its
# place for as long as it is not whole.
CAME_BACK = "came-back"


def asked_twice(items: Sequence[Item]) -> bool:
    """Whether two are to have the same name; then it is said."""
    places = [(item.address, item.into) for item in items]
    for into in {into for address, into in places if places.count((address, into)) > 1}:
        untrusted.tell(
            3,
            "%s is asked for more than once; nothing was restored. Restore them one by one, another under another name "
            "(--into NAME): %s" % (shown(into), ", ".join(item.file for item in items if item.into == into)),
        )
        return True
    return False


def came_back(file: str, request: dict[str, Any]) -> bool:
    """Whether what a file of the dump holds came back before, by what is asked for."""
    return file in request.get("back", [])


def note_back(file: str, request: dict[str, Any]) -> None:
    """Note that what a file of the dump holds is back: if the rest is not, nothing has to go over it."""
    note(file, request)


def note_begun(file: str, mark: str, request: dict[str, Any]) -> None:
    """Note that a file of the dump is about to be loaded: where its mark is then, what is there may be loaded anew."""
    note({file: mark}, request)


def mark_of(file: str, request: dict[str, Any]) -> str:
    """The mark of what a restore of all that broke off had begun to load of a file of the dump; nothing: it had not."""
    return str((request.get("begun") or {}).get(file, ""))


def note(what: object, request: dict[str, Any]) -> None:
    if request.get("all"):
        # Whatever keeps it from being noted, it is so.
        path = os.path.join(os.path.dirname(os.environ["BACKUP_REQUEST"]), CAME_BACK)
        with contextlib.suppress(OSError), open(path, "a", encoding="utf-8") as notes:
            notes.write(json.dumps(what) + "\n")
            notes.flush()
            os.fsync(notes.fileno())


def refuse(problems: Iterable[str]) -> bool:
    """Whether something stands in the way of a database; then it is said."""
    messages = list(problems)
    for problem in messages:
        untrusted.tell(3, problem)
    return bool(messages)


def say_all(results: Sequence[tuple[Item, float, str]]) -> None:
    """A table of what came of each database, and how many seconds it took."""
    lines = [("database", "rows", "seconds", "result")]
    lines += [(shown(item.into), item.rows(), "%.1f" % seconds, result) for item, seconds, result in results]
    first, second = (max(len(line[column]) for line in lines) for column in (0, 1))
    for name, rows, seconds, result in lines:
        untrusted.tell(6, "%s  %s  %s  %s" % (name.ljust(first), rows.rjust(second), seconds.rjust(7), result))
