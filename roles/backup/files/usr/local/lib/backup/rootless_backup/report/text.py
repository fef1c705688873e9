# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The words of a report."""

from __future__ import annotations

import time

from rootless_backup.figures import ago, size, stamp
from rootless_backup.report import verdict, words
from rootless_backup.untrusted import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rootless_backup.records.status import UnitEntry
    from rootless_backup.report.run import Run


def headline(run: Run, before: UnitEntry) -> str:
    what = "" if run.name == "backup" else run.name + " "
    if run.result == "success" and run.optional_failures:
        return "%sok, but failed: %s" % (what, verdict.short(run.optional_failures[0]))
    if run.result == "success" and run.troubles:
        return "%sok, but %s" % (what, verdict.short(run.troubles[0]))
    if run.result == "success":
        return "%sok%s" % (what, " again, after %d failures" % before["failures"] if before.get("failures") else "")
    return "%sFAILED: %s" % (what, verdict.short(run.failed()[0]))


def summary(run: Run, entry: UnitEntry, settings: dict[str, Any]) -> str:
    """The plain part of a report, before the log."""
    ok = run.result == "success"
    lines = [
        (
            "%s of %s %s at %s, after %d s."
            % (run.unit, settings["host"], "succeeded" if ok else "failed", stamp(run.finished), run.finished - run.started)
        ),
        "",
    ]

    def item(title: str, values: Iterable[str]) -> None:
        for index, value in enumerate(values):
            lines.append("%-15s %s" % (title + ":" if index == 0 else "", value))

    if not ok:
        item("What failed", [line for failure in entry["failed"] for line in failure.split("\n")])
        runs = "1 run" if entry["failures"] == 1 else "%d runs" % entry["failures"]
        item("Failing since", ["%s, %s" % (stamp(entry["failing_since"] or run.finished), runs)])
        good = entry["last_good"]
        item("Last good one", ["%s, %s" % (stamp(good), ago(time.time() - good)) if good else "never"])
        item("Saved anyway", run.rest)
        if run.rest:
            item("", ["These are marked: they count as no good backup, and of a hook that failed they hold an earlier dump, or none."])
        failed = [hook.unit for hook in run.hooks if hook.failed and hook.required]
        if failed:
            item(
                "Mind",
                [
                    "A hook sees of /home, /root, /srv, /mnt and /media only what `read` and `write` name, and reaches the network",
                    "only by `network`: to it all else does not exist.",
                ],
            )
    elif run.optional_failures:
        lines = [line for optional_failure in run.optional_failures for line in optional_failure.split("\n")]
        item("What failed", [*lines, words.NOT_NEEDED])
    item("What to do", verdict.remedies(run))
    item("Mind", run.troubles)
    item("Hooks", ["%s: %s%s" % (hook.unit, hook.result, "" if hook.required else " (not required)") for hook in run.hooks])
    item(
        "Archives",
        [
            "%s  %d files, %s, %s of it new"
            % (archive["name"], archive["files"], size(archive["original_size"]), size(archive["deduplicated_size"]))
            for archive in run.archives
        ],
    )
    item("Warnings", run.warnings[:20])
    return "\n".join(lines) + "\n"


def bare(settings: dict[str, Any], name: str, result: str, trouble: object) -> tuple[str, str]:
    """The subject and the text of a report of which nothing could be made."""
    what = "%s.service of %s ended: %s." % (name, settings["host"], result)
    return (
        "backup of %s: %s %s, but its report could not be made" % (settings["host"], name, result),
        """%s

Why this is all:   %s
What to do:        `journalctl -u %s.service`, and `journalctl -u 'backup-report@*'`
"""
        % (what, reason(trouble), name),
    )


def unrecorded(settings: dict[str, Any], name: str, result: str, place: str, trouble: object) -> tuple[str, str]:
    """The subject and the text of a report of what could not be written down."""
    return (
        "backup of %s: %s %s, but that could not be recorded" % (settings["host"], name, result),
        """%s.service of %s ended: %s.

What failed:       %s could not be written: %s
What to do:        Make room, or mend the disk. Until then `backupctl status` does not know of this run.
"""
        % (name, settings["host"], result, place, trouble),
    )


def missing(
    settings: dict[str, Any],
    problem: verdict.Problem,
    good: float | None,
    units: tuple[verdict.Properties, verdict.Properties],
    trouble: str | None,
) -> tuple[str, str]:
    """The subject and the text of a report that there is no good backup but one that is too old, or none. `units`: timer and service."""
    age = None if good is None else time.time() - good
    timer, service = units
    last_good = "none is known" if good is None or age is None else "of %s, %s" % (stamp(good), ago(age))
    subject = "backup of %s: MISSING, last good %s" % (settings["host"], "never" if age is None else ago(age))
    return (
        subject,
        """%s: %s

Last good backup:  %s
backup.timer:      %s, %s
backup.service:    %s, %s
What to do:        %s
                   `backupctl status` and `journalctl -u backup.service` say more.
%s"""
        % (
            settings["host"],
            problem.text,
            last_good,
            state_of(timer),
            timer["ActiveState"],
            state_of(service),
            service["ActiveState"],
            "\n                   ".join(problem.remedies),
            "".join("Mind:              %s\n" % remark for remark in (settings.get("trouble"), trouble) if remark),
        ),
    )


def state_of(properties: dict[str, str]) -> str:
    return properties["LoadState"] if properties["LoadState"] != "loaded" else properties["UnitFileState"] or "loaded"
