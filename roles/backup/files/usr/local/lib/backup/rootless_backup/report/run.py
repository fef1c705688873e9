# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""One run of a unit, as the journal and systemd tell it."""

from __future__ import annotations

import re
import time

from rootless_backup import host, systemd, untrusted
from rootless_backup.figures import size
from rootless_backup.records import journal, status
from rootless_backup.report.apart import apart
from rootless_backup.report.hook import NOT_RUN, Hook, exit_code, failed, hooks_of, read_hook
from rootless_backup.report.log import section
from rootless_backup.untrusted import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless_backup.records.status import Archive, Kept, Room


class Run:
    """One run of a unit, as the journal and systemd tell it. Every text in it is printable."""

    def __init__(self, name: str, result: str, invocation: str, **facts: Any) -> None:
        self.name, self.result, self.invocation = name, result, invocation
        self.unit = name + ".service"
        now = time.time()
        self.started, self.finished = facts.get("started", now), facts.get("finished", now)
        self.hooks = [Hook(*fields) for fields in facts.get("hooks", [])]
        self.archives, self.kept, self.advice = facts.get("archives", []), facts.get("kept", []), facts.get("advice", [])
        self.room = facts.get("room", [])
        self.errors, self.waiters, self.warnings = facts.get("errors", []), facts.get("waiters", []), facts.get("warnings", [])
        # How the process that failed ended, if that is known.
        self.code: str = facts.get("code", "")
        # What came of saving the rest, a line each.
        self.rest = facts.get("rest", [])
        self.log = facts.get("log", "")
        # What failed without making the run fail, a line each.
        self.optional_failures = [hook.told.replace("\n", "; ") for hook in self.hooks if hook.failed and not hook.required]
        # What has to be known of a run all the same, and what keeps this report from saying all of it.
        self.troubles: list[str] = facts.get("troubles", [])

    def failed(self) -> list[str]:
        """What failed, a line each."""
        failures = [line for hook in self.hooks if hook.failed and hook.required for line in hook.told.split("\n")]
        if self.result == "timeout":
            failures.append("%s reached its time limit" % self.unit)
        elif self.result in ("signal", "oom-kill", "core-dump", "watchdog"):
            failures.append("%s was ended by %s" % (self.unit, self.result))
        failures += self.errors[:5]
        unrun = [hook.told for hook in self.hooks if hook.result == NOT_RUN and hook.required]
        return failures or self.waiters[:5] or unrun or ["%s (%s)%s" % (self.unit, self.result, ": " + self.code if self.code else "")]


def read_run(name: str, result: str, invocation: str) -> Run:
    """The run of a unit. If what is said of it cannot be read, a run of which only the result is known, and why."""
    try:
        return Run(name, result, invocation, **apart(found_of, name, result, invocation))
    except Exception as trouble:  # told, and made bad by that
        run = Run(name, result, invocation)
        run.troubles.append("the details of this run could not be read: %s" % reason(trouble))
        return run


def read_rest(finished: float) -> list[str]:
    """What was saved when a run had failed before it saved anything, and what was not, a line each."""
    unit = host.REST + ".service"
    properties = systemd.show_or_nothing(unit, "InvocationID", "InactiveExitTimestamp", "Result")
    at = re.fullmatch(r"@(\d+)", properties["InactiveExitTimestamp"])
    if not properties["InvocationID"] or not at or int(at[1]) < int(finished):
        return []
    entries = [entry for entry in journal.read(20_000, "_SYSTEMD_INVOCATION_ID=" + properties["InvocationID"]) if entry.pid != "1"]
    lines = []
    for record in (entry.fields[journal.RECORD] for entry in entries if journal.RECORD in entry.fields):
        try:
            archive = status.checked(status.ARCHIVE, record, unit)
            lines.append("%s: %d files, %s" % (archive["name"], archive["files"], size(archive["original_size"])))
        except untrusted.Untrustworthy as trouble:
            lines.append("what %s said of an archive is not understood: %s" % (unit, trouble))
    errors = [entry.message for entry in entries if entry.priority <= 3]
    wrong = untrusted.without_traces("\n".join(errors)).split("\n")[:10] if errors else []
    if properties["Result"] != "success" and not wrong:
        wrong = ["%s (%s)" % (unit, properties["Result"])]
    advice = fields_of(entries, journal.ADVICE)
    return [*(untrusted.printable(line) for line in [*lines, *("but: " + error for error in wrong)]), *advice]


def fields_of(entries: list[journal.Entry], name: str) -> list[str]:
    """What entries have in a field of ours that is for people."""
    return [untrusted.printable(entry.fields[name])[: journal.LONGEST_TEXT] for entry in entries if name in entry.fields][:20]


def found_of(name: str, result: str, invocation: str) -> dict[str, Any]:
    """What the journal says of a run, as `Run` takes it."""
    unit = name + ".service"
    # What systemd itself says of the unit has a field that anybody could write, so it has to come from root.
    matches = "_SYSTEMD_INVOCATION_ID=" + invocation, "+", "INVOCATION_ID=" + invocation, "_UID=0"
    entries = journal.read(20_000, *matches) if invocation else []
    times = [entry.time for entry in entries] or [time.time()]
    started, finished = min(times), max(times)
    hooks = [read_hook(*hook, started, finished) for hook in hooks_of(result)] if name == "backup" else []
    own = [entry for entry in entries if entry.pid != "1"]
    errors = [entry for entry in own if entry.priority <= 3]
    warnings = [entry.message for entry in own if entry.priority == 4]
    # Of the numbers only what a process of the unit itself said.
    said = [entry for entry in own if entry.invocation == invocation]
    archives: list[Archive] = []
    kept: list[Kept] = []
    room: list[Room] = []
    destinations: list[tuple[str, status.Form, list[Any]]] = [
        (journal.RECORD, status.ARCHIVE, archives),
        (journal.KEPT, status.KEPT, kept),
        (journal.ROOM, status.ROOM, room),
    ]
    for field, form, into in destinations:
        for content in (entry.fields[field] for entry in said if field in entry.fields):
            try:
                into.append(status.checked(form, content, field))
            except untrusted.Untrustworthy as trouble:
                warnings.insert(0, "%s said something of its archives that is not understood, and is left out: %s" % (unit, trouble))
    waits = [entry for entry in errors if entry.uid == "0" and entry.identifier == "systemctl"]
    lines = ["%s %s" % (time.strftime("%H:%M:%S", time.gmtime(entry.time)), entry.message) for entry in entries]
    rest = read_rest(finished) if name == "backup" and result != "success" else []
    return {
        "started": started,
        "rest": rest,
        "finished": finished,
        "archives": archives,
        "kept": kept,
        "room": room,
        "warnings": warnings[:1000],
        "hooks": [hook[:-1] for hook in hooks],
        "advice": fields_of(said, journal.ADVICE),
        "troubles": fields_of(said, journal.MIND),
        # That a hook failed is better told by the hook than by what waited for it.
        "errors": untrusted.without_traces("\n".join(entry.message for entry in errors if entry not in waits)).split("\n")[:100]
        if len(errors) > len(waits)
        else [],
        # When the run is stopped just then, what waits may be faster to say so than to be ended.
        "waiters": [
            re.sub(r"^Job for (\S+) cancell?ed\.$", unit + r" was stopped while it waited for \1", entry.message) for entry in waits
        ][:100],
        "code": exit_code([entry for entry in entries if entry.pid == "1"]) if result != "success" else "",
        "log": "".join(hook[-1] for hook in hooks if failed(hook[2])) + section(unit, lines),
    }
