# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What makes archives, and all that the rest of the backup knows of it.

An engine is a package beside this module; which one this host has says `host.ENGINE_WORD`. Its module `engine` has a class `Engine`,
made with the settings of the frame, and that gives out repositories; both are what `Engine` and `Repository` are here. The frame decides
what is saved, when and as whom, proves that it is there, restores, drills and reports; how archives are kept, and what opens them, is the
engine's.

An archive is of a series and named PREFIX-SERIES-TIME, by `name_of`; one that is not whole has INCOMPLETE behind that.
What an engine warns of it says by the repository's `voice`: a file that changed, was replaced or vanished while it was read is a warning
and the run goes on; whatever else keeps something from being saved is an error, and what it happened to is not whole.
"""

from __future__ import annotations

import hashlib
import importlib
import time

from rootless_backup import host, settings, untrusted, voice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, TypedDict

    from rootless_backup.voice import Voice

    # Is called with the part that is done, from 0 to 1.
    Progress = Callable[[float], object]

    class Item(TypedDict):
        """What is told of one thing in an archive; `mode` as ls(1) shows it, `size` in bytes."""

        path: str
        mode: str
        user: str
        group: str
        size: int
        mtime: str
        linktarget: str

    class Change(TypedDict):
        """What is different between two archives about one thing. `path` as that of `Item`; `kind` is a key of CHANGES; `more` and `less`
        how many bytes came and went, None where nobody counted; `belongings` what is different beside its contents, for people.
        """

        path: str
        kind: str
        more: int | None
        less: int | None
        belongings: list[str]


# The kinds of changes between two archives, as people are told of them; "belongings": all but what is in it.
CHANGES = {"added": "added", "removed": "removed", "contents": "changed", "belongings": "same contents"}
FILES, DUMPS = SERIES = ("files", "dumps")
INCOMPLETE = ".incomplete"
# Of a line in JSON that tells of a file, in bytes. A path has no end on a disk: it is what an engine comes to, with 4096 directories open
# one in another. Each of their names has 255 bytes, JSON writes each as six, and of another name of a file both are told: 12.5 million.
LONGEST_LINE = 1 << 24
ELSEWHERE = (
    "%s was begun after this machine was rebuilt, and what was saved before is in %s: add --repository %d. When all is back, run "
    "`backupctl restored`; to have something out of %s until then, name its archive"
)
# The time in the name of an archive, digit by digit, as a shell pattern.
UTC_SECONDS = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z"


class Refused(Exception):
    """What cannot be done, a line each, for people."""


class NoSuchRepository(Refused):
    """Of that number or place there is none."""


def in_use() -> Engine:
    """The engine of this host."""
    name = settings.read(host.ENGINE_WORD)["engine"]
    used: Engine = importlib.import_module("rootless_backup.%s.engine" % name).Engine(settings.read())
    return used


def name_of(prefix: str, series: str, begun: str) -> str:
    """The name of the archive of a series that was begun at a time, which can be a pattern."""
    return "%s-%s-%s" % (prefix, series, begun)


def time_of(archive: str) -> str:
    """The time in the name of an archive."""
    return archive.removesuffix(INCOMPLETE)[-len("2026-01-31T02:00:00Z") :]


def is_to_come(archive: str) -> bool:
    """Whether an archive is of a time to come: a clock was ahead when it was made, or is behind now."""
    return time_of(archive) > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def age(archive: str) -> tuple[bool, str]:
    """What archives of a host are sorted by, oldest first. What is made by a clock that is right is newer than all of a time to come."""
    return not is_to_come(archive), time_of(archive)


def digest(location: str) -> str:
    """The name of a file that is of a repository."""
    return hashlib.sha256(location.encode()).hexdigest()


def sandbox(restoring: bool, network: bool) -> list[str]:
    """The properties of a unit in which archives are opened by hand: its user, what it may do, and its environment.

    `restoring`: it writes below the places that are given to it, with all that belongs to files, and nothing else.
    """
    import json

    with open(host.SANDBOXES, encoding="utf-8") as file:
        sandboxes: dict[str, dict[str, list[str]]] = json.load(file)
    return sandboxes["restore" if restoring else "read"]["remote" if network else "local"]


class Wanted:
    """What is meant of an archive: paths without the slash at their beginning. If nothing is said, all of it.

    `below`: these and all that is below them; `exactly`: these alone; `matching`: what matches, and all below it, where `*` and `?` are
    of a name, `**/` is any number of directories, and `[…]` a character. `without`: none of these, nor what is below them.
    """

    def __init__(
        self, below: Iterable[str] = (), exactly: Iterable[str] = (), matching: Iterable[str] = (), without: Iterable[str] = ()
    ) -> None:
        self.below, self.exactly, self.matching, self.without = list(below), list(exactly), list(matching), list(without)


class Made:
    """What came of making an archive."""

    def __init__(
        self,
        whole: bool = False,
        there: bool = False,
        reachable: bool = True,
        files: int = 0,
        original_size: int = 0,
        deduplicated_size: int = 0,
        seconds: float = 0.0,
        again: float | None = None,
        foreign: bool = False,
        repository_size: int | None = None,
    ) -> None:
        # Whether all that the roots lead to could be read and is in it; if not, why not has been told.
        self.whole = whole
        # If what was not saved may be by trying again, after how many seconds.
        self.again = again
        # Whether the repository is not the one that was meant: nothing more is written into it.
        self.foreign = foreign
        # Whether an archive of that name is there now, whole or not.
        self.there = there
        # Whether the repository let this host in; if not, it is not asked again in this run.
        self.reachable = reachable
        # How many files, how many bytes they have, and how many of these were new to the repository.
        self.files, self.original_size, self.deduplicated_size = files, original_size, deduplicated_size
        self.seconds = seconds
        # How many bytes all that the repository holds has there; None: nobody knows.
        self.repository_size = repository_size


class Files:
    """What the files in an archive have to be, for who holds to it what was taken out. Paths are as `Item` has them."""

    def __init__(self) -> None:
        # How many bytes a file has; None where two have names that an archive does not tell apart.
        self.sizes: dict[str, int | None] = {}
        self.directories: set[str] = set()
        # More names of a file: what the first one is.
        self.links: dict[str, str] = {}
        # Of which the repository lost something, that was replaced by zeros.
        self.damaged: set[str] = set()

    def add(self, item: Item, damaged: bool = False) -> None:
        """Take what is told of one thing. `mode` of what is another name of a file begins with `h`."""
        path = item["path"]
        if item["mode"].startswith("h"):
            self.links[path] = item["linktarget"]
        elif item["mode"].startswith("d"):
            self.directories.add(path)
        elif item["mode"].startswith("-"):
            self.sizes[path] = None if path in self.sizes else item["size"]
            if damaged:
                self.damaged.add(path)


class Taken:
    """What came of taking something out of an archive."""

    def __init__(self, ok: bool, begun: bool, known: bool) -> None:
        # Whether all of it came, with all that belongs to it; if not, why not has been told.
        self.ok = ok
        # Whether the engine came to its end by itself: what did not come is not in the archive, or was told of.
        self.begun = begun
        # Whether there is such an archive, as far as it was looked.
        self.known = known


class Engine:
    """The engine, for one process. `settings`: those of the frame."""

    # What people call it.
    title = ""
    # The locations of the repositories, in order, as people name them.
    repositories: Sequence[str] = ()

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def own(self) -> list[str]:
        """The directories that are the engine's own, with its local repositories: never saved, and nothing is restored into them."""
        raise NotImplementedError

    def alone(self) -> AbstractContextManager[None]:
        """A context in which no other task of this host uses the engine; it is waited for."""
        raise NotImplementedError

    def kept_from_change(self, location: str) -> AbstractContextManager[None]:
        """A context in which no task of this host takes anything out of a repository, for who only reads it. Root enters it."""
        raise NotImplementedError

    def borrow_state(self, tell: Callable[[str], object]) -> None:
        """Have this process use a copy of what the engine knows, which ends with it: it has more rights than who could write there.

        `tell`: called with a text for each part that is left out.
        """
        raise NotImplementedError

    def properties(self, location: str, restoring: bool = False) -> list[str]:
        """What systemd-run(1) is told of a unit that opens a repository, or restores from it: what `sandbox` gives, and more."""
        raise NotImplementedError

    def open(self, location: str, voice: Voice = voice.JOURNAL, reading: bool = False) -> Repository:
        """The repository there. `reading`: by who cannot lock it, since it is another's; see `kept_from_change`."""
        raise NotImplementedError

    def repository(self, choice: int | str, voice: Voice = voice.JOURNAL, reading: bool = False) -> Repository:
        """The repository of a number, from 1, or of a place. NoSuchRepository: there is none."""
        locations = {str(number): location for number, location in enumerate(self.repositories, 1)}
        location = locations.get(str(choice), str(choice).rstrip("/"))
        if location not in self.repositories:
            choices = ", ".join("%s (%s)" % entry for entry in locations.items())
            raise NoSuchRepository("there is no repository %s; there are %s" % (untrusted.printable(str(choice)), choices))
        return self.open(location, voice, reading)


