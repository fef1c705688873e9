# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What comes from those who are not trusted: texts, files and JSON, and how they are met.

A text of a host, a server, a hook, an owner or a file name is shown by `printable` only, so programs print by `say`, `tell` and `die`
and by nothing else; a file of somebody else is opened by `open_plain` only, so that a FIFO, a device or a link neither hangs, nor
fills the memory, nor leads elsewhere.
"""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import sys
import threading
import unicodedata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO, Any, NoReturn, TextIO

# Far more than any record of a backup has, and little for a machine.
MOST_JSON = 64 << 20
# In characters.
LONGEST_REASON = 4000
# Control and format characters (among them those that turn the direction of writing), lone surrogates, separators of lines.
MOVING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class Untrustworthy(ValueError):
    """What was found is not what it has to be; the text says why, for people."""


def printable(text: str, keep: str = "") -> str:
    """A text in which everything that could move a terminal, or forge a line, is an escape; `keep`: characters that stay, as "\\n\\t"."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in keep or unicodedata.category(char) not in MOVING else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )


def printable_lines(text: str) -> str:
    """A text of several lines, each as `printable` makes it; line ends and tabs stay."""
    return printable(text, keep="\n\t")


class Painted(str):
    """A text that `say` shows in a colour where there is a terminal."""

    __slots__ = ("colour",)
    colour: str


def painted(text: str, colour: str) -> Painted:
    """A text in a colour, given as the number of ANSI's. Only as a part of its own does it keep it."""
    made = Painted(text)
    made.colour = colour
    return made


def has_colours(file: TextIO) -> bool:
    """Whether who reads wants colours. See no-color.org."""
    return file.isatty() and not os.environ.get("NO_COLOR")


def say(*parts: str, end: str = "\n", file: TextIO | None = None) -> bool:
    """Say something to people: each part as `printable_lines` makes it, one behind the other. Return whether somebody reads."""
    file = sys.stdout if file is None else file
    text = "".join(
        "\033[%sm%s\033[0m" % (part.colour, printable_lines(part))
        if isinstance(part, Painted) and has_colours(file)
        else printable_lines(part)
        for part in parts
    )
    encoding = file.encoding or "utf-8"
    try:
        # At once: of what several threads say no line goes on in another's.
        print((text + end).encode(encoding, "backslashreplace").decode(encoding), end="", file=file, flush=True)
        return True
    except BrokenPipeError:
        # Who reads, such as head(1), has seen enough. The rest is for nobody, also what is in the buffer; what is under way goes on.
        nobody = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nobody, file.fileno())
        os.close(nobody)
        return False


def without_traces(text: str) -> str:
    """A text in which each trace of a program that crashed is its last line, which says why; of one that led to another the other's."""
    lines: list[str] = []
    # Whether in a trace, and how many lines there were before the first of a chain of them.
    tracing, chained, before = False, False, 0
    for line in text.split("\n"):
        if line.strip().startswith("Traceback (most recent call last)"):
            if chained:
                del lines[before:]
            tracing, chained, before = True, False, len(lines)
        elif tracing and (line[:1].isspace() or not line):
            continue
        elif line.startswith(("During handling of the above exception", "The above exception was the direct cause")):
            chained = True
        else:
            tracing = False
            lines.append(line)
    return "\n".join(lines) if lines else text.rstrip("\n").rsplit("\n", 1)[-1].strip()


def tell(level: int, text: str) -> None:
    """Say something to the journal. Each of its lines is of that level, see sd-daemon(3): none forges one of another."""
    for line in text.split("\n"):
        say("<%d>" % level, line)


def die(text: str, code: int = 1) -> NoReturn:
    """Say why, and end without success."""
    say(text, file=sys.stderr)
    sys.exit(int(code))


def escape_rest(file: TextIO, line_buffering: bool | None = None) -> None:
    """Have what a stream cannot encode come as an escape."""
    assert isinstance(file, io.TextIOWrapper)
    file.reconfigure(errors="backslashreplace", line_buffering=line_buffering)


def reason(trouble: object) -> str:
    """What went wrong, for people."""
    return printable("%s: %s" % (type(trouble).__name__, trouble))[:LONGEST_REASON]


def crash(kind: type[BaseException] | None, trouble: BaseException | None, trace: TracebackType | None) -> None:
    """What Python says of a trouble that nobody thought of has the words of others in it too."""
    if kind is not None and issubclass(kind, KeyboardInterrupt):
        # Who stopped it knows; Python ends by that signal then.
        return
    # Late: most programs never need it.
    import traceback

    say("".join(traceback.format_exception(kind, trouble, trace)).rstrip("\n"), file=sys.stderr)
    if trouble is not None and is_heard_by_journal():
        tell(3, reason(trouble))


def is_heard_by_journal() -> bool:
    """Whether what is said goes to the journal; see systemd.exec(5), "$JOURNAL_STREAM"."""
    try:
        file_stat = os.fstat(1)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == "%d:%d" % (file_stat.st_dev, file_stat.st_ino)


sys.excepthook = crash
threading.excepthook = lambda arguments: crash(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)


def relay(command: list[str]) -> int:
    """Run a program whose words are not ours to trust, such as an engine's with the names of files. Return its exit code."""
    import subprocess

    # Questions are no lines, so nobody would see that it asks.
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        errors = threading.Thread(target=pass_on, args=[process.stderr, sys.stderr])
        errors.start()
        if not pass_on(process.stdout, sys.stdout):
            process.terminate()
        errors.join()
    return process.returncode if process.returncode >= 0 else 1


def pass_on(pipe: IO[bytes], file: TextIO) -> bool:
    """Say what comes, line by line; of an endless line a part at a time. Return whether it was read to its end."""
    return all(say(raw.decode(errors="surrogateescape"), end="", file=file) for raw in iter(lambda: pipe.readline(1 << 16), b""))


def open_plain(path: str, dir_fd: int | None = None) -> int:
    """A descriptor of a regular file, for reading. Untrustworthy: it is something else, such as a link or a FIFO, which is not opened."""
    # O_NONBLOCK: a FIFO without a writer would wait for ever.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError as error:
        # ELOOP: a link; ENXIO: a socket.
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise Untrustworthy("%s is no regular file" % path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Untrustworthy("%s is no regular file" % path)
    return descriptor


def read_plain(path: str, most: int = MOST_JSON, dir_fd: int | None = None) -> bytes:
    """The bytes of a regular file. Untrustworthy: it is something else, or has more than `most` bytes."""
    with open(open_plain(path, dir_fd), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise Untrustworthy("%s has more than %d bytes" % (path, most))
    return content


def parse_json(content: str | bytes) -> Any:
    """What JSON says, given as bytes or text. Untrustworthy: it is no JSON, or nested too deep."""
    try:
        return json.loads(content, parse_constant=refuse_constant)
    except RecursionError:
        raise Untrustworthy("the JSON is nested too deep") from None
    except ValueError as error:
        raise Untrustworthy("no JSON: %s" % error) from None


def refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are no JSON, and no number that can be compared."""
    raise ValueError("%s is no number" % name)


def read_json(path: str, most: int = MOST_JSON, dir_fd: int | None = None) -> Any:
    """What the JSON in a regular file says. Untrustworthy: see `read_plain` and `parse_json`."""
    return parse_json(read_plain(path, most, dir_fd))
