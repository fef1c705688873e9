# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What came of the proofs."""

from __future__ import annotations

import json
import os
import re

from rootless_backup import systemd, untrusted
from rootless_backup.drill import parts
from rootless_backup.drill.places import FOUND, TOLD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Of what one proof said, in characters and lines: it says less, unless what is proven has taken it over.
MOST, LINES = 1 << 18, 200


def judge() -> bool:
    """Tell what the proofs told. Return whether nothing was wrong."""
    with open(FOUND, encoding="utf-8") as file:
        findings = json.load(file)
    ok: bool = findings["ok"]
    for hook in findings["hooks"]:
        lines, why = [], None
        for unit in parts.units_of(hook):
            output = told_by(unit)
            lines += output
            if not output or systemd.show(unit, "Result")["Result"] != "success" or any(line.startswith("<3>") for line in output):
                why = why or ("" if output else ": a proof was not run, or was ended; see journalctl -u %s" % unit)
        for line in summed(lines):
            untrusted.say(line)
        if why is not None:
            untrusted.tell(3, "hook %s: its dump is not proven%s" % (hook, why))
            ok = False
    return ok


def told_by(unit: str) -> list[str]:
    """The lines that a proof said."""
    try:
        with open(os.path.join(TOLD, parts.instance_of(unit)), encoding="utf-8", errors="backslashreplace") as file:
            # What is proven may take the proof over, and say whatever it likes.
            return [untrusted.printable(line, keep="\t") for line in file.read(MOST).splitlines()[-LINES:]]
    except FileNotFoundError:
        return []


def summed(lines: Iterable[str]) -> Iterator[str]:
    """The lines, each once; those that only tell how much was proven become one, which tells how much it is together."""
    numbers: dict[str | tuple[str, ...], list[int]] = {}
    for line in lines:
        match = re.fullmatch(r"(.*: )((?:[0-9]{1,15} [a-z]+, )*[0-9]{1,15} [a-z]+) proven", line)
        key = (match[1], *re.findall("[a-z]+", match[2])) if match else line
        counts = [int(digits) for digits in re.findall("[0-9]+", match[2])] if match else []
        numbers[key] = [sum(pair) for pair in zip(counts, numbers[key])] if key in numbers else counts
    for key, counts in numbers.items():
        yield key if isinstance(key, str) else "%s%s proven" % (key[0], ", ".join("%d %s" % figure for figure in zip(counts, key[1:])))