class Repository:
    """Where archives are kept. All that goes wrong is told by its `voice`; nothing asks a question."""

    def __init__(self, engine: Engine, location: str, voice: Voice, reading: bool = False) -> None:
        self.engine, self.location, self.voice, self.reading = engine, location, voice, reading
        self.prefix = engine.settings["prefix"]

    def make(
        self, archive: str, series: str, roots: list[str], excludes: list[str], one_file_system: bool, seen: Callable[[str, bool], object]
    ) -> Made:
        """Make an archive of all below the roots, which are absolute paths. Return `Made`.

        `excludes`: patterns as those of `Wanted.matching`, but absolute. `one_file_system`: what is mounted below a root is left out.
        `seen(path, is_directory)` is called with what is in the archive and could be read: each directory, and each of the roots at least.
        """
        raise NotImplementedError

    def remove(self, archive: str) -> bool:
        """Take an archive away. Return whether it is gone."""
        raise NotImplementedError

    def archives(self, series: str, incomplete: bool = False) -> list[str]:
        """The names of the archives of a series of this host, oldest first by `age`: of those that are whole, or of those that are not.
        Refused: they cannot be listed.
        """
        raise NotImplementedError

    def contents(self, archive: str, wanted: Wanted) -> list[Item] | None:
        """What is in an archive; None: that cannot be told.

        Each is `{"type", "mode", "user", "group", "size", "mtime", "linktarget", "path"}`: the mode as ls(1) shows it, the size in bytes,
        the time as YYYY-MM-DDTHH:MM:SS and more.
        """
        raise NotImplementedError

    def look_through(self, archive: str, seen: Callable[[Item], object]) -> bool:
        """Call `seen` with each thing in an archive, as `contents` gives it: there may be millions. Return whether all could be told."""
        items = self.contents(archive, Wanted())
        for item in items or ():
            seen(item)
        return items is not None

    def changes(self, older: str, newer: str, wanted: Wanted) -> list[Change] | None:
        """What is different between two archives, by path; None: that cannot be told. What was only read or touched is no change."""
        raise NotImplementedError

    def files(self, archive: str, wanted: Wanted) -> Files | None:
        """What the files in an archive have to be; None: that cannot be told."""
        raise NotImplementedError

    def size(self, archive: str) -> int:
        """How many bytes are in an archive. Refused: that cannot be told."""
        raise NotImplementedError

    def take(
        self, archive: str, wanted: Wanted, plain: bool = False, strip: int = 0, demand: bool = False, progress: Progress | None = None
    ) -> Taken:
        """Take files out of an archive, into the working directory. Return `Taken`.

        `plain`: it does not matter whose they were; else all that belongs to them comes with them. `strip`: so many directories at the
        beginning of each path are left out. `demand`: one of `wanted.below` that is not in the archive is an error. `progress`: called now
        and then with the part that is done, from 0 to 1.
        """
        raise NotImplementedError

    def forget(self, keep: dict[str, int], incomplete: bool = False, spare: Collection[str] = ()) -> tuple[bool, list[str]]:
        """Forget archives of this host, of each series by itself. Return whether that succeeded, and the names of those that stay.

        `keep`: `{"daily", "weekly", "monthly"}`, of how many of these the newest stays; or `{"last"}`. `incomplete`: of those that are not
        whole, else of those that are. `spare`: these stay too. One of a time to come takes no place of the others, and the newest by `age`
        always stays.
        """
        raise NotImplementedError

    def compact(self) -> bool:
        """Give back the room of what was forgotten. Return whether that succeeded."""
        raise NotImplementedError

    def make_room(self, keep: dict[str, int], lacking: Collection[str] = (), spare: Collection[str] = ()) -> bool:
        """Forget what the rules do not keep and give back its room, on a disk that may be full. Return whether that succeeded.

        `lacking`: archives that are not whole, though their names do not say so. `spare`: these stay.
        """
        return self.drop(lacking) and self.forget(keep, spare=spare)[0] and self.compact()

    def drop(self, lacking: Collection[str]) -> bool:
        """Remove these archives where there are others, so that they take the place of no whole one. Return whether that succeeded."""
        stay: list[str] = []
        for series in SERIES if lacking else ():
            archives = self.archives(series)
            if set(archives).difference(lacking):
                stay += [archive for archive in archives if archive in lacking and not self.remove(archive)]
        return not stay

    def room(self) -> tuple[int, int] | None:
        """How many bytes are free where the repository is, and how many there are at all; None: nobody knows."""
        return None

    def removal(self) -> str:
        """The command that removes an archive of this repository, which it calls ARCHIVE."""
        raise NotImplementedError

    def others(self) -> dict[str, str]:
        """All archives that are none of this host's, as it is called now: no rule keeps them, and nothing forgets them.

        `{name: when it was made, in ISO 8601}`.
        """
        return {}

    def verify(self) -> bool:
        """Look for damage, for as long as the settings say, from where the last time ended. Return whether none was found."""
        raise NotImplementedError

    def explain(self) -> None:
        """Say what can be found out about why the repository could not be used."""

    def whole(self, series: str) -> list[str]:
        """As `archives`, without those that are not whole though their names do not say so."""
        from rootless_backup.records import unfinished

        try:
            lacking = unfinished.names(self.location)
        except (OSError, ValueError) as trouble:
            self.voice.warning("%s counts as empty: %s" % (unfinished.path(self.location), untrusted.reason(trouble)))
            lacking = set()
        return [name for name in self.archives(series) if name not in lacking]

    def newest(self, series: str) -> str:
        """The name of the newest whole archive of a series. Refused: there is none."""
        names = self.whole(series)
        if not names:
            raise Refused("there is no archive %s-%s-… in %s" % (self.prefix, series, self.location))
        if is_to_come(names[0]) and not is_to_come(names[-1]):
            self.voice.warning(
                "%s is of a time to come, so a clock was ahead when it was made, and it does not count as the newest: name it to have it"
                % max(filter(is_to_come, names))
            )
        return names[-1]

    def newest_to_restore(self, series: str) -> str:
        """The name of the archive that a restore takes if none is named. On a machine that was rebuilt it is the newest from before, until
        somebody says that all is back: what was saved since then is of a machine that lacks something. Refused: there is none, or what was
        before is in another repository.
        """
        from rootless_backup.records import before

        known = before.read(self.location)
        if known and not known["waits"] and not known["newest"]:
            for number, location in enumerate(self.engine.repositories, 1):
                other = before.read(location)
                if other and other["waits"]:
                    raise Refused(ELSEWHERE % (self.location, location, number, self.location))
        for name in known["newest"] if known and known["waits"] else ():
            if name in self.archives(series, incomplete=name.endswith(INCOMPLETE)):
                self.voice.warning(
                    "taken is %s, the newest from before this machine was rebuilt; name an archive to have a later one" % name
                )
                return name
        return self.newest(series)

    def attempt(self, action: Callable[..., bool], *arguments: object) -> bool:
        """One repository's trouble, of whatever kind, must not cost the others theirs. Return what the action does, False if it fails."""
        try:
            return action(self, *arguments)
        except Exception as trouble:  # told, and made a failure of the run
            self.voice.error("%s: %s: %s" % (self.location, type(trouble).__name__, untrusted.printable(str(trouble))))
            return False
