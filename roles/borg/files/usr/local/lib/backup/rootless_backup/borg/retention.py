# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Which archives stay, also where a clock was wrong when they were made.

Borg goes by the times of archives alone. Those of a time to come would take the places of the days that are kept, and Borg would forget
each new archive as soon as it is made. So they get places of their own, and the newest archive is never forgotten. Nor does it know of
archives that are to stay whatever the rules say: where there are any, what goes is chosen here, by the same rules.
"""

from __future__ import annotations

import datetime
import fnmatch
import json

from rootless_backup import engine
from rootless_backup.borg import policy
from rootless_backup.borg.call import borg
from rootless_backup.records import archive as records
from rootless_backup.records import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rootless_backup.borg.repository import Repository

    # `{name: local time}`
    Times = dict[str, str]

# What Borg adds to the name of an archive that it has not come to the end of.
CHECKPOINT = ".checkpoint"


def prune(repository: Repository, keep: dict[str, int], incomplete: bool = False, spare: Collection[str] = ()) -> tuple[bool, list[str]]:
    """See `engine.Repository.forget`."""
    ok = True
    kept: list[str] = []
    for series in engine.SERIES:
        wrong = times_where_wrong(repository, series, incomplete)
        if any(fnmatch.fnmatchcase(name, repository.names(series, incomplete)) for name in spare):
            times = times_of(repository, repository.names(series, incomplete))
            stay = staying(keep, times, spare)
            # What a run that was killed left is of no use behind a later archive.
            left = [name for name in times_of(repository, repository.names(series, incomplete) + CHECKPOINT + "*") if is_over(name, times)]
            done = drop(repository, [*sorted(set(times) - stay), *left])
            ok, kept = done and ok, kept + sorted(stay if done else times)
            continue
        command = ["prune", "--list", "--glob-archives", repository.names(series, incomplete)]
        rules = ["--keep-%s=%d" % rule for rule in beside(keep, [wrong[name] for name in wrong if engine.is_to_come(name)]).items()]
        if wrong:
            would = borg(repository, *command, "--dry-run", *rules)
            if not would.ok or ("Would", max(wrong, key=engine.age)) in would.pruned:
                repository.voice.warning(
                    "%s: no archive of the %s is forgotten in this run, since the newest would be" % (repository.location, series)
                )
                ok = would.ok and ok
                kept += wrong
                continue
        pruned = borg(repository, *command, *rules)
        ok = pruned.ok and ok
        kept += [archive for verb, archive in pruned.pruned if verb == "Keeping"]
    return ok, kept


def staying(keep: dict[str, int], times: Times, spare: Collection[str]) -> set[str]:
    """Which archives of these times stay: those of the rules, some others, and the newest."""
    later = [times[name] for name in times if engine.is_to_come(name)]
    return kept_by(beside(keep, later), times) | set(spare).intersection(times) | set(sorted(times, key=engine.age)[-1:])


def is_over(checkpoint: str, archives: Collection[str]) -> bool:
    """Whether an archive was made after what a run that was killed left."""
    return any(engine.time_of(checkpoint.partition(CHECKPOINT)[0]) < engine.time_of(name) for name in archives)


def drop(repository: Repository, names: list[str]) -> bool:
    """Delete archives that Borg has listed: into what it says that it would prune a server could put words. Return whether it did so."""
    # The first with its repository: a call that names no archive would delete all of it.
    return not names or borg(repository, "delete", repository.named(names[0]), *names[1:]).ok


def kept_by(keep: Mapping[str, int], times: Times) -> set[str]:
    """Which archives of these times the rules keep, as Borg does. See borg-prune(1)."""
    kept: set[str] = set()
    for rule, number in keep.items():
        count, last, name = 0, None, None
        for name in sorted(times, key=lambda archive: (times[archive], archive), reverse=True) if number > 0 else ():
            period = period_of(rule, times[name])
            if period != last:
                last = period
                if name not in kept:
                    kept.add(name)
                    count += 1
                    if count == number:
                        break
        # The oldest one, as long as there are fewer.
        if name is not None and count < number:
            kept.add(name)
    return kept


def times_of(repository: Repository, pattern: str) -> Times:
    """When the archives of such names were made."""
    more = ["--consider-checkpoints"] if CHECKPOINT in pattern else []
    listed = borg(repository, "list", "--json", *more, "--glob-archives", pattern)
    if not listed.ok:
        raise engine.Refused("the archives of %s cannot be listed" % repository.location)
    return {archive["name"]: archive["start"] for archive in json.loads(listed.output)["archives"]}


def times_where_wrong(repository: Repository, series: str, incomplete: bool) -> Times:
    """When the archives of a series were made, if some are of a time to come, which is told; else nothing, at no cost."""
    # Of what was saved by this machine it is known without a question; of what is not whole nothing is recorded.
    if not incomplete and not any(map(engine.is_to_come, records.names(repository.location))):
        return {}
    times = times_of(repository, repository.names(series, incomplete))
    later = sorted(filter(engine.is_to_come, times))
    if not later:
        return {}
    text = (
        "%s: of the %s there are archives of a time to come (%d, up to %s): a clock was ahead when they were made, or is behind now. They "
        "count as older than all others, and are kept until that time. If it is right now, delete them: `%s delete ::NAME`"
        % (repository.location, series, len(later), later[-1], policy.by_hand(repository))
    )
    repository.voice.note(text, **{journal.MIND: text})
    return times


def beside(keep: dict[str, int], later: list[str]) -> dict[str, int]:
    """The rules, with places of their own for archives of these local times, which are later than all others: those of the finest rule.

    What it keeps takes no place of the others.
    """
    finest = next((period for period, number in keep.items() if number > 0), None)
    if finest is None:
        return keep
    return {**keep, finest: keep[finest] + len({period_of(finest, time) for time in later})}


def period_of(rule: str, time: str) -> object:
    """What archives have in common of which a rule keeps one."""
    when = datetime.datetime.fromisoformat(time)
    return {"daily": when.date(), "weekly": when.isocalendar()[:2], "monthly": (when.year, when.month), "last": when}[rule]
