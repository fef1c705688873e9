# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""How the backup does, by what is recorded of its runs and by what systemd knows of its units."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time

from rootless_backup import host, systemd, untrusted
from rootless_backup.control import known as records
from rootless_backup.figures import size, span, when
from rootless_backup.records import before
from rootless_backup.report import verdict, words
from rootless_backup.report.settings import SETTINGS
from rootless_backup.report.verdict import Problem
from rootless_backup.untrusted import painted, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from rootless_backup.records.status import Known, UnitEntry
    from rootless_backup.restore.leftovers import Leftover

    # `{unit: {property: text}}`
    Live = dict[str, dict[str, str]]

BACKUP, CHECK, PROOF = host.TASKS["run"], host.TASKS["check"], host.TASKS["drill"]
TIMERS = tuple(name + ".timer" for name in (BACKUP, CHECK, host.WATCH))
DRILL = PROOF + ".timer"
SHOWN = (BACKUP + ".service", CHECK + ".service", *TIMERS, DRILL)
PROPERTIES = ("LoadState", "ActiveState", "InvocationID", "Result", "UnitFileState", "InactiveExitTimestamp", "NextElapseUSecRealtime")


def main(options: argparse.Namespace) -> int:
    return status(options.json)


def status(as_json: bool) -> int:
    """Print what is known. Return 1 if the administrator has something to do."""
    known, damaged = records.read()
    live = ask_systemd()
    problems = find_problems(known, live, damaged)
    if as_json:
        summary = {
            "format": host.STATUS_FORMAT,
            "verdict": verdict.verdict(problems),
            "problems": [{"text": problem.text, "remedies": problem.remedies, "details": problem.details} for problem in problems],
            "live": {unit: live[unit] for unit in SHOWN},
            "laid_down": [leftover.path for leftover in laid_down()],
        }
        say(json.dumps({**known, **summary}, indent=2))
    else:
        print_status(known, live, problems)
        from rootless_backup.control.kept import size_of

        rows("laid down", [("%s  %s" % (leftover.path, size_of(leftover)),) for leftover in laid_down()])
    return 1 if problems else 0


def laid_down() -> list[Leftover]:
    """What restores put aside, or laid down in /var/tmp: for root, who can see it."""
    if os.geteuid() != 0:
        return []
    from rootless_backup.restore import leftovers

    try:
        return leftovers.found()
    except OSError:
        return []


def ask_systemd() -> Live:
    """What systemd knows of our units, `{unit: {property: text}}`. Times are as people read them, but that of the exit is `@SECONDS`. All
    texts are empty where systemd does not answer.
    """
    units = [*SHOWN, *(service for name in words.TITLES for service in (name + ".service", *reports_of(name)))]
    units = list(dict.fromkeys(units))
    try:
        answers = zip(systemd.show_each(units, *PROPERTIES, times="pretty"), systemd.show_each(units, "ExecMainExitTimestamp"))
        return {unit: {**properties, **ended} for unit, (properties, ended) in zip(units, answers)}
    except (OSError, subprocess.SubprocessError):
        return {unit: dict.fromkeys((*PROPERTIES, "ExecMainExitTimestamp"), "") for unit in units}


def reports_of(name: str) -> list[str]:
    return ["backup-report@%s:%s.service" % (name, end) for end in ("failure", "success")]


def find_problems(known: Known, live: Live, damaged: list[str]) -> list[Problem]:
    """What the administrator has to do something about, the worst first. `damaged`: what of that cannot be read."""
    # As it is now, where that may be read; else as the last run told it.
    waiting = before.waiting()
    problems = [Problem(line) for line in damaged]
    for name, title in words.TITLES.items():
        entry = known["units"].get(name)
        unreported = find_unreported(name, title, entry, live)
        problems += unreported
        # Of an older run than the one that nobody was told of nothing more is to be said.
        if entry and (not unreported or entry.get("invocation") == live[name + ".service"]["InvocationID"]):
            troubles = [line for line in entry.get("troubles", []) if waiting is None or not line.startswith(before.WAITS)]
            problems += verdict.of_unit(title, {**entry, "troubles": troubles}, name == BACKUP)
    problems += find_missing(known, live, waiting or [])
    problems += [Problem(line) for line in waiting or []]
    problems += find_stopped()
    for timer in (*TIMERS, *([DRILL] if setting("drill") is not False else [])):
        if live[timer]["ActiveState"] != "active":
            problems.append(Problem(words.STOPPED % timer, [words.ENABLE % timer]))
    return sorted(problems, key=lambda problem: not problem.grave)


def find_missing(known: Known, live: Live, waiting: list[str]) -> list[Problem]:
    """That there is no good backup, or only one that is too old."""
    good = verdict.last_good(known["units"].get(BACKUP, {}))
    if good is None:
        return [Problem(words.NEVER, [words.FIRST if not waiting else words.FIRST_LATER], grave=True)]
    alert_after = setting("alert_after")
    if not isinstance(alert_after, int):
        return []
    problem = verdict.missing(good, time.time(), alert_after, live[BACKUP + ".timer"], live[BACKUP + ".service"])
    return [problem] if problem else []


