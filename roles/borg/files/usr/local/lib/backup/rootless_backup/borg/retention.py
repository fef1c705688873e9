# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Which archives stay, also where a clock was wrong when they were made.

Borg goes by the times of archives alone. Those of a time to come would take the places of the days that are kept, and Borg would forget
each new archive as soon as it is made. So they get places of their own, and the newest archive is never forgotten.
"""

from __future__ import annotations

import datetime
import json

from rootless_backup import engine
from rootless_backup.borg import policy
from rootless_backup.borg.call import borg
from rootless_backup.records import archive as records
from rootless_backup.records import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless_backup.borg.repository import Repository

    # `{name: local time}`
    Times = dict[str, str]


def prune(repository: Repository, keep: dict[str, int], incomplete: bool = False) -> tuple[bool, list[str]]:
    """See `engine.Repository.forget`."""
    ok = True
    kept: list[str] = []
    for series in engine.SERIES:
        command = ["prune", "--list", "--glob-archives", repository.names(series, incomplete)]
        times = times_where_wrong(repository, series, incomplete)
        rules = ["--keep-%s=%d" % rule for rule in beside(keep, [times[name] for name in times if engine.is_to_come(name)]).items()]
        if times:
            would = borg(repository, *command, "--dry-run", *rules)
            if not would.ok or ("Would", max(times, key=engine.age)) in would.pruned:
                repository.voice.warning(
                    "%s: no archive of the %s is forgotten in this run, since the newest would be" % (repository.location, series)
                )
                ok = would.ok and ok
                kept += times
                continue
        pruned = borg(repository, *command, *rules)
        ok = pruned.ok and ok
        kept += [archive for verb, archive in pruned.pruned if verb == "Keeping"]
    return ok, kept


def times_where_wrong(repository: Repository, series: str, incomplete: bool) -> Times:
    """When the archives of a series were made, if some are of a time to come, which is told; else nothing, at no cost."""
    # Of what was saved by this machine it is known without a question; of what is not whole nothing is recorded.
    if not incomplete and not any(map(engine.is_to_come, records.names(repository.location))):
        return {}
    listed = borg(repository, "list", "--json", "--glob-archives", repository.names(series, incomplete))
    if not listed.ok:
        raise engine.Refused("the archives of %s cannot be listed" % repository.location)
    times = {each["name"]: each["start"] for each in json.loads(listed.output)["archives"]}
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
