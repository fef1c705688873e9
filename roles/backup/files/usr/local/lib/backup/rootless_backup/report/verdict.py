# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is wrong, and what the administrator can do about it: the same words in a mail and in `backupctl status`."""

from __future__ import annotations

import os
import stat

from rootless_backup import host
from rootless_backup.figures import DAY
from rootless_backup.report import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless_backup.records.status import UnitEntry
    from rootless_backup.report.run import Run

    # `{property: text}`, of a unit.
    Properties = dict[str, str]

# What is asked of a unit that makes backups.
PROPERTIES = ("LoadState", "ActiveState", "UnitFileState")
# Of a subject and of a problem, in characters.
LONGEST = 300


class Problem:
    """One thing that is wrong: what, in a line; what to do about it, a line each; what else is known of it, a line each.

    `grave`: there may be no good backup because of it.
    """

    def __init__(self, text: str, remedies: Iterable[str] = (), details: Iterable[str] = (), grave: bool = False) -> None:
        self.text, self.remedies, self.details, self.grave = text, list(remedies), list(details), grave


def short(text: str) -> str:
    """One line, with single spaces, as a subject has. Of a longer one the middle is left out: what went wrong often stands at its end."""
    line = " ".join(text.split("\n")[0].split())
    return line if len(line) <= LONGEST else "%s … %s" % (line[: LONGEST // 2], line[3 - LONGEST // 2 :])


def verdict(problems: Iterable[Problem]) -> str:
    """`good`: nothing is to be done. `warning`: there is a good backup, and something is to be done. `failed`: there may be none."""
    graves = [problem.grave for problem in problems]
    return "failed" if any(graves) else "warning" if graves else "good"


def remedies(run: Run) -> list[str]:
    """What the administrator can do about a run, a line each."""
    ok = run.result == "success"
    if ok and not run.optional_failures:
        return []
    failed = [hook.unit for hook in run.hooks if hook.failed and (hook.required or ok)]
    advice = [] if ok else run.advice
    mend = words.MEND % " -u ".join(failed or [run.unit])
    again = words.AGAIN % run.unit
    # Each repository and each series may give the same.
    return list(dict.fromkeys([*advice, *([mend] if failed or not advice else []), *([] if ok else [again])]))


def of_unit(title: str, entry: UnitEntry, grave: bool) -> list[Problem]:
    """What is wrong by the last run of a unit. `title`: what people call that run; `grave`: of the backup itself."""
    advice = entry.get("advice", [])
    problems = []
    if entry["result"] != "success":
        first, *more = [line for failure in entry["failed"] for line in failure.split("\n")] or [entry["result"]]
        problems.append(Problem(words.FAILED % (title, short(first)), advice, more, grave))
    for failure in entry["optional_failures"] if entry["result"] == "success" else ():
        first, *more = failure.split("\n")
        problems.append(Problem(words.OPTIONAL_FAILURES % (title, short(first)), advice, [*more, words.NOT_NEEDED]))
    return problems + [Problem(words.TOLD % (title, line)) for line in entry.get("troubles", [])]


def last_good(entry: UnitEntry) -> float | None:
    """When the last good backup ended: what was recorded, or the mark, whichever is later. None: never."""
    times = [entry.get("last_good")]
    try:
        mark = os.lstat(host.MARK)
        # A link would give the time of whatever it points to.
        if stat.S_ISREG(mark.st_mode):
            times.append(mark.st_mtime)
    except OSError:
        pass
    return max((time_ for time_ in times if time_), default=None)


def missing(good: float | None, now: float, alert_after: float, timer: Properties, service: Properties) -> Problem | None:
    """That there is no good backup, or only one that is older than so many hours; None: there is one that is younger.

    `good`: when the last good one ended. `timer`, `service`: what systemd knows of both.
    """
    # A time to come says that the clock was set back: the age is not known then, so it is not trusted.
    if good is not None and -DAY < now - good < alert_after * 3600:
        return None
    return Problem(words.MISSING % alert_after, start(timer, service), grave=True)


def start(timer: Properties, service: Properties) -> list[str]:
    """What to do so that backups run again. See PROPERTIES."""
    broken = [
        words.UNUSABLE % (unit, properties["LoadState"], unit)
        for unit, properties in (("backup.timer", timer), ("backup.service", service))
        if properties["LoadState"] not in ("loaded", "")
    ]
    return [*broken, words.RESTART]
