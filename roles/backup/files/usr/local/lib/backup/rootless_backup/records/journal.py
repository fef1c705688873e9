# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The journal of a run: what is used of its entries, and how the programs of the backup put numbers into it."""

from __future__ import annotations

import collections
import subprocess
import tempfile

from rootless_backup import untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Fields of our own, which the report reads: of an archive that was made (see status.ARCHIVE), of those that a repository keeps (see
# status.KEPT), how much room there is (see status.ROOM), what the administrator can do about a failure, and has to know of a run
# that is good.
RECORD, KEPT, ROOM, ADVICE, MIND = "BACKUP_RECORD", "BACKUP_KEPT", "BACKUP_ROOM", "BACKUP_ADVICE", "BACKUP_MIND"

# Of a line of the journal, as JSON, and of a text in it.
LONGEST_ENTRY = 1 << 20
LONGEST_TEXT = 4000
# Of the entries that are read at once, as JSON, in bytes.
MOST_READ = 64 << 20


class Entry:
    """What is used of an entry of the journal. Anybody can write one, with any field, any number of times, of any length.

    A field that begins with an underscore is journald's own word; the others are what somebody says.
    """

    FIELDS = (
        "MESSAGE",
        "PRIORITY",
        "SYSLOG_IDENTIFIER",
        "_PID",
        "_UID",
        "_SYSTEMD_INVOCATION_ID",
        "INVOCATION_ID",
        "UNIT_RESULT",
        "JOB_TYPE",
        "JOB_RESULT",
        "COMMAND",
        "EXIT_CODE",
        "EXIT_STATUS",
        RECORD,
        KEPT,
        ROOM,
        ADVICE,
        MIND,
    )

    def __init__(self, fields: dict[str, Any]) -> None:
        self.time = int(one(fields.get("__REALTIME_TIMESTAMP"))) / 1e6
        self.fields = {name: one(fields[name]) for name in self.FIELDS if name in fields}
        # Cut before and after: an escape is longer than what it stands for.
        self.message = untrusted.printable_lines(self.fields.pop("MESSAGE", "")[:LONGEST_TEXT])[:LONGEST_TEXT]
        priority = self.fields.get("PRIORITY", "")
        self.priority = int(priority) if priority in tuple("01234567") else 6
        self.identifier = self.fields.get("SYSLOG_IDENTIFIER", "")
        self.pid, self.uid = self.fields.get("_PID"), self.fields.get("_UID")
        self.invocation = self.fields.get("_SYSTEMD_INVOCATION_ID")


def one(value: object) -> str:
    """The text of a field, or of the first one if there are several. The journal gives what is not UTF-8 as a list of bytes."""
    if isinstance(value, list) and not all(isinstance(element, int) for element in value):
        return one(value[0]) if not isinstance(value[0], list) or all(isinstance(element, int) for element in value[0]) else ""
    if isinstance(value, list):
        return bytes(number & 255 for number in value).decode(errors="backslashreplace")
    return value if isinstance(value, str) else ""


def read(most: int, *matches: str) -> list[Entry]:
    """The last entries that match, oldest first: of a talkative unit the end, since a report has to come in time."""
    command = [
        "journalctl",
        "--output=json",
        "--output-fields=" + ",".join(Entry.FIELDS),
        "--no-pager",
        "--quiet",
        "--all",
        "--lines=%d" % most,
        *matches,
    ]
    entries: collections.deque[tuple[Entry, int]] = collections.deque()
    # A file: it can say more than a pipe holds, of damaged journals, while it is asked for the entries.
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout
        room = MOST_READ
        while True:
            line = process.stdout.readline(LONGEST_ENTRY)
            if not line:
                break
            whole = line.endswith(b"\n")
            while not line.endswith(b"\n") and line:
                line = process.stdout.readline(LONGEST_ENTRY)
            if not whole:
                continue
            try:
                entry = Entry(untrusted.parse_json(line))
            except (untrusted.Untrustworthy, ValueError, AttributeError, LookupError):
                # Not as journald writes one.
                continue
            entries.append((entry, len(line)))
            room -= len(line)
            while room < 0:
                room += entries.popleft()[1]
        process.wait()
        errors.seek(0)
        trouble = errors.read(LONGEST_TEXT).decode(errors="backslashreplace")
    if process.returncode != 0:
        raise RuntimeError("journalctl failed: %s" % trouble.strip())
    return [entry for entry, _length in entries]


def said(unit: str, since: float, lines: int, most: int) -> str:
    """The last lines that a unit said since a time, as text of at most so many bytes. CalledProcessError: they cannot be read."""
    # What was said last may still be on its way into the journal.
    subprocess.run(["journalctl", "--sync"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    # Not by its invocation: of a unit that has ended, and that nothing needs, systemd forgets it.
    command = [
        "journalctl",
        "--output=cat",
        "--no-pager",
        "--quiet",
        "--lines=%d" % lines,
        "--since=@%.6f" % since,
        "_SYSTEMD_UNIT=" + unit,
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout
        output = process.stdout.read(most)
        process.stdout.close()
    # Who is cut short fails by that.
    if process.returncode != 0 and len(output) < most:
        raise subprocess.CalledProcessError(process.returncode, command)
    return output.decode(errors="backslashreplace")
