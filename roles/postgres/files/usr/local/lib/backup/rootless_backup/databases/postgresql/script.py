# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""What pg_restore(1) and pg_dumpall(1) write, statement by statement."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    class Stream(Protocol):
        def read(self, size: int, /) -> bytes: ...


class Unread(Exception):
    """What pg_restore writes is not what it is known to write."""


class Script:
    """What pg_restore writes, statement by statement. In a text and in a name, quotes are doubled, and anything may stand there."""

    MARK, LINE, CLOSING = re.compile(rb"""['";]"""), re.compile(rb"\n"), {b"'": re.compile(rb"'"), b'"': re.compile(rb'"')}
    WORD = re.compile(rb"\S")

    # What a statement may have at the most, in bytes, and what is kept of a longer one. Rows are no part of it.
    LONGEST, KEPT = 16 << 20, 200

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.text, self.at = b"", 0
        # Whether the statement that is read is longer.
        self.cut = False

    def more(self) -> bool:
        """Read on. Return whether there was anything."""
        block = self.stream.read(1 << 20)
        self.text, self.at = self.text[self.at :] + block, 0
        return bool(block)

    def find(self, pattern: re.Pattern[bytes], start: int) -> int:
        """Where, counted from here, there is one of these bytes, from a place on. Unread: nowhere."""
        while True:
            match = pattern.search(self.text, self.at + start)
            if match:
                return match.start() - self.at
            start = len(self.text) - self.at
            if start > self.LONGEST:
                # Only its end is looked for: to carry it along would cost as much each time.
                self.text, self.at, start, self.cut = self.text[self.at : self.at + self.KEPT], 0, self.KEPT, True
            if not self.more():
                raise Unread("it ends in the middle of a statement")

    def statements(self) -> Iterator[bytes]:
        """The statements; rows that one of them announces have to be taken by `rows` before the next."""
        while self.begins():
            if self.text.startswith((b"--", b"\\"), self.at):
                # A remark, or a word to psql, such as \\restrict.
                end = self.find(self.LINE, 0)
                self.at += end + 1
                continue
            self.cut = False
            end = self.find(self.MARK, 0)
            while (mark := self.text[self.at + end : self.at + end + 1]) != b";":
                end = self.find(self.MARK, self.find(self.CLOSING[mark], end + 1) + 1)
            statement = self.text[self.at : self.at + end + 1]
            self.at += end + 1
            yield statement

    def begins(self) -> bool:
        """Go on to where a statement begins. Return whether there is one."""
        while True:
            match = self.WORD.search(self.text, self.at)
            self.at = match.start() if match else len(self.text)
            # Two bytes tell what it is.
            if self.at + 1 < len(self.text):
                return True
            if not self.more():
                return self.at < len(self.text)

    def rows(self, take: Callable[[bytes], object]) -> None:
        """Hand on the rows that stand here, in pieces of any length, up to the line that ends them; no row is like that."""
        self.find(self.LINE, 0)
        while (end := self.ending()) < 0:
            # What may be the beginning of the end stays.
            keep = max(self.at, len(self.text) - 4)
            take(self.text[self.at + 1 : keep + 1])
            self.at = keep
            if not self.more():
                raise Unread("it ends in the middle of the rows of a table")
        take(self.text[self.at + 1 : end + 1])
        self.at = end + 4

    def ending(self) -> int:
        """Where the line is that ends the rows, with the line end before it. -1: not in what was read."""
        # To look for one byte takes a tenth of the time, and most rows have no such byte.
        mark = self.text.find(b"\\", self.at)
        return mark if mark < 0 else self.text.find(b"\n\\.\n", max(self.at, mark - 1))
