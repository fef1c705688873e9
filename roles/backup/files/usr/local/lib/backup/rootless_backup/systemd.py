# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""systemd: what asks it or tells it something does so by this module."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time

from rootless_backup import untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# In seconds, for an answer.
TIMEOUT = 30
JOURNAL = "/run/systemd/journal/socket"
# Of the units that a process starts, which may be several within a second.
NUMBERS = itertools.count()


# -- units -------------------------------------------------------------------------------------------------------------


def show(unit: str, *properties: str, times: str = "unix") -> dict[str, str]:
    """Properties of a unit, `{name: text}`. See `show_each`."""
    return show_each([unit], *properties, times=times)[0]


def show_each(units: Sequence[str], *properties: str, times: str = "unix") -> list[dict[str, str]]:
    """Properties of units, `{name: text}` for each, by one question.

    One that occurs more than once is joined by line ends, one that a unit does not have is empty. `times`: "unix" gives `@SECONDS`,
    "pretty" what people read. CalledProcessError, TimeoutExpired, OSError: systemd does not answer.
    """
    # With `Id`, which each of them has: else one that has none of the others would have no place in the answer.
    answer = output("systemctl", "show", "--timestamp=" + times, "--property=" + ",".join(["Id", *properties]), "--", *units)
    blocks = answer.split("\n\n") if len(units) > 1 else [answer]
    if len(blocks) != len(units):
        raise OSError("systemd told of %d units where %d were asked for" % (len(blocks), len(units)))
    return [{name: values.get(name, "") for name in properties} for values in map(assignments, blocks)]


def show_or_nothing(unit: str, *properties: str) -> dict[str, str]:
    """As `show`; where systemd does not answer, properties of which nothing is known."""
    try:
        return show(unit, *properties)
    except (OSError, subprocess.SubprocessError):
        return dict.fromkeys(properties, "")


def next_elapse(timer: str) -> float | None:
    """When a timer elapses next by the calendar, in seconds since 1970; None: never, or systemd does not say.

    By busctl(1): `show` has no form of this that does not depend on the time zone.
    """
    name = "org.freedesktop.systemd1"
    path = "/org/freedesktop/systemd1/unit/" + re.sub("[^A-Za-z0-9]", lambda match: "_%02x" % ord(match[0]), timer)
    try:
        answer = output("busctl", "get-property", name, path, name + ".Timer", "NextElapseUSecRealtime")
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.fullmatch(r"t (\d{1,20})\n", answer)
    # What is of no time is the largest number that there is.
    return int(match[1]) / 1e6 if match and 0 < int(match[1]) < 2**63 else None


def assignments(text: str) -> dict[str, str]:
    """What lines of the form KEY=VALUE say, as `{key: value}`; of a key that is there more often the values are joined by line ends."""
    values: dict[str, str] = {}
    for line in text.split("\n"):
        key, _sign, value = line.partition("=")
        if key:
            values[key] = values[key] + "\n" + value if key in values else value
    return values


def output(*command: str) -> str:
    """What a program of systemd's prints. CalledProcessError, TimeoutExpired, OSError: it fails."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT, check=True).stdout.decode(
        errors="backslashreplace"
    )


def start(unit: str, timeout: float | None = None) -> bool:
    """Start a unit and wait for it. Return whether it succeeded. TimeoutExpired: it is at work after so many seconds."""
    return subprocess.run(["systemctl", "start", "--", unit], stdin=subprocess.DEVNULL, timeout=timeout, check=False).returncode == 0


def restarting(unit: str) -> subprocess.Popen[bytes]:
    """Start a unit anew. Return the process that waits for its end, and has 0 as its exit code if it succeeded."""
    return subprocess.Popen(["systemctl", "restart", "--", unit], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop(*units: str) -> bool:
    """Stop units, and wait until they are. Return whether that succeeded."""
    return subprocess.run(["systemctl", "stop", "--", *units], stdin=subprocess.DEVNULL, check=False).returncode == 0


def reset_failed(unit: str) -> None:
    """Have a unit not count as failed any more."""
    subprocess.run(["systemctl", "reset-failed", "--", unit], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def timespan(text: str) -> int:
    """How many microseconds a span of systemd's is, such as `1h 30min`. See systemd.time(7)."""
    answer = output("systemd-analyze", "timespan", "--", text)
    match = re.search(r"s: ([0-9]+)$", answer, re.MULTILINE)
    if match is None:
        raise OSError("systemd does not say how long %s is" % text)
    return int(match[1])


# -- transient units ---------------------------------------------------------------------------------------------------


def transient_name(action: str) -> str:
    """The name of a unit that is started for something, without its suffix: no other has it, nor had it."""
    return "backup-%s-%d-%d-%d" % (action, os.getpid(), time.time(), next(NUMBERS))


def transient(properties: Iterable[str], program: Iterable[str], terminal: bool = False) -> list[str]:
    """The command of systemd-run(1) that runs a program in a unit of its own to its end; it talks to who starts it."""
    return [
        "systemd-run",
        "--quiet",
        "--collect",
        "--wait",
        "--pty" if terminal else "--pipe",
        *(word for prop in properties for word in ("--property", prop)),
        "--",
        # systemd expands variables in a command line.
        *(word.replace("$", "$$") for word in program),
    ]


def quoted(text: str) -> str:
    """A value for a property of a transient unit: systemd-run(1) expands no specifiers in it, so a percent sign is one."""
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def named(name: str, command: list[str]) -> list[str]:
    """The command of `transient`, for a unit of that name."""
    return [command[0], "--unit=" + name, *command[1:]]


def run_transient(name: str, command: list[str]) -> int:
    """Run a transient unit under a name. Return its exit code. KeyboardInterrupt: somebody ended this, and the unit was stopped with it."""
    with subprocess.Popen(named(name, command)) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            subprocess.run(["systemctl", "stop", "--", name + ".service"], stderr=subprocess.DEVNULL, check=False)
            raise


# -- the journal -------------------------------------------------------------------------------------------------------


def journal_send(**fields: object) -> None:
    """Put an entry into the journal, whatever this process prints into. See systemd's JOURNAL_NATIVE_PROTOCOL.

    OSError: nobody takes it, or it is too large for one message.
    """
    # Late: few of those who ask systemd write there.
    import socket

    # A line end would begin another field.
    entry = "".join("%s=%s\n" % (name, untrusted.printable(str(value))) for name, value in fields.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.sendto(entry.encode(errors="backslashreplace"), JOURNAL)
