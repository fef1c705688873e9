# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The words of a report."""

from __future__ import annotations

import time

from rootless_backup import systemd
from rootless_backup.figures import ago, size, stamp
from rootless_backup.untrusted import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rootless_backup.records.status import UnitEntry
    from rootless_backup.report.run import Run


def headline(run: Run, before: UnitEntry) -> str:
    what = "" if run.name == "backup" else run.name + " "
    if run.result == "success" and run.lesser:
        return "%sok, but failed: %s" % (what, run.lesser[0])
    if run.result == "success" and run.troubles:
        return "%sok, but %s" % (what, run.troubles[0])
    if run.result == "success":
        return "%sok%s" % (what, " again, after %d failures" % before["failures"] if before.get("failures") else "")
    return "%sFAILED: %s" % (what, run.failed()[0].split("\n")[0][:120])


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
        item("What failed", [line for each in entry["failed"] for line in each.split("\n")])
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
        item("What to do", remedies(run))
    elif run.lesser:
        item("What failed", [*run.lesser, "The backup does not need it, so it went on; what is saved of it is of an earlier time."])
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


def remedies(run: Run) -> list[str]:
    """What the administrator can do about a run that failed, a line each."""
    failed = [hook.unit for hook in run.hooks if hook.failed and hook.required]
    mend = "Mend what is said above; more is in `journalctl -u %s`." % " -u ".join(failed or [run.unit])
    return [*(run.advice or [mend]), "Then run `systemctl start %s`; what was saved before is still there." % run.unit]


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


def missing(settings: dict[str, Any], good: float | None, age: float | None, trouble: str | None) -> tuple[str, str]:
    """The subject and the text of a report that there is no good backup but one that is too old, or none."""
    known = "LoadState", "ActiveState", "UnitFileState"
    timer, service = (systemd.show_or_nothing("backup." + kind, *known) for kind in ("timer", "service"))
    found = "none is known" if good is None or age is None else "of %s, %s" % (stamp(good), ago(age))
    subject = "backup of %s: MISSING, last good %s" % (settings["host"], "never" if good is None or age is None else ago(age))
    return (
        subject,
        """There is no good backup of %s for longer than %d hours.

Last good backup:  %s
backup.timer:      %s, %s
backup.service:    %s, %s
What to do:        systemctl enable --now backup.timer; systemctl start backup.service
                   backupctl status; journalctl -u backup.service
%s"""
        % (
            settings["host"],
            settings["alert_after"],
            found,
            state_of(timer),
            timer["ActiveState"],
            state_of(service),
            service["ActiveState"],
            "".join("Mind:              %s\n" % each for each in (settings.get("trouble"), trouble) if each),
        ),
    )


def state_of(found: dict[str, str]) -> str:
    return found["LoadState"] if found["LoadState"] != "loaded" else found["UnitFileState"] or "loaded"
