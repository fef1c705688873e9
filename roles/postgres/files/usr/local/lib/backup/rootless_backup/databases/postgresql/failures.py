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
ERROR = re.compile(rb"pg_restore: .*?error: (?:could not execute query: (?:ERROR:  )?)?(.*)")
COMMAND = re.compile(rb"Command was: (.*)")
MORE = re.compile(rb"(?:DETAIL|HINT): +(.*)")
# Its last word, if it went on to the end.
IGNORED = re.compile(rb"pg_restore: warning: errors ignored on restore: \d+")
# What is harmless, by how the statement begins: who lacks one of these can read, write or do nothing that he could not. Of anything else,
# such as grants, a policy or the owner of a function, it is not known.
IDENTIFIER = r"""(?:"(?:[^"]|"")*"|[^\s".;]+)"""
HARMLESS = {
    "COMMENT": "COMMENT ON ",
    "CONSTRAINT": r"ALTER TABLE (?:ONLY )?%s(?:\.%s)?\s+ADD CONSTRAINT " % (IDENTIFIER, IDENTIFIER),
    "EXTENSION": "CREATE EXTENSION ",
    "INDEX": "CREATE (?:UNIQUE )?INDEX |ALTER INDEX ",
    "PUBLICATION": "(?:CREATE|ALTER) PUBLICATION ",
    "ROWS": "COPY failed for table ",
    "SEQUENCE": r"SELECT pg_catalog\.setval\(",
    "STATISTICS": "CREATE STATISTICS ",
}


def in_log(said: IO[bytes]) -> list[Failure] | None:
    """The failures, of all that it said. None: it did not go on to the end."""
    found: list[Failure] = []
    last = b""
    # Of how many lines more the statement is taken.
    lines = 0
    for raw in iter(lambda: said.readline(LINE), b""):
        line = raw.rstrip(b"\n")
        last = line or last
        if match := ERROR.fullmatch(line):
            lines = 0
            found.append(Failure("", "", cut(os.fsdecode(match[1]))))
            if len(found) > MOST:
                found[MOST:] = [Failure("", "", "more errors than are told of")]
        elif not found or len(found) > MOST:
            continue
        elif match := MORE.fullmatch(line):
            found[-1] = found[-1]._replace(why=cut("%s (%s)" % (found[-1].why, os.fsdecode(match[1]))))
        elif match := COMMAND.fullmatch(line):
            lines = 5
            found[-1] = found[-1]._replace(name=cut(os.fsdecode(match[1])))
        elif lines > 0 and not line.startswith(b"pg_restore: "):
            lines -= 1
            found[-1] = found[-1]._replace(name=cut("%s %s" % (found[-1].name, os.fsdecode(line.strip()))).strip())
    return [each._replace(kind=kind_of(each)) for each in found] if IGNORED.fullmatch(last) else None


def kind_of(failure: Failure) -> str:
    """What a statement that failed makes, if it is harmless."""
    statement = failure.name or failure.why
    return next((kind for kind, begins in HARMLESS.items() if re.match(begins, statement)), "")


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def harmless(failures: Iterable[Failure]) -> bool:
    """Whether nobody can do more without what failed."""
    return all(each.kind in HARMLESS for each in failures)


def told(failure: Failure) -> str:
    """A failure, for people."""
    return ": ".join(filter(None, [failure.name, failure.why]))
