# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Compare what was saved with what is here: `backupctl compare`."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import time

from rootless_backup import engine, paths, untrusted
from rootless_backup.control import codes
from rootless_backup.restore import leftovers, listing
from rootless_backup.restore.belonging import DIVIDED, TREES, Belonging, row_of
from rootless_backup.restore.dpkg import Packages
from rootless_backup.restore.services import remembered

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Sequence

    from rootless_backup.engine import Item

# Of a row so many paths are named, and so much of each, in characters.
NAMED, LONGEST_NAMED = 3, 1000
BACK, CHANGED, ABSENT, OTHER = range(4)
ELSEWHERE = "not among the paths that were asked for"


def main(options: argparse.Namespace) -> int:
    """Compare, and tell. Return the exit code."""
    if os.geteuid() != 0:
        untrusted.die("backupctl compare: only root may ask, since it tells of everybody's files", codes.NOT_ALLOWED)
    try:
        contents = listing.read("compare", engine.in_use(), options.repository, options.archive)
        compared = Comparison((os.path.normpath(path) for path in options.paths), remembered(contents.archive))
        for item in contents.items:
            compared.take(item)
        return 0 if compared.tell(contents.archive) else 1
    except engine.NoSuchRepository as refused:
        untrusted.die("backupctl compare: %s" % refused, codes.WRONG_USE)
    except (engine.Refused, OSError, untrusted.Untrustworthy) as trouble:
        untrusted.die("backupctl compare: %s" % untrusted.printable(str(trouble)))


class Row:
    """What was found of all that is in one row."""

    # No list of paths: there may be millions. `fresh`: the directories in which something was laid down beside.
    def __init__(self, fresh: Sequence[str]) -> None:
        self.counts = [0, 0, 0, 0]
        # The first paths that are not as they were, and why not.
        self.named: list[tuple[str, str]] = []
        # The directories that have all that is not here or not as it was, and all that was written to since.
        self.lacking = self.changed = list(fresh)

    def add(self, state: int, path: str, why: str) -> None:
        self.counts[state] += 1
        if state == CHANGED:
            self.changed = [top for top in self.changed if os.path.lexists(top + path)]
        if state in (ABSENT, OTHER):
            self.lacking = [top for top in self.lacking if os.path.lexists(top + path)]
            if len(self.named) < NAMED:
                self.named.append((path if len(path) <= LONGEST_NAMED else path[:LONGEST_NAMED] + "…", why))


