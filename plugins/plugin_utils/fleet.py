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


def of_machine(value: object) -> dict[str, Any]:
    """What a machine answered."""
    report = mapping(value)
    units = mapping(report.get("units"))
    room = {name: items(pair, 2) for name, pair in list(mapping(report.get("room")).items())[:MANY]}
    live, unreported = mapping(report.get("live")), mapping(report.get("unreported"))
    return {
        "reached": True,
        "known": report.get("known") is True,
        "trouble": line(report.get("trouble")),
        "version": line(report.get("version"), 40),
        "cut": report.get("cut") is True,
        "alert_after": number(report.get("alert_after")),
        "units": {name: of_unit(mapping(units[name])) for name in TASKS if name in units},
        "repositories": {line(name): number(kept) for name, kept in list(mapping(report.get("repositories")).items())[:MANY]},
        "room": {line(name): [number(figure) for figure in pair] for name, pair in room.items() if len(pair) == 2},
        "history": [of_run(run) for run in items(report.get("history"), RUNS)],
        "live": {name: line(live[name], 40) for name in UNITS if name in live},
        "unreported": {name: line(unreported[name], 40) for name in TASKS if name in unreported},
        "next_run": time(report.get("next_run")),
        **({"server": of_server(mapping(report["server"]))} if isinstance(report.get("server"), dict) else {}),
    }


def of_server(report: dict[str, Any]) -> dict[str, Any]:
    """What a server of repositories says of the machines that save to it. Whose machines those are is not its to say, see `clients`."""
    return {
        "trouble": line(report.get("trouble")),
        "judged": report.get("judged") is True,
        "remembered": False,
        "clients": [of_client(client) for client in (items(item, 9) for item in items(report.get("clients"), MOST_CLIENTS))
                    if len(client) == 9],
        "problems": [[line(problem[0], 253), line(problem[1]), [line(remedy) for remedy in items(problem[2], 3)]]
                     for problem in (items(item, 3) for item in items(report.get("problems"), MOST_PROBLEMS)) if len(problem) == 3],
    }


def of_client(fields: list[Any]) -> list[Any]:
    """See `of_client` in the module; at its end, whether the control node knows it as a machine that saves to this server."""
    return [line(fields[0], 253), "absent" if fields[1] == "absent" else "present", time(fields[2]), number(fields[3]), number(fields[4]),
            number(fields[5]), time(fields[6]), line(fields[7]), number(fields[8]), False]


def remembered(machine: dict[str, Any], clients: Container[str]) -> dict[str, Any]:
    """What a machine answered, if the control node remembers it as a server of these machines: of them it may say something."""
    if "server" not in machine:
        return machine
    server = machine["server"]
    known = [[*client[:-1], client[0] in clients] for client in server["clients"]]
    return dict(machine, server=dict(server, remembered=True, clients=known))


def of_unit(report: dict[str, Any]) -> dict[str, Any]:
    """The last run of a task."""
    return {
        "result": line(report.get("result")),
        **{name: time(report.get(name)) for name in ("started", "finished", "last_good", "failing_since")},
        "failures": number(report.get("failures")),
        **{name: [line(text) for text in items(report.get(name))]
           for name in ("failed", "advice", "optional_failures", "troubles", "warnings")},
        "archives": [[line(archive[0]), line(archive[1]), number(archive[2]), number(archive[3]), number(archive[4])]
                     for archive in (items(item, 5) for item in items(report.get("archives"))) if len(archive) == 5],
        "hooks": [[line(hook[0]), line(hook[1]), hook[2] is not False]
                  for hook in (items(item, 3) for item in items(report.get("hooks"))) if len(hook) == 3],
    }


def of_run(value: object) -> list[int]:
    """`[when it ended, whether it was good, seconds, size, new]`."""
    fields = [*items(value, 5), 0, 0, 0, 0, 0]
    return [time(fields[0]), int(fields[1] == 1), *(number(figure) for figure in fields[2:5])]


def mapping(value: object) -> dict[str, Any]:
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def items(value: object, most: int = MANY) -> list[Any]:
    return list(value[:most]) if isinstance(value, (list, tuple)) else []


def number(value: object) -> int:
    """A whole number that is not negative; 0 in place of anything else."""
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < MOST_NUMBER else 0


def time(value: object) -> int:
    """Seconds since 1970, of a year with four digits."""
    seconds = number(value)
    return seconds if seconds < LATEST else 0


def line(value: object, most: int = LONGEST) -> str:
    return answer.line(value, most)
