# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is known of the runs: status.json, which the report keeps and backupctl shows, and the form of what is in it.

What does not have the form counts as not there, and who finds it says so: a record that a host, an engine or a full disk spoiled must
neither end a report nor pass for a good one.
"""

from __future__ import annotations

import json

from rootless_backup import host, untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypedDict

    from typing_extensions import NotRequired, TypeGuard

    class Archive(TypedDict):
        """See ARCHIVE."""

        repository: str
        name: str
        series: str
        files: int
        original_size: int
        deduplicated_size: int
        seconds: float
        repository_size: NotRequired[int]

    class Kept(TypedDict):
        """See KEPT."""

        repository: str
        archives: list[str]

    class Room(TypedDict):
        """See ROOM."""

        repository: str
        free: float
        total: float

    class HookEntry(TypedDict):
        """See HOOK."""

        unit: str
        result: str
        required: bool
        seconds: NotRequired[float]

    class UnitEntry(TypedDict, total=False):
        """See ENTRY; empty where nothing is known yet."""

        result: str
        invocation: str
        started: float
        finished: float
        last_good: float | None
        failing_since: float | None
        failures: int
        failed: list[str]
        advice: list[str]
        optional_failures: list[str]
        troubles: list[str]
        warnings: list[str]
        archives: list[Archive]
        hooks: list[HookEntry]
        told: float
        told_of: str

    class Known(TypedDict, total=False):
        """See KNOWN."""

        units: dict[str, UnitEntry]
        repositories: dict[str, list[str]]
        alerted: float
        success_told: float
        host: str
        version: str
        alert_after: float
        room: dict[str, list[list[float]]]

    Form = Callable[[object], bool]

STATUS = host.STATUS
# Of whom nobody has so many, or one so long.
MOST = 100_000
LONGEST = 10_000


def text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST


def number(value: object) -> TypeGuard[float]:
    """Not NaN, nor infinite, nor so large that nothing can be reckoned with it."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e18


def span(value: object) -> bool:
    """Of a run in which the clock was set back it is negative."""
    return number(abs(value)) if isinstance(value, (int, float)) else False


def when(value: object) -> bool:
    """Seconds since 1970, of a year with four digits."""
    return number(value) and value < 2.5e11


def flag(value: object) -> bool:
    return isinstance(value, bool)


def many(form: Form) -> Form:
    return lambda value: isinstance(value, list) and len(value) <= MOST and all(map(form, value))


def named(form: Form) -> Form:
    """By names of any kind."""
    return lambda value: isinstance(value, dict) and len(value) <= MOST and all(text(key) and form(member) for key, member in value.items())


def fields(needed: dict[str, Form], more: Mapping[str, Form] | None = None) -> Form:
    """These keys and no others; those of `more` can be missing."""
    forms = {**needed, **(more or {})}
    return lambda value: (
        isinstance(value, dict)
        and needed.keys() <= value.keys() <= forms.keys()
        and all(forms[key](member) for key, member in value.items())
    )


def or_none(form: Form) -> Form:
    return lambda value: value is None or form(value)


def samples(value: object) -> bool:
    """At least one, each of three numbers; see `room`."""
    return isinstance(value, list) and value != [] and many(lambda sample: many(number)(sample) and len(sample) == 3)(value)  # type: ignore[arg-type]


ARCHIVE = fields(
    {
        "repository": text,
        "name": text,
        "series": text,
        "files": number,
        "original_size": number,
        "deduplicated_size": number,
        "seconds": span,
    },
    # Of all that the repository holds.
    {"repository_size": number},
)
KEPT = fields({"repository": text, "archives": many(text)})
ROOM = fields({"repository": text, "free": number, "total": number})
HOOK = fields({"unit": text, "result": text, "required": flag}, {"seconds": span})
ENTRY = fields(
    {
        "result": text,
        "started": when,
        "finished": when,
        "last_good": or_none(when),
        "failing_since": or_none(when),
        "failures": number,
        "failed": many(text),
        "optional_failures": many(text),
        "warnings": many(text),
        "archives": many(ARCHIVE),
        "hooks": many(HOOK),
    },
    {"invocation": text, "troubles": many(text), "advice": many(text), "told": when, "told_of": text},
)
KNOWN = fields(
    {},
    {
        "units": named(ENTRY),
        "repositories": named(many(text)),
        "alerted": when,
        "success_told": when,
        "host": text,
        # Of the collection; and after how many hours without a good backup the administrator is told.
        "version": text,
        "alert_after": number,
        # By repository, see `room`.
        "room": named(samples),
    },
)


def checked(form: Form, content: str | bytes, what: str) -> Any:
    """What JSON says, if it has the form. Untrustworthy: it has not."""
    value = untrusted.parse_json(content)
    if not form(value):
        raise untrusted.Untrustworthy("%s does not have the form of one" % what)
    return value


def of_former_versions(content: bytes) -> str:
    """The same JSON text, with the names that keys have now."""
    known = untrusted.parse_json(content)
    units = known.get("units") if isinstance(known, dict) else None
    for entry in units.values() if isinstance(units, dict) else ():
        if isinstance(entry, dict) and "lesser" in entry:
            entry.setdefault("optional_failures", entry.pop("lesser"))
    return json.dumps(known)


def read() -> Known:
    """What is known. FileNotFoundError: nothing yet. Untrustworthy, OSError: it cannot be read."""
    known: Known = checked(KNOWN, of_former_versions(untrusted.read_plain(STATUS)), STATUS)
    units = known.get("units", {})
    for former, name in host.FORMER_TASKS.items():
        if former in units:
            units.setdefault(name, units.pop(former))
            units.pop(former, None)
    return known
