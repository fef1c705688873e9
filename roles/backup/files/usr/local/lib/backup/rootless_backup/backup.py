# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""A backup: files and dumps are saved into each repository, proven to be in it and recorded; then what is too old is forgotten.

After an error in a repository nothing is forgotten from it: the last good archives stay.
"""

from __future__ import annotations

import json
import os
import re
import time

from rootless_backup import engine as engines
from rootless_backup import host, paths, roots, systemd, untrusted, visibility
from rootless_backup.records import archive as records
from rootless_backup.records import before, journal, unfinished
from rootless_backup.selection import Selection
from rootless_backup.voice import JOURNAL as VOICE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUN = host.TASKS["run"] + ".service"
# Of archives that are not whole so many of the newest stay.
KEEP_INCOMPLETE = {"last": 7}
# Another host, which uses the repository too, has saved within so many seconds.
IN_USE = 30 * 86400


def save_rest(engine: engines.Engine) -> bool:
    """Save what is there after a run that failed before anything was saved. Return whether that succeeded."""
    # Not its start: where nothing comes before it, that is noted an instant before the run's own.
    properties = systemd.show(RUN, "ExecMainExitTimestampMonotonic", "InactiveExitTimestampMonotonic")
    ended, run = (int(moment or 0) for moment in properties.values())
    # Somebody stopped it, so nobody waits for an archive.
    if ended >= run or os.environ.get("MONITOR_SERVICE_RESULT") == "signal":
        VOICE.info("Nothing is to be done: the run had begun to save, or was stopped.")
        return True
    VOICE.info("The run failed before anything was saved: what is there is saved all the same, and marked.")
    return create(engine, rest=True)


def create(engine: engines.Engine, rest: bool = False) -> bool:
    """Save files and dumps into every repository. Return whether all of it succeeded. `rest`: it is known that it is not all."""
    backup = Backup(engine, rest)
    awake = backup.selection.wake()
    chosen, dumps = backup.selection, [host.DUMPS]
    hidden = visibility.hidden(chosen.paths, [*chosen.excludes(), *chosen.unreal], awake.places)
    problems = {
        engines.FILES: roots.missing(chosen.paths) + awake.problems + chosen.troubles + hidden,
        # Of them nothing is left out.
        engines.DUMPS: roots.missing(dumps) + visibility.hidden(dumps, [], awake.places),
    }
    backup.choose()
    for problem in dict.fromkeys(problems[engines.FILES] + problems[engines.DUMPS]):
        # With names in it that anybody gave.
        VOICE.error(untrusted.printable(problem))
    for directory in chosen.layers():
        VOICE.warning(
            "%s is the directory of an overlay, such as a container's: its trusted.* attributes cannot be saved without privileges. Save "
            "the volumes, and leave it out by backup_exclude" % untrusted.printable(directory)
        )
    for directory in roots.empty_dumps():
        VOICE.warning("%s is empty: its hook left nothing to be saved" % untrusted.printable(directory))
    backup.lacking = {series for series, messages in problems.items() if messages or rest}
    successes = [engine.open(location).attempt(backup.save) for location in engine.repositories]
    backup.wait_out()
    return all(successes) and not any(problems.values())


def verify(engine: engines.Engine) -> bool:
    """Look for damage in every repository; the next time goes on from where this one ends. Return whether none was found."""
    successes = [engine.open(location).attempt(verify_one) for location in engine.repositories]
    return all(successes)


def verify_one(repository: engines.Repository) -> bool:
    """Look for damage in a repository; where there is none also for archives that nobody decides about."""
    if not repository.verify():
        return False
    count = left_alone(repository.others(), time.strftime("%Y-%m-%d", time.gmtime(time.time() - IN_USE)))
    if count:
        VOICE.warning(
            "%s: %d archives are of no host that is called like this one, so no rule keeps or forgets them here: see `backupctl list`. "
            "What is not needed any more: `%s`" % (repository.location, count, repository.removal())
        )
    return True


def left_alone(others: dict[str, str], since: str) -> int:
    """How many archives of others, `{name: when}`, are of a name of which there is none since a day: whoever made them does so no more."""
    by: dict[str, list[str]] = {}
    for name, when in others.items():
        by.setdefault(re.sub(r"[-_.:]?\d{4}-?\d\d-?\d\d.*", "", name, flags=re.DOTALL), []).append(when)
    return sum(len(times) for times in by.values() if max(times) < since)


class Series:
    """What an archive is to be made of."""

    def __init__(self, name: str, required: list[str], roots: list[str], excludes: list[str], one_file_system: bool) -> None:
        # What has to be in it, and what leads there, in order.
        self.asked, self.roots = required, roots
        self.name, self.excludes, self.one_file_system = name, excludes, one_file_system


class Backup:
    """One run."""

    def __init__(self, engine: engines.Engine, rest: bool = False) -> None:
        self.settings, self.rest = engine.settings, rest
        self.started = self.named = int(time.time())
        self.now = records.utc(self.started)
        self.selection = Selection(self.settings, engine.own(), VOICE, visibility.mounted())
        # The series of which something is missing or hidden. An archive that is not whole has a name that the rules of keeping do not know:
        # else it could take the place of the good one of the same day.
        self.lacking: set[str] = set()
        self.series: list[Series] = []
        # The repositories that got an archive which is not whole.
        self.marked: set[str] = set()
        # The archives that were made.
        self.made: set[str] = set()

    def choose(self) -> None:
        """Settle what the archives are made of, when all that is to be mounted is."""
        chosen, excludes, dumps = self.selection, list(self.selection.excludes()), roots.of_dumps()
        self.series = [
            Series(engines.FILES, chosen.paths, chosen.order, excludes, chosen.one_file_system),
            Series(engines.DUMPS, dumps, dumps, [], False),
        ]
        if chosen.unreal:
            places = ", ".join("%s (%s)" % mount for mount in sorted(chosen.unreal.items()) if chosen.is_saved(mount[0]))
            if places:
                VOICE.info("No real file systems, so nothing of them is saved: %s" % untrusted.printable(places))

    def wait_out(self) -> None:
        """Names are unique by the second, so the next run must not begin in this one."""
        while int(time.time()) == self.named:
            time.sleep(0.05)

    def save(self, repository: engines.Repository) -> bool:
        """Save into one repository; forget what is too old if everything is in it. Return whether all of it succeeded."""
        ok = reachable = True
        for series in self.series:
            # A server that did not let this host in would take more attempts for an attack (sshd_config(5), PerSourcePenalties).
            if series.roots and reachable:
                whole, reachable = self.save_series(repository, series)
                ok = whole and ok
            elif series.roots:
                # Whatever the reason: what was not saved is never a success.
                VOICE.error(
                    "%s: the archive of the %s was not tried, since the server did not let this host in"
                    % (repository.location, series.name)
                )
                ok = False
        if not ok:
            repository.explain()
        # Also where nothing is forgotten: by the next run this machine is none that is new.
        known = ok or repository.location in self.marked or records.names(repository.location)
        was = before.look(repository, self.made) if known else None
        if was and was["waits"]:
            VOICE.note(before.told(was), **{journal.MIND: before.told(was)})
        if repository.location in self.marked and was and not was["waits"]:
            # Of these no other rule forgets any while runs fail, so they would come to fill the repository.
            ok = repository.forget(KEEP_INCOMPLETE, incomplete=True, spare=was["newest"])[0] and repository.compact() and ok
        if self.rest:
            return ok
        if not ok or self.lacking or was is None:
            VOICE.error("%s: not everything was saved, so nothing was pruned" % repository.location)
            return False
        return self.keep_all(repository) if was["waits"] else self.forget(repository, was["newest"])

    def save_series(self, repository: engines.Repository, series: Series) -> tuple[bool, bool]:
        """Save and record a series. Return whether it is whole, and whether the repository let this host in.

        The name of an archive that is not whole says so from its making: no archive is given another name.
        """
        marked = series.name in self.lacking
        lacking: list[str] = []
        while True:
            archive = engines.name_of(self.settings["prefix"], series.name, records.utc(self.named))
            directories = records.Sample(4 * self.settings["drill_sample"])
            self.made.add(archive + (engines.INCOMPLETE if marked else ""))
            made, proven = prove(repository, archive + (engines.INCOMPLETE if marked else ""), series, directories)
            if marked and made.there:
                self.marked.add(repository.location)
                unfinished.note(repository.location, known_lacking(repository))
            if proven or not made.there or marked or made.foreign:
                break
            lacking.append(archive)
            unfinished.note(repository.location, {*known_lacking(repository), archive})
            marked = made.again is None or len(lacking) > 1
            if not marked:
                VOICE.warning("%s: archive %s lacks what may be had by trying again" % (repository.location, archive))
                time.sleep(made.again or 0)
                self.wait_out()
                self.named = int(time.time())
        # Only now: until the next one is there it is all that was saved.
        if made.there and lacking:
            gone = {incomplete for incomplete in lacking if repository.remove(incomplete)}
            unfinished.note(repository.location, known_lacking(repository) - gone)
        if proven and not marked:
            self.record(repository, archive, series, directories.taken, made.original_size)
        return proven and (not marked or not lacking), made.reachable

    def record(self, repository: engines.Repository, archive: str, series: Series, directories: list[str], size: int) -> None:
        """Keep what the drill will hold the archive to: when the run began, what has to be in it, checksums of files taken at random."""
        if self.settings["one_file_system"]:
            # Of a mount below only the directory it is mounted on is in the archive.
            directories = records.on_file_system_of(series.roots, directories)
        files = records.checksums(directories, series.excludes, self.settings["drill_sample"], self.started)
        hooks = sorted(entry.name for entry in roots.hooks()) if series.name == engines.DUMPS else []
        records.write(
            repository.location,
            archive,
            {"begun": records.run_began(self.now), "roots": series.asked, "hooks": hooks, "files": files, "size": size},
        )

    def keep_all(self, repository: engines.Repository) -> bool:
        """Forget nothing. Return True: the run is none that failed by that."""
        tell_kept(repository, [archive for series in engines.SERIES for archive in repository.archives(series)])
        tell_room(repository)
        return True

    def forget(self, repository: engines.Repository, spare: list[str]) -> bool:
        """Forget what is too old, but for what is to stay. Return whether that succeeded."""
        ok = True
        if unfinished.is_noted(repository.location):
            ok = drop_lacking(repository)
            ok = repository.forget(KEEP_INCOMPLETE, incomplete=True, spare=spare)[0] and ok
            if ok and not known_lacking(repository):
                unfinished.forget(repository.location)
        forgotten, kept = repository.forget(rules(self.settings), spare=spare)
        ok = forgotten and ok
        tell_kept(repository, kept)
        if ok:
            records.forget(repository.location, kept)
        ok = repository.compact() and ok
        tell_room(repository)
        return ok


def rules(settings: dict[str, Any]) -> dict[str, int]:
    """Of how many periods an archive is kept."""
    return {period: settings["keep_" + period] for period in ("daily", "weekly", "monthly")}


def make_room(repository: engines.Repository, settings: dict[str, Any]) -> bool:
    """Forget what the rules do not keep, on a disk that may be full. Return whether that succeeded."""
    return repository.make_room(rules(settings), known_lacking(repository), before.spared(repository.location))


def tell_kept(repository: engines.Repository, kept: list[str]) -> None:
    """Tell the report which archives there are."""
    text = "%s: %d archives are kept" % (repository.location, len(kept))
    VOICE.note(text, **{journal.KEPT: json.dumps({"repository": repository.location, "archives": kept})})


def tell_room(repository: engines.Repository) -> None:
    """Tell the report how much room there is."""
    room = repository.room()
    if room is not None:
        free, total = room
        record = {"repository": repository.location, "free": free, "total": total}
        VOICE.note("%s: %.1f of %.1f MB are free" % (repository.location, free / 1e6, total / 1e6), **{journal.ROOM: json.dumps(record)})


def prove(repository: engines.Repository, archive: str, series: Series, directories: records.Sample) -> tuple[engines.Made, bool]:
    """Make one archive. Return what came of it, and whether every root is in it and could be read.

    `directories` takes a sample of the directories that are in it.
    """
    absent = {root.strip("/") for root in series.asked}

    def seen(path: str, is_directory: bool) -> None:
        path = path.strip("/")
        absent.discard(path)
        if is_directory and any(paths.is_below("/" + path, root) for root in series.roots):
            directories.offer("/" + path)

    made = repository.make(archive, series.name, series.roots, series.excludes, series.one_file_system, seen)
    if not made.whole:
        return made, False
    if absent:
        VOICE.error(
            "%s: archive %s lacks what was asked for: %s (excluded, or gone while it was read)"
            % (repository.location, archive, ", ".join("/" + path for path in sorted(absent)))
        )
        return made, False
    text = "%s: archive %s: %d files, %d bytes, %d new in the repository, %.1f s" % (
        repository.location,
        archive,
        made.files,
        made.original_size,
        made.deduplicated_size,
        made.seconds,
    )
    record = {
        "repository": repository.location,
        "name": archive,
        "series": series.name,
        "files": made.files,
        "original_size": made.original_size,
        "deduplicated_size": made.deduplicated_size,
        "seconds": made.seconds,
    }
    if made.repository_size is not None:
        record["repository_size"] = made.repository_size
    VOICE.note(text, **{journal.RECORD: json.dumps(record)})
    return made, True


def known_lacking(repository: engines.Repository) -> set[str]:
    """The archives that were noted as not whole though their names do not say so."""
    try:
        return unfinished.names(repository.location)
    except (OSError, ValueError) as trouble:
        VOICE.warning("%s counts as empty: %s" % (unfinished.path(repository.location), untrusted.reason(trouble)))
        return set()


def drop_lacking(repository: engines.Repository) -> bool:
    """Take the archives that are not whole away where there are whole ones. Return whether that succeeded."""
    lacking = known_lacking(repository)
    ok = repository.drop(lacking)
    if lacking:
        whole = {archive for series in engines.SERIES for archive in repository.archives(series)}
        unfinished.note(repository.location, lacking & whole)
    return ok
