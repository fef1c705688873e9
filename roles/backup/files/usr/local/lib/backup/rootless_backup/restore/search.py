# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is in the archives."""

from __future__ import annotations

import json
import os
import re

from rootless_backup import engine, untrusted
from rootless_backup.figures import size
from rootless_backup.paths import shell_pattern
from rootless_backup.restore.terminal import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def named(repository: engine.Repository, name: str) -> str:
    """The whole name of an archive. Refused: there is none to be the latest."""
    series = {"latest": engine.FILES, "latest-dumps": engine.DUMPS}.get(name)
    return repository.newest_to_restore(series) if series else name.removeprefix("::")


def all_of(repository: engine.Repository) -> list[str]:
    """All archives of this host, newest first."""
    names = [name for series in engine.SERIES for name in repository.archives(series)]
    return sorted(names, key=engine.age, reverse=True)


def list_all(repository: engine.Repository, archive: str | None) -> bool:
    """Print the archives of this host, whole or not, or all that is in one. Return whether that could be told."""
    if archive is None:
        names = [*all_of(repository), *(name for series in engine.SERIES for name in repository.archives(series, incomplete=True))]
        say_each(sorted(names, key=engine.age))
        if any(map(engine.is_to_come, names)):
            tell("\nThe first of them are of a time to come: a clock was ahead when they were made, or is behind now.")
        others = repository.others()
        if others:
            tell("\nOf no host that is called like this one, so that no rule of it keeps or forgets them:")
            for name in others:
                tell(name)
            tell("What another host still uses it forgets itself; the rest stays until you decide: `%s`." % repository.removal())
        return True
    return repository.look_through(named(repository, archive), lambda item: untrusted.say(untrusted.printable(line_of(item))))


def say_each(lines: Iterable[str]) -> None:
    """Print lines for as long as somebody reads."""
    for line in lines:
        if not untrusted.say(untrusted.printable(line)):
            return


def find(repository: engine.Repository, archive: str | None, pattern: str) -> bool:
    """Print a line for each version of what matches, in one archive or in all. Return whether there was any."""
    wanted = pattern.strip("/") if "/" in pattern else "**/" + pattern
    # To the engine a pattern is also of all that is below what it matches.
    exactly = re.compile(shell_pattern(wanted, below=False), re.DOTALL)
    versions, ok = set(), True
    for full_name in [named(repository, archive)] if archive else all_of(repository):
        items = repository.contents(full_name, engine.Wanted(matching=[wanted]))
        ok = ok and items is not None
        for item in items or ():
            version = (item["path"], item["size"], item["mtime"])
            if version not in versions and exactly.fullmatch(item["path"]):
                versions.add(version)
                if not untrusted.say(untrusted.printable("%s  %s" % (full_name, line_of(item)))):
                    return True
    if not versions and ok:
        tell("backupctl find: nothing in the archives matches %s" % pattern)
    return ok and bool(versions)


def show(repository: engine.Repository, archive: str, path: str) -> bool:
    """Print what is in an archive directly below a path. Return whether there was anything."""
    archive, path = named(repository, archive), os.path.normpath("/" + path).strip("/")
    items = repository.contents(archive, engine.Wanted(below=[path] if path else []))
    say_each(line_of(item) for item in items or () if path in (item["path"], os.path.dirname(item["path"])))
    if items == []:
        tell("backupctl show: archive %s holds no /%s; see backupctl find" % (archive, path))
    return bool(items)


def tell_items(repository: engine.Repository, archive: str) -> bool:
    """Tell a program what is in an archive, as `listing` reads it. Return whether that could be told."""
    archive = named(repository, archive)
    said: list[bool] = []

    def say(what: object) -> None:
        # Whoever reads no more is told no more.
        if all(said):
            said[:] = [untrusted.say(json.dumps(what))]

    def take(item: engine.Item) -> None:
        if not said:
            # Now: before it nothing says whether there is such an archive.
            say(archive)
        say(item)

    ok = repository.look_through(archive, take)
    if ok and not said:
        say(archive)
    return ok


def tell_name(repository: engine.Repository, archive: str) -> bool:
    """Tell a program the whole name of an archive, as `listing` reads it."""
    untrusted.say(json.dumps(named(repository, archive)))
    return True


def diff(repository: engine.Repository, older: str, newer: str, path: str) -> bool:
    """Print what is different between two archives, at and below a path. Return whether that could be told."""
    older, newer, path = named(repository, older), named(repository, newer), os.path.normpath("/" + path).strip("/")
    changes = repository.changes(older, newer, engine.Wanted(below=[path] if path else []))
    say_each(map(line_of_change, changes or ()))
    if changes == []:
        tell("backupctl diff: %s is the same in %s and %s" % (untrusted.printable("/" + path), older, newer))
    return changes is not None


def line_of_change(change: engine.Change) -> str:
    counts = (("+", change["more"]), ("-", change["less"]))
    more, less = (sign + size(count) if count else "" for sign, count in counts)
    belongings = "  (%s)" % ", ".join(change["belongings"]) if change["belongings"] else ""
    return "%-13s %10s %10s  /%s%s" % (engine.CHANGES[change["kind"]], more, less, change["path"], belongings)


def line_of(item: engine.Item) -> str:
    link = " -> " + item["linktarget"] if item["mode"].startswith("l") else ""
    return "%s %-8s %-8s %12d %s /%s%s" % (item["mode"], item["user"], item["group"], item["size"], item["mtime"][:19], item["path"], link)