class Comparison:
    """An archive, held to what is here. `chosen`: the paths that are to be back; none: all. `known`: see `remembered`."""

    def __init__(self, chosen: Iterable[str] = (), known: tuple[dict[str, str], int] | None = None) -> None:
        self.chosen = list(chosen)
        self.fresh = [leftover.path for leftover in leftovers.found() if leftover.note["fresh"]]
        # What was left by the restore of this archive, and when that began.
        self.known: dict[str, str] | None = None
        self.begun = 0
        if known:
            self.known, self.begun = known
        self.rows: dict[str, Row] = {}
        # What is elsewhere than where it was asked for.
        self.others: dict[str, Row] = {}
        self.user = Names(lambda number: pwd.getpwuid(number).pw_name)
        self.group = Names(lambda number: grp.getgrgid(number).gr_name)

    def take(self, item: Item) -> None:
        path = "/" + item["path"]
        if path == "/":
            return
        state, why = ABSENT, "is not there"
        # It may go while it is looked at.
        with contextlib.suppress(OSError):
            here = real(path)
            if here:
                state, why = self.judge(item, here, os.lstat(here))
        is_chosen = not self.chosen or any(paths.is_below(path, top) for top in self.chosen)
        (self.rows if is_chosen else self.others).setdefault(row_of(path), Row(self.fresh)).add(state, path, why)

    def judge(self, item: Item, path: str, file_stat: os.stat_result) -> tuple[int, str]:
        mode, here = item["mode"], stat.filemode(file_stat.st_mode)
        # `h` is another name of a file.
        if mode[:1] != here[0] and (mode[:1] != "h" or here[0] in "dl"):
            return OTHER, "is of another kind"
        user, group = self.user.of(file_stat.st_uid), self.group.of(file_stat.st_gid)
        if (user, group) != (item["user"], item["group"]):
            return OTHER, "belongs to %s:%s, and belonged to %s:%s" % (user, group, item["user"], item["group"])
        if mode[0] == "l":
            return (BACK, "") if os.readlink(path) == item["linktarget"] else (OTHER, "leads elsewhere")
        if mode[1:] != here[1:]:
            return OTHER, "has mode %s, and had %s" % (here, mode)
        if mode[0] not in "-h" or self.is_same(item, file_stat):
            return BACK, ""
        # What a package brought before is newer too, and was not written to since: of /etc and /var it is known when they came back.
        newer = time_of(file_stat) > item["mtime"][:19] and (not is_of_trees("/" + item["path"]) or file_stat.st_mtime >= self.begun)
        return (CHANGED, "") if newer else (OTHER, "has another size or time")

    def is_same(self, item: Item, file_stat: os.stat_result) -> bool:
        """Whether a file has its size and time. Of another name of a file the archive does not tell the size; its first one has it."""
        if time_of(file_stat) != item["mtime"][:19]:
            return False
        if item["mode"][0] == "-":
            return file_stat.st_size == item["size"]
        first = real("/" + item["linktarget"])
        first_stat = os.lstat(first) if first else None
        # Where the first name stayed away, or is another's, nothing more is known.
        return first_stat is None or time_of(first_stat) != item["mtime"][:19] or first_stat.st_size == file_stat.st_size

    def tell(self, archive: str) -> bool:
        """Tell what was found. Return whether nothing is missing."""
        left = self.left()
        ok = True
        untrusted.say(untrusted.printable("archive %s, compared with what is here:" % archive))
        for name in sorted({*self.rows, *self.others}):
            for rows, elsewhere in ((self.rows, ""), (self.others, ELSEWHERE)):
                if name in rows:
                    state, text = self.verdict(name, rows[name], left.get(name, "") or elsewhere)
                    ok = ok and state not in ("MISSING", "DIFFERS")
                    untrusted.say(untrusted.printable("%-8s %-40s %s" % (state, name, text)).rstrip())
        return ok

    def left(self) -> dict[str, str]:
        """The rows that are left on purpose, and why."""
        rows = [row for row in {*self.rows, *self.others} if any(paths.is_below(row, tree) for tree in TREES)]
        known = self.known
        if known is None:
            belonging = Belonging(rows, Packages(), lambda: None, None, host_keys=False)
            known = {row: belonging.why_left(row) for row in rows if not DIVIDED.fullmatch(row)}
        return known

    def verdict(self, name: str, row: Row, why: str) -> tuple[str, str]:
        """What is said of a row: in a word, and more."""
        absent, other = row.counts[ABSENT], row.counts[OTHER]
        # What is another's by now was written by another.
        lacking = absent + other + (row.counts[CHANGED] if why else 0)
        if not lacking or (DIVIDED.fullmatch(name) and not absent):
            changed = "; %d written to since" % row.counts[CHANGED] if row.counts[CHANGED] else ""
            return "back", "%d%s" % (sum(row.counts), changed)
        beside = next((top for top in row.lacking if not why or top in row.changed), "")
        # What was to come back in its place is none of that.
        if beside and (why or self.known is None or not is_of_trees(name)):
            return "beside", "%s%s%s" % (beside, name, ": " + why if why else "")
        if why:
            return "left", "%s; backupctl restore %s" % (why, name)
        named = "; ".join("%s %s" % example for example in row.named)
        return (
            "MISSING" if absent else "DIFFERS",
            "%d of %d: %s%s; backupctl restore --in-place %s"
            % (absent + other, sum(row.counts), named, "; …" if absent + other > NAMED else "", name),
        )


def is_of_trees(path: str) -> bool:
    return any(paths.is_below(path, tree) for tree in TREES)


class Names:
    """Names of numbers, each looked up once."""

    def __init__(self, look: Callable[[int], str]) -> None:
        self.look, self.known = look, dict[int, str]()

    def of(self, number: int) -> str:
        if number not in self.known:
            try:
                self.known[number] = self.look(number)
            except KeyError:
                self.known[number] = str(number)
        return self.known[number]


def real(path: str) -> str:
    """The path on this machine of what an archive tells so; nothing: it is not there. What is not UTF-8 in a name is told as `?`."""
    if os.path.lexists(path) or "?" not in path:
        return path if os.path.lexists(path) else ""
    directory = "/"
    # One by one: a path may have more directories than Python calls itself.
    for part in path.strip("/").split("/"):
        below = os.path.join(directory, part)
        directory = below if os.path.lexists(below) else named_so(directory, part)
        if not directory:
            break
    return directory


def named_so(directory: str, name: str) -> str:
    """The path of what is told by this name in a directory; nothing: it is not there."""
    try:
        names = os.listdir(directory) if "?" in name else []
    except OSError:
        return ""
    return next((os.path.join(directory, entry) for entry in names if entry.encode("utf-8", "replace").decode() == name), "")


def time_of(file_stat: os.stat_result) -> str:
    """As an archive tells it: in the time of this machine."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(file_stat.st_mtime))
