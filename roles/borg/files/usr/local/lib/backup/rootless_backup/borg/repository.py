# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""A repository of Borg's, and what is done with the archives in it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time

from rootless_backup import engine, tree
from rootless_backup.borg import policy, reserve, state
from rootless_backup.borg.call import borg, is_local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from rootless_backup.borg.call import Event
    from rootless_backup.borg.engine import Engine
    from rootless_backup.engine import Change, Files, Item, Made, Progress, Taken, Wanted
    from rootless_backup.voice import Voice

# Contents only: whose the files were does not matter.
PLAIN = ["--numeric-ids", "--noacls", "--noxattrs", "--noflags"]
ITEM = "{type}{mode}{user}{group}{size}{mtime}{linktarget}{path}{NL}"
# As `engine.UTC_SECONDS`, as a regular expression.
UTC_SECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
# Of Borg's files in a repository, in bytes: as they are, and while there is no room.
SEGMENT, SMALL_SEGMENT = 500 << 20, 5 << 20
# Bytes of a repository, by a slow disk.
CHECKED_IN_A_SECOND = 50 << 20
PROOF = "{type}{mode}{size}{linktarget}{path}{NL}"


class Repository(engine.Repository):
    """See there."""

    engine: Engine

    def __init__(self, engine: Engine, location: str, voice: Voice, reading: bool = False) -> None:
        super().__init__(engine, location, voice, reading)
        self.settings = engine.borg
        self.number = engine.repositories.index(location) + 1

    def named(self, archive: str) -> str:
        """An archive, as Borg takes it."""
        return "%s::%s" % (self.location, archive)

    def names(self, series: str, incomplete: bool) -> str:
        """A shell pattern of the names of a series of this host."""
        return engine.name_of(self.prefix, series, engine.UTC_SECONDS + (engine.INCOMPLETE if incomplete else ""))

    def make(
        self, archive: str, series: str, roots: list[str], excludes: list[str], one_file_system: bool, seen: Callable[[str, bool], object]
    ) -> Made:
        from rootless_backup.borg import create

        return create.make(self, archive, series, roots, excludes, one_file_system, seen)

    def remove(self, archive: str) -> bool:
        return borg(self, "delete", self.named(archive)).ok

    def archives(self, series: str, incomplete: bool = False) -> list[str]:
        run = borg(self, "list", "--json", "--glob-archives", self.names(series, incomplete))
        if not run.ok:
            raise engine.Refused("the archives of %s cannot be listed" % self.location)
        return sorted((archive["name"] for archive in json.loads(run.output)["archives"]), key=engine.age)

    def contents(self, archive: str, wanted: Wanted) -> list[Item] | None:
        with patterns(wanted) as options:
            run = borg(self, "list", "--json-lines", "--format", ITEM, *options, self.named(archive))
        return [item_of(line) for line in run.output.split("\n") if line] if run.ok else None

    def look_through(self, archive: str, seen: Callable[[Item], object]) -> bool:
        return borg(self, "list", "--json-lines", "--format", ITEM, self.named(archive), line=lambda line: seen(item_of(line))).ok

    def changes(self, older: str, newer: str, wanted: Wanted) -> list[Change] | None:
        from rootless_backup.borg import changes

        with patterns(wanted) as options:
            run = borg(self, "diff", "--json-lines", *options, self.named(older), newer)
        return changes.read(run.output) if run.ok else None

    def files(self, archive: str, wanted: Wanted) -> Files | None:
        files = engine.Files()

        def take(line: bytes) -> None:
            item = json.loads(line)
            files.add(item, damaged=item.get("healthy") is False)

        with patterns(wanted) as options:
            run = borg(self, "list", "--json-lines", "--format", PROOF, *options, self.named(archive), line=take)
        return files if run.ok else None

    def size(self, archive: str) -> int:
        run = borg(self, "info", "--json", self.named(archive))
        if not run.ok:
            raise engine.Refused("%s: it cannot be told how large it is" % archive)
        size: int = json.loads(run.output)["archives"][0]["stats"]["original_size"]
        return size

    def take(
        self, archive: str, wanted: Wanted, plain: bool = False, strip: int = 0, demand: bool = False, progress: Progress | None = None
    ) -> Taken:
        def seen(event: Event) -> None:
            if event.get("type") == "progress_percent" and event.get("current") is not None and progress is not None:
                progress(event["current"] / max(1, event["total"]))

        # Progress costs a pass over the whole archive first.
        options = [
            "--sparse",
            *(PLAIN if plain else []),
            *(["--strip-components", str(strip)] if strip else []),
            *(["--progress"] if progress else []),
        ]
        # Of paths that are given as paths, and not as patterns, Borg says which it never met.
        demanded = wanted.below if demand else []
        with patterns(engine.Wanted([] if demand else wanted.below, wanted.exactly, wanted.matching, wanted.without)) as chosen:
            run = borg(
                self,
                "extract",
                *options,
                *chosen,
                self.named(archive),
                *("pp:" + path for path in demanded),
                seen=seen if progress else None,
            )
        return engine.Taken(run.ok, run.made, "Archive.DoesNotExist" not in run.ids)

    def forget(self, keep: dict[str, int], incomplete: bool = False, spare: Collection[str] = ()) -> tuple[bool, list[str]]:
        from rootless_backup.borg import retention

        dropped = incomplete or self.drop_renamed(spare)
        pruned, kept = retention.prune(self, keep, incomplete, spare)
        ok = dropped and pruned
        if is_local(self.location) or incomplete:
            return ok, kept
        # A server can put words of its own into what Borg logs, and not into what it lists.
        listed = borg(self, "list", "--json", self.location)
        names = {archive["name"] for archive in json.loads(listed.output)["archives"]} if listed.ok else set()
        return listed.ok and ok, [archive for archive in kept if archive in names]

    def drop_renamed(self, spare: Collection[str]) -> bool:
        """Delete, once, the archives that are not whole and that an older version of this collection renamed: Borg 1.2.4 renames in a way
        that fails every run of a later one. Only after a good run: until then they may be all there is. Return whether only those are left
        that are to stay.
        """
        from rootless_backup.borg import retention

        if state.is_authentic(self.location):
            return True
        for series in engine.SERIES:
            run = borg(self, "list", "--json", "--glob-archives", self.names(series, incomplete=True))
            names = [archive["name"] for archive in json.loads(run.output)["archives"]] if run.ok else []
            if not run.ok or not retention.drop(self, [name for name in names if name not in spare]):
                return False
        state.set_authentic(self.location)
        return True

    def removal(self) -> str:
        return "%s delete ::ARCHIVE" % policy.by_hand(self)

    def others(self) -> dict[str, str]:
        listed = borg(self, "list", "--json", self.location)
        if not listed.ok:
            raise engine.Refused("the archives of %s cannot be listed" % self.location)
        own = [engine.name_of(re.escape(self.prefix), series, UTC_SECONDS) for series in engine.SERIES]
        own_name = re.compile("(%s)(%s)?" % ("|".join(own), re.escape(engine.INCOMPLETE)))
        return {
            archive["name"]: archive["start"]
            for archive in json.loads(listed.output)["archives"]
            if not own_name.fullmatch(archive["name"])
        }

    def compact(self) -> bool:
        ok = borg(self, "compact").ok
        if ok and is_local(self.location):
            reserve.keep(self.location)
            ok = self.grow_segments()
        return ok

    def grow_segments(self) -> bool:
        """Have Borg write files of the usual size again, where there is room for them: it wants as much for each time that it forgets."""
        with open(os.path.join(self.location, "config"), encoding="utf-8", errors="replace") as file:
            small = re.search(r"^max_segment_size\s*=\s*%d\s*$" % SMALL_SEGMENT, file.read(1 << 20), re.MULTILINE)
        return not small or tree.room(self.location) < 4 * SEGMENT or self.set_segments(SEGMENT)

    def set_segments(self, size: int) -> bool:
        return borg(self, "config", self.location, "max_segment_size", str(size)).ok

    def make_room(self, keep: dict[str, int], lacking: Collection[str] = (), spare: Collection[str] = ()) -> bool:
        if not is_local(self.location):
            return super().make_room(keep, lacking, spare)
        from rootless_backup.borg import retention

        reserve.give_up(self.location)
        # Borg wants room for one more of its files before it takes anything away, which are large; also in each run until there is.
        ok = self.set_segments(SMALL_SEGMENT) and self.drop(lacking) and retention.prune(self, keep, spare=spare)[0]
        # First what takes no room to give back.
        ok = ok and all(borg(self, "compact", "--threshold", str(part)).ok for part in (90, 50, 10))
        reserve.keep(self.location)
        return ok and self.grow_segments()

    def room(self) -> tuple[int, int] | None:
        if not is_local(self.location):
            return None
        filesystem = os.statvfs(self.location)
        return filesystem.f_bavail * filesystem.f_frsize, filesystem.f_blocks * filesystem.f_frsize

    def verify(self) -> bool:
        duration: int = self.settings["check_duration"]
        known = borg(self, "info", "--json", self.location)
        # Only a check that goes through all at once compares what it read with the index, and so notices a file that is gone.
        large = known.ok and json.loads(known.output)["cache"]["stats"]["unique_csize"] >= duration * CHECKED_IN_A_SECOND
        slow = state.is_checked_whole(self.location)
        if known.ok and not large and not slow:
            with state.checked_whole(self.location):
                return borg(self, "check", "--repository-only", self.location).ok
        if known.ok:
            # One that was ended before its end would be ended each time.
            why = "one of all at once did not come to its end" if slow else "it is too large for one of all at once"
            self.voice.info("%s: it is checked in parts, since %s (see borg_check_duration)" % (self.location, why))
        begun = time.monotonic()
        ok = borg(self, "check", "--repository-only", "--max-duration", str(duration), self.location).ok and known.ok
        if ok and time.monotonic() - begun < duration / 2:
            # It was no slow disk that ended the other one.
            state.forget_whole_check(self.location)
        return ok

    def explain(self, key: str | None = None) -> None:
        """Tell why a server lets this machine in no more, with its own key or another one."""
        if is_local(self.location):
            return
        from rootless_backup.borg import ssh

        why = ssh.why_not(self.location, key)
        if why is not None:
            self.voice.error(why[0])
            for remedy in why[1]:
                self.voice.advise(remedy)


def item_of(line: str | bytes) -> Item:
    item: Item = json.loads(line)
    # Borg gives a number where it has no name.
    item["user"], item["group"] = str(item["user"]), str(item["group"])
    return item


@contextlib.contextmanager
def patterns(wanted: Wanted) -> Iterator[list[str]]:
    """The options that have Borg choose what is wanted; none if that is all.

    Names of files come in a file where they can: there may be too many for arguments, and everybody can read those.
    """
    lines = [
        "+ %s:%s" % (style, path)
        for style, paths in (("pp", wanted.below), ("pf", wanted.exactly), ("sh", wanted.matching))
        for path in paths
    ]
    if lines:
        lines.append("- **")
    # The first that matches counts.
    lines = ["- pp:" + path for path in wanted.without] + lines
    if not lines:
        yield []
        return
    # Of a file Borg reads a pattern a line, without blanks at its ends.
    if all(line.isprintable() and line == line.strip() for line in lines):
        import tempfile

        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="wanted-") as file:
            file.writelines(line + "\n" for line in lines)
            file.flush()
            yield ["--patterns-from", file.name]
    else:
        yield [word for line in lines for word in ("--pattern", line)]
