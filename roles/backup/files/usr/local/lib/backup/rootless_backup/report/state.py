# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is kept of the runs."""

from __future__ import annotations

import hashlib
import json
import time

from rootless_backup import host, statefile, systemd, untrusted
from rootless_backup.figures import DAY, FIGURE
from rootless_backup.records import room, status
from rootless_backup.report import history, verdict
from rootless_backup.report.metrics import metrics
from rootless_backup.untrusted import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless_backup.records.status import Known, UnitEntry
    from rootless_backup.report.run import Run

STATE = host.REPORT_STATE


class State:
    """status.json: for each unit its last run, its last good one, and since when it fails. Times are seconds since 1970."""

    def __init__(self) -> None:
        self.known: Known = {}
        self.trouble: str | None = None
        self.ran: Run | None = None
        try:
            self.known = status.read()
        except FileNotFoundError:
            pass
        except (OSError, untrusted.Untrustworthy) as trouble:
            self.trouble = "what was known of earlier runs cannot be read, so it begins anew: %s" % reason(trouble)

    def of(self, name: str) -> UnitEntry:
        return self.known.get("units", {}).get(name, {})

    def record(self, run: Run) -> UnitEntry:
        """The unit's entry after this run."""
        self.ran = run
        before = self.of(run.name)
        ok = run.result == "success"
        entry: UnitEntry = {
            "result": run.result,
            "invocation": run.invocation,
            "started": run.started,
            "finished": run.finished,
            "last_good": run.finished if ok else before.get("last_good"),
            "failing_since": None if ok else before.get("failing_since") or run.finished,
            "failures": 0 if ok else before.get("failures", 0) + 1,
            "failed": [] if ok else run.failed(),
            "advice": verdict.remedies(run),
            "optional_failures": run.optional_failures,
            "troubles": run.troubles,
            "warnings": run.warnings[:20],
            "archives": run.archives,
            "hooks": [hook.entry() for hook in run.hooks],
        }
        if "told" in before and not ok:
            entry["told"], entry["told_of"] = before["told"], before["told_of"]
        if not ok and not run.archives:
            entry["archives"] = before.get("archives", [])
        self.known.setdefault("units", {})[run.name] = entry
        kept = {record["repository"]: record["archives"] for record in run.kept}
        # A good run tells of every repository that is used.
        self.known["repositories"] = kept if ok and kept else {**self.known.get("repositories", {}), **kept}
        return entry

    def is_repeated(self, run: Run) -> bool:
        """Whether what a unit found that looks every hour was told within a day."""
        before = self.of(run.name)
        lately = 0 <= time.time() - before.get("told", 0) < DAY
        return run.name == host.REPOSITORY_WATCH and lately and before.get("told_of") == digest(run)

    def told_of(self, run: Run) -> None:
        self.of(run.name).update({"told": time.time(), "told_of": digest(run)})

    def take_room(self, run: Run) -> list[str]:
        """Note how much room a run found, and return what is to be said of it, a line each."""
        known = self.known.get("room", {})
        new = {
            sample["repository"]: room.taken(known.get(sample["repository"], []), [run.finished, sample["free"], sample["total"]])
            for sample in run.room
        }
        if new:
            # Of a repository that could not be used now it stays for a while; one that is used no more tells nothing after that.
            lately = run.finished - room.KNOWN_AFTER * DAY
            self.known["room"] = {**{repository: samples for repository, samples in known.items() if samples[-1][0] >= lately}, **new}
        return list(room.warnings(new))

    def alerted(self) -> float:
        return self.known.get("alerted", 0)

    def set_alerted(self, when: float) -> None:
        self.known["alerted"] = when

    def last_success_told(self) -> float:
        return self.known.get("success_told", 0)

    def told_success(self) -> None:
        self.known["success_told"] = time.time()

    def keep(self, settings: dict[str, Any]) -> str:
        """Write down what is known. Return what kept it from being written, or nothing."""
        try:
            self.write(settings)
            return ""
        except Exception as trouble:  # told
            untrusted.tell(3, "What is known of the backups could not be written down: %s" % reason(trouble))
            return reason(trouble)

    def forget_gone(self) -> None:
        """Forget a watch of repositories that was taken away: it would fail for ever."""
        units = self.known.get("units", {})
        if host.REPOSITORY_WATCH not in units:
            return
        if systemd.show_or_nothing(host.REPOSITORY_WATCH + ".service", "LoadState")["LoadState"] == "not-found":
            del units[host.REPOSITORY_WATCH]

    def write(self, settings: dict[str, Any]) -> None:
        self.forget_gone()
        known: Known = {"host": settings["host"], "version": host.VERSION, "alert_after": settings["alert_after"]}
        # The directory's group, by its set-group-id bit, is who may read it.
        statefile.write(status.STATUS, json.dumps({**self.known, **known}, indent=2) + "\n", 0o640)
        statefile.write(STATE + "/backup.prom", metrics(self.known, settings), 0o644)
        if self.ran is not None and self.ran.name in host.TASKS.values():
            history.keep(self.ran)


def digest(run: Run) -> str:
    """What stands for what was found, whatever its figures are, which differ at each look; not those in a name before a colon."""
    parts = [("", line) if ": " not in line else line.split(": ", 1) for line in (run.errors or run.failed())]
    findings = sorted("%s: %s" % (name, FIGURE.sub("", text)) for name, text in parts)
    return hashlib.sha256("\n".join(findings).encode(errors="backslashreplace")).hexdigest()
