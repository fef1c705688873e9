# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""What pg_restore(1) says that it could not load."""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO, NamedTuple

    class Failure(NamedTuple):
        """What was not loaded: of what kind it is, see HARMLESS, the statement or what it is, and why."""

        kind: str
        name: str
        why: str

else:
    import collections

    Failure = collections.namedtuple("Failure", ["kind", "name", "why"])

# So many are told of, and so much of each, in characters: an owner makes as many as he likes.
MOST, LONGEST = 100, 500
# Of a line no more is read at once.
LINE = 64 << 10
# So much of what is said of one failure PostgreSQL's own fprintf writes at once, in bytes; several workers write to the same place.
PIECE = 1000
# What is harmless, by how the statement begins: who lacks one of these can read, write or do nothing that he could not. Of anything else,
# such as grants, a policy or the owner of a function, it is not known; nor of rows and of what refuses rows, which may be about rights;
# nor of an extension, whose names somebody else could take.
HARMLESS = {
    "COMMENT": "COMMENT ON ",
    "INDEX": "(?:CREATE|ALTER) INDEX ",
    "PUBLICATION": "(?:CREATE|ALTER) PUBLICATION ",
    "STATISTICS": "CREATE STATISTICS ",
}
ERROR = re.compile(rb"pg_restore: error: (could not execute query: ERROR:  )?(.*)")
COMMAND = re.compile(rb"Command was: (.*)")
MORE = re.compile(rb"(?:DETAIL|HINT): +(.*)")
# Wherever it stands, something went wrong.
SIGN = re.compile(rb"could not execute query:|error:")
# Its last word, if it went on to the end. Workers count what was counted before them again.
IGNORED = re.compile(rb"pg_restore: warning: errors ignored on restore: \d+")
# What else may be missing, beside what pg_restore says: a setting, a right, the tablespace, the rows of a materialized view.
SETTING, RIGHT, TABLESPACE, EMPTY = "SETTING", "RIGHT", "TABLESPACE", "EMPTY"


class Message:
    """What is said of one failure. There may be any name in it, with any line in that: what could be forged is not known."""

    def __init__(self, why: bytes, known: bool) -> None:
        """`known`: whether its first line is what pg_restore says of a statement that failed."""
        self.why, self.name = cut(os.fsdecode(why)), ""
        self.known = known and not SIGN.search(why)
        self.commands, self.size = 0, len(why)
        # Of how many lines more the statement is taken.
        self.lines = 0

    def take(self, line: bytes) -> None:
        """Take another line of it."""
        if line.startswith(b"pg_restore: "):
            self.lines = 0
            return
        self.size += len(line) + 1
        if match := COMMAND.fullmatch(line):
            self.commands += 1
            self.lines, self.name = 5, cut("%s %s" % (self.name, os.fsdecode(match[1]))).strip()
        elif self.lines > 0:
            self.lines -= 1
            self.name = cut("%s %s" % (self.name, os.fsdecode(line.strip()))).strip()
        elif match := MORE.fullmatch(line):
            self.why = cut("%s (%s)" % (self.why, os.fsdecode(match[1])))

    def failure(self) -> Failure:
        known = self.known and self.commands == 1 and self.size < PIECE
        return Failure(kind_of(self.name) if known else "", self.name, self.why)


def in_log(log: IO[bytes]) -> list[Failure] | None:
    """The failures, of all that it said. None: it did not go on to the end."""
    messages: list[Message] = []
    last = b""
    for raw in iter(lambda: log.readline(LINE), b""):
        line = raw.rstrip(b"\n")
        last = line or last
        if len(messages) > MOST:
            continue
        match = ERROR.fullmatch(line)
        if match:
            messages.append(Message(match[2], match[1] is not None))
        elif SIGN.search(line):
            messages.append(Message(line, False))
        elif messages:
            messages[-1].take(line)
    if IGNORED.fullmatch(last) is None:
        return None
    failures = [message.failure() for message in messages[:MOST]]
    if len(messages) > MOST:
        failures.append(Failure("", "", "more errors than are told of"))
    elif not messages:
        failures.append(Failure("", "", "what failed is not known"))
    return failures


def kind_of(statement: str) -> str:
    """What a statement that failed makes, if it is harmless."""
    return next((kind for kind, begins in HARMLESS.items() if re.match(begins, statement)), "")


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def harmless(failures: Iterable[Failure]) -> bool:
    """Whether nobody can do more without what failed."""
    return all(failure.kind in HARMLESS for failure in failures)


def told(failure: Failure) -> str:
    """A failure, for people."""
    # There may be any name in it: none of its lines is one of ours.
    return ": ".join(filter(None, [failure.name, failure.why])).replace("\n", "\n    ")
