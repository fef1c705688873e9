# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine answers of its backups, made anew of known keys and types; its form is that of src/fleet/answer.ts."""

from __future__ import annotations

from ansible_collections.rootless.backup.plugins.plugin_utils import answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Any

# Of a text, of a list, of runs.
LONGEST, MANY, RUNS = 400, 20, 30
TASKS = ("backup", "backup-check", "backup-drill")
UNITS = ("backup.service", "backup-check.service", "backup-drill.service", "backup.timer", "backup-check.timer", "backup-watch.timer",
         "backup-drill.timer")
# Of a server: of machines that save to it, of what is wrong there.
MOST_CLIENTS, MOST_PROBLEMS = 10_000, 100
# With more digits a number is none that JavaScript reckons with.
MOST_NUMBER = 2 ** 53
LATEST = 253_402_300_800


def unreached(why: object) -> dict[str, Any]:
    """What is known of a machine that did not answer."""
    return dict(of_machine({}), reached=False, trouble=line(str(why)))


def of_machine(came: object) -> dict[str, Any]:
    """What a machine answered."""
    said = mapping(came)
    units = mapping(said.get("units"))
    room = {name: items(pair, 2) for name, pair in list(mapping(said.get("room")).items())[:MANY]}
    live, unreported = mapping(said.get("live")), mapping(said.get("unreported"))
    return {
        "reached": True,
        "known": said.get("known") is True,
        "trouble": line(said.get("trouble")),
        "version": line(said.get("version"), 40),
        "cut": said.get("cut") is True,
        "alert_after": number(said.get("alert_after")),
        "units": {name: of_unit(mapping(units[name])) for name in TASKS if name in units},
        "repositories": {line(name): number(kept) for name, kept in list(mapping(said.get("repositories")).items())[:MANY]},
        "room": {line(name): [number(each) for each in pair] for name, pair in room.items() if len(pair) == 2},
        "history": [of_run(each) for each in items(said.get("history"), RUNS)],
        "live": {name: line(live[name], 40) for name in UNITS if name in live},
        "unreported": {name: line(unreported[name], 40) for name in TASKS if name in unreported},
        "next_run": time(said.get("next_run")),
        **({"server": of_server(mapping(said["server"]))} if isinstance(said.get("server"), dict) else {}),
    }


def of_server(said: dict[str, Any]) -> dict[str, Any]:
    """What a server of repositories says of the machines that save to it. Whose machines those are is not its to say, see `clients`."""
    return {
        "trouble": line(said.get("trouble")),
        "judged": said.get("judged") is True,
        "remembered": False,
        "clients": [of_client(each) for each in (items(given, 9) for given in items(said.get("clients"), MOST_CLIENTS)) if len(each) == 9],
        "problems": [[line(each[0], 253), line(each[1]), [line(remedy) for remedy in items(each[2], 3)]]
                     for each in (items(given, 3) for given in items(said.get("problems"), MOST_PROBLEMS)) if len(each) == 3],
    }


def of_client(said: list[Any]) -> list[Any]:
    """See `of_client` in the module; at its end, whether the control node knows it as a machine that saves to this server."""
    return [line(said[0], 253), "absent" if said[1] == "absent" else "present", time(said[2]), number(said[3]), number(said[4]),
            number(said[5]), time(said[6]), line(said[7]), number(said[8]), False]


def remembered(found: dict[str, Any], clients: Container[str]) -> dict[str, Any]:
    """What a machine answered, if the control node remembers it as a server of these machines: of them it may say something."""
    if "server" not in found:
        return found
    server = found["server"]
    known = [[*each[:-1], each[0] in clients] for each in server["clients"]]
    return dict(found, server=dict(server, remembered=True, clients=known))


def of_unit(said: dict[str, Any]) -> dict[str, Any]:
    """The last run of a task."""
    return {
        "result": line(said.get("result")),
        **{name: time(said.get(name)) for name in ("started", "finished", "last_good", "failing_since")},
        "failures": number(said.get("failures")),
        **{name: [line(each) for each in items(said.get(name))]
           for name in ("failed", "advice", "optional_failures", "troubles", "warnings")},
        "archives": [[line(each[0]), line(each[1]), number(each[2]), number(each[3]), number(each[4])]
                     for each in (items(given, 5) for given in items(said.get("archives"))) if len(each) == 5],
        "hooks": [[line(each[0]), line(each[1]), each[2] is not False]
                  for each in (items(given, 3) for given in items(said.get("hooks"))) if len(each) == 3],
    }


def of_run(given: object) -> list[int]:
    """`[when it ended, whether it was good, seconds, size, new]`."""
    said = [*items(given, 5), 0, 0, 0, 0, 0]
    return [time(said[0]), int(said[1] == 1), *(number(each) for each in said[2:5])]


def mapping(value: object) -> dict[str, Any]:
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else {}


def items(value: object, most: int = MANY) -> list[Any]:
    return list(value[:most]) if isinstance(value, (list, tuple)) else []


def number(value: object) -> int:
    """A whole number that is not negative; 0 in place of anything else."""
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < MOST_NUMBER else 0


def time(value: object) -> int:
    """Seconds since 1970, of a year with four digits."""
    found = number(value)
    return found if found < LATEST else 0


def line(value: object, most: int = LONGEST) -> str:
    return answer.line(value, most)