def find_stopped() -> list[Problem]:
    """What a restore stopped, or enabled, and nobody has started: for root, who alone may know."""
    if os.geteuid() != 0:
        return []
    from rootless_backup.restore import holders

    try:
        names = holders.stopped()
        states = systemd.show_each(names, "LoadState", "ActiveState") if names else []
    except (OSError, subprocess.SubprocessError, untrusted.Untrustworthy) as trouble:
        return [Problem("What a restore left stopped cannot be told: %s" % untrusted.reason(trouble))]
    lacking = [
        name for name, state in zip(names, states) if state["LoadState"] == "loaded" and state["ActiveState"] in ("inactive", "failed")
    ]
    if not lacking:
        return []
    return [Problem("A restore left stopped: %s." % ", ".join(lacking), ["Run `backupctl restore-services --start` when all is back."])]


def setting(name: str) -> object:
    """A setting of the reports; None: it cannot be read."""
    try:
        settings = untrusted.read_json(SETTINGS)
        return settings.get(name) if isinstance(settings, dict) else None
    except (OSError, untrusted.Untrustworthy):
        return None


def find_unreported(name: str, title: str, entry: UnitEntry | None, live: Live) -> list[Problem]:
    """What systemd knows of the last run of a unit, and of its report, that is not recorded: a report can fail in any way."""
    problems = []
    unit = live[name + ".service"]
    ended = unit["ActiveState"] in ("inactive", "failed") and unit["InvocationID"] != ""
    if ended and unit["Result"] != "success" and (entry or {}).get("invocation") != unit["InvocationID"]:
        problems.append(Problem(words.UNREPORTED % (title, unit["Result"]), [words.LOOK % (name + ".service")], grave=name == BACKUP))
    for reporter in reports_of(name):
        report = live[reporter]
        at = re.fullmatch(r"@(\d+)", report["ExecMainExitTimestamp"])
        # One that failed long ago is no news: there was a report since.
        if report["Result"] != "success" and at and int(at[1]) >= int((entry or {}).get("finished", 0)):
            problems.append(
                Problem(
                    "%s: its report failed (%s), so you may not have been told." % (title, report["Result"]),
                    [words.LOOK % ("'%s'" % reporter)],
                )
            )
    return problems


def print_status(known: Known, live: Live, problems: list[Problem]) -> None:
    backup, check, drill = (known["units"].get(name, {}) for name in (BACKUP, CHECK, PROOF))
    running = live["backup.service"]["ActiveState"] in ("activating", "active")
    word, colour = ("PROBLEMS", "31") if problems else ("ok", "32")
    host = painted(untrusted.printable(known.get("host", os.uname().nodename)), "1")
    say(host, "  ", painted(word, colour), ", last good backup ", when(backup.get("last_good")))
    for problem in problems:
        say("  ", painted(untrusted.printable(problem.text), "31"))
        for line in problem.remedies:
            say("    To do: ", untrusted.printable(line))
        for line in problem.details:
            say("    ", untrusted.printable(line))
    say()
    if running:
        row("now", "running since %s" % live["backup.service"]["InactiveExitTimestamp"])
    if backup:
        took = span(max(0, backup["finished"] - backup["started"]))
        row("last run", when(backup["finished"]), ", ", result(backup["result"]), ", took ", took)
    rows(
        "hooks",
        [(hook["unit"], " ", result(hook["result"]), "" if hook["required"] else " (not required)") for hook in backup.get("hooks", [])],
    )
    rows(
        "archives",
        [
            (
                "%s  %s: %d files, %s, %s new"
                % (
                    archive["repository"],
                    archive["name"],
                    archive["files"],
                    size(archive["original_size"]),
                    size(archive["deduplicated_size"]),
                ),
            )
            for archive in backup.get("archives", [])
        ],
    )
    rows("warnings", [(painted(warning, "33"),) for warning in backup.get("warnings", [])])
    rows("", [(painted(warning, "33"),) for warning in check.get("warnings", [])])
    row("last check", *((when(check["finished"]), ", ", check["result"]) if check else ("none yet",)))
    row("last drill", *((when(drill["finished"]), ", ", result(drill["result"])) if drill else ("none yet",)))
    row("next run", live["backup.timer"]["NextElapseUSecRealtime"] or "none: the timer is not running")


def rows(title: str, values: Iterable[Iterable[str]]) -> None:
    for index, parts in enumerate(values):
        row(title if index == 0 else "", *parts)


def row(title: str, *parts: str) -> None:
    # A line end in a name would make a row of its own.
    say(
        "  %-12s" % title,
        *(
            painted(untrusted.printable(part), part.colour) if isinstance(part, untrusted.Painted) else untrusted.printable(part)
            for part in parts
        ),
    )


def result(text: str) -> untrusted.Painted:
    return painted(text, "32" if text == "success" else "31")
