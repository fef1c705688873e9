# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""A unit that the backup waited for, as the journal tells it."""

from __future__ import annotations

import re

from rootless_backup import systemd, untrusted
from rootless_backup.records import journal
from rootless_backup.report.log import LOG_LINES, section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless_backup.records.status import HookEntry

# Of a hook that did not end within the run, because another one failed.
NOT_RUN = "it was not run"
RUNNING = "it was still running"


class Hook:
    """One unit that the backup waited for."""

    def __init__(self, unit: str, required: bool, result: str, message: str, seconds: float | None = None) -> None:
        self.unit, self.required, self.result, self.told = unit, required, result, message
        # How long it took, if that is known.
        self.seconds = seconds
        self.failed = failed(result)

    def entry(self) -> HookEntry:
        """What is recorded of it."""
        entry: HookEntry = {"unit": self.unit, "result": self.result, "required": self.required}
        if self.seconds is not None:
            entry["seconds"] = self.seconds
        return entry


def failed(result: str) -> bool:
    return result not in ("success", NOT_RUN, RUNNING)


def read_hook(unit: str, required: bool, started: float, finished: float) -> tuple[str, bool, str, str, float | None, str]:
    """One unit that the backup waited for, as the journal tells it: by now the unit may run again."""
    # It begins with the backup, by a hair before it; what it said last may be taken in by the journal after the backup's end.
    within = "--since=@%d" % (started - 1), "--until=@%d" % (finished + 2)
    # What systemd says and what the hook says are asked for one by one: the hook may say more than is read.
    entries = [entry for entry in journal.read(2000, *within, "UNIT=" + unit, "_PID=1") if started - 1 <= entry.time]
    # What was stopped before the backup began was of the backup before.
    stopped = [entry for entry in entries if entry.fields.get("JOB_TYPE") == "stop" and entry.time < started]
    over = {entry.fields["INVOCATION_ID"] for entry in stopped if "INVOCATION_ID" in entry.fields}
    entries = [entry for entry in entries if entry.fields.get("INVOCATION_ID") not in over]
    now = [entry for entry in entries if entry.time <= finished]
    runs = {entry.fields["INVOCATION_ID"] for entry in now if "INVOCATION_ID" in entry.fields}
    entries = [entry for entry in entries if entry in now or entry.fields.get("INVOCATION_ID") in runs]
    result = NOT_RUN
    # Its last word counts: a hook that failed is tried once more. See systemd.journal-fields(7).
    for entry in entries:
        if "UNIT_RESULT" in entry.fields:
            result = entry.fields["UNIT_RESULT"]
        elif entry.fields.get("JOB_TYPE") == "start" and entry.fields.get("JOB_RESULT") == "done":
            result = "success"
        elif result == NOT_RUN:
            result = RUNNING
    # Another one failed, so this one was ended; some say so by their exit code.
    if result in ("signal", "exit-code") and any(entry.fields.get("JOB_TYPE") == "stop" for entry in entries):
        result = RUNNING
    if result in (NOT_RUN, RUNNING):
        # Who says enough pushes what was said of it out of the journal; what systemd remembers may be of a later run, but not of this time.
        properties = systemd.show_or_nothing(unit, "Result", "ExecMainExitTimestamp")
        ended_at = re.fullmatch(r"@(\d+)", properties["ExecMainExitTimestamp"])
        if (
            result == NOT_RUN
            and properties["Result"] not in ("", "success")
            and ended_at
            and started - 1 <= int(ended_at[1]) <= finished + 1
        ):
            result = properties["Result"]
    spoken = [
        entry
        for entry in journal.read(2 * LOG_LINES, *within, "_SYSTEMD_UNIT=" + unit)
        if started - 1 <= entry.time and (entry.time <= finished or entry.invocation in runs) and entry.invocation not in over
    ]
    last = cause(spoken)
    # A command that reached its time limit was ended by systemd.
    code = exit_code([entry for entry in entries if entry.time <= finished]) if failed(result) and result != "timeout" else ""
    why = [": " + last[:200]] if last else [": %s" % code] if code else [""]
    # Where the hook says why itself, its exit code comes in a line of its own.
    why += [code] if last and code else []
    everything = sorted(entries + spoken, key=lambda entry: entry.time)
    log = section(unit, [entry.message for entry in everything]) if failed(result) else ""
    return unit, required, result, "%s (%s)%s" % (unit, result, "\n".join(why)), duration(entries), log


def duration(entries: list[journal.Entry]) -> float | None:
    """How many seconds the last try took, from its first word of systemd to the word of its end; None: that was not said."""
    ends = [entry for entry in entries if "UNIT_RESULT" in entry.fields or entry.fields.get("JOB_TYPE") == "start"]
    if not ends or "INVOCATION_ID" not in ends[-1].fields:
        return None
    begun = min(entry.time for entry in entries if entry.fields.get("INVOCATION_ID") == ends[-1].fields["INVOCATION_ID"])
    return round(max(0.0, ends[-1].time - begun), 3)


def cause(spoken: list[journal.Entry]) -> str:
    """What a unit said last of why it failed: an error, if it said one, and never a warning."""
    errors = [entry for entry in spoken if entry.priority <= 3]
    others = [entry for entry in spoken if entry.priority > 4]
    # The last line often says it best; what is printed without a level has that of a remark.
    last = (errors or others)[-1:]
    return untrusted.without_traces(last[0].message.strip()) if last else ""


def exit_code(entries: list[journal.Entry]) -> str:
    """How the last command of a unit that failed ended, by what systemd said of it; nothing where that is not known.

    See systemd.journal-fields(7), and systemd.exec(5), "Process exit codes".
    """
    for entry in reversed(entries):
        command, code = (entry.fields.get(name, "") for name in ("COMMAND", "EXIT_STATUS"))
        if re.fullmatch("[0-9]{1,3}", code) and re.fullmatch("[A-Za-z]{1,20}", command) and code != "0":
            exited = entry.fields.get("EXIT_CODE") == "exited"
            name = re.search(r" status=[0-9]+/([A-Z0-9_+-]+)$", entry.message)
            # Names below that are of a convention that few programs keep.
            named = " (%s)" % name[1] if name and (int(code) >= 200 or not exited) else ""
            how = "exited with code" if exited else "was ended by signal"
            return "the command of %s= %s %s%s" % (command, how, code, named)
    return ""


def hooks_of(result: str) -> list[tuple[str, bool]]:
    """The units that commands of backup.service started, and whether the backup fails with them; those after it only with a success."""
    lines = "\n".join(systemd.show("backup.service", "ExecStartPre", *(["ExecStartPost"] if result == "success" else [])).values())
    commands = re.findall(r"argv\[\]=\S*systemctl start (\S+) ; ignore_errors=(yes|no)", lines)
    return [(unit if "." in unit else unit + ".service", ignored == "no") for unit, ignored in commands]
