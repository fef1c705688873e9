# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""A repository of Borg's, and what is done with the archives in it."""

from __future__ import annotations

import contextlib
import json

from rootless_backup import engine
from rootless_backup.borg.call import borg, is_local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless_backup.borg.call import Event
    from rootless_backup.borg.engine import Engine
    from rootless_backup.engine import Item, Made, Progress, Taken, Wanted
    from rootless_backup.voice import Voice

# Contents only: whose the files were does not matter.
PLAIN = ["--numeric-ids", "--noacls", "--noxattrs", "--noflags"]
ITEM = "{type}{mode}{user}{group}{size}{mtime}{linktarget}{path}{NL}"


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
        # By name: the time is in it.
        return sorted(each["name"] for each in json.loads(run.output)["archives"])

    def contents(self, archive: str, wanted: Wanted) -> list[Item] | None:
        with patterns(wanted) as options:
            run = borg(self, "list", "--json-lines", "--format", ITEM, *options, self.named(archive))
        return [json.loads(line) for line in run.output.splitlines()] if run.ok else None

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
        # Of paths that are given as such Borg says which it never met.
        demanded = wanted.below if demand else []
        with patterns(engine.Wanted([] if demand else wanted.below, wanted.exactly, wanted.matching)) as chosen:
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

    def forget(self, keep: dict[str, int], incomplete: bool = False) -> tuple[bool, list[str]]:
        rules = ["--keep-%s=%d" % rule for rule in keep.items()]
        ok, kept = True, []
        for series in engine.SERIES:
            pruned = borg(self, "prune", "--list", "--glob-archives", self.names(series, incomplete), *rules)
            ok = pruned.ok and ok
            kept += [archive for verb, archive in pruned.pruned if verb == "Keeping"]
        if is_local(self.location) or incomplete:
            return ok, kept
        # A server can put words of its own into what Borg logs, and not into what it lists.
        listed = borg(self, "list", "--json", self.location)
        there = {each["name"] for each in json.loads(listed.output)["archives"]} if listed.ok else set()
        return listed.ok and ok, [archive for archive in kept if archive in there]

    def compact(self) -> bool:
        return borg(self, "compact").ok

    def verify(self) -> bool:
        return borg(self, "check", "--repository-only", "--max-duration", str(self.settings["check_duration"]), self.location).ok

    def explain(self) -> None:
        if is_local(self.location):
            return
        from rootless_backup.borg import ssh

        why = ssh.why_not(self.location)
        if why is not None:
            self.voice.error(why)


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
    if not lines:
        yield []
        return
    lines.append("- **")
    # Of a file Borg reads a pattern a line, without blanks at its ends.
    if all(line.isprintable() and line == line.strip() for line in lines):
        import tempfile

        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="wanted-") as file:
            file.writelines(line + "\n" for line in lines)
            file.flush()
            yield ["--patterns-from", file.name]
    else:
        yield [word for line in lines for word in ("--pattern", line)]
