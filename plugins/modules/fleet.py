#!/usr/bin/python
# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: fleet
short_description: Ask a machine how its backups do
version_added: 0.1.0
description:
  - Reads what the report of the backups keeps on a machine, and asks systemd for its units. It changes nothing, and needs no root where
    the user is a member of C(backup_status_group).
  - On a server of repositories it also asks C(repositoryctl) what is known there of the machines that save to it, which is for root.
  - The answer has at most 4 kB, and on a server some 150 bytes more for each machine that saves to it. A machine that cannot be reached,
    or of whose backups nothing is known, is no failure; the answer says so.
  - The playbook C(rootless.backup.fleet) asks all machines with it, and makes a page of their answers with M(rootless.backup.fleet_page).
author:
  - rootless.backup contributors (@rootless-backup)
options: {}
attributes:
  check_mode:
    description: It changes nothing.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
seealso:
  - module: rootless.backup.fleet_page
"""

EXAMPLES = r"""
- name: Ask how the backups do
  rootless.backup.fleet:
  register: fleet_answer
"""

RETURN = r"""
fleet:
  description: What is known of the backups of this machine; the texts in it are the machine's, made printable.
  returned: always
  type: dict
  sample: {"reached": true, "known": true, "trouble": "", "next_run": 1790000000}
"""

import calendar
import errno
import json
import os
import stat
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

# A test holds these to src/schema/host.ts.
STATUS = "/var/lib/backup-report/status.json"
HISTORY = "/var/lib/backup-report/history.jsonl"
TASKS = {"backup": "backup", "backup-check": "backup-check", "backup-drill": "backup-drill", "borg-check": "backup-check"}
UNITS = ["backup.service", "backup-check.service", "backup-drill.service", "backup.timer", "backup-check.timer", "backup-watch.timer",
         "backup-drill.timer"]
REPOSITORYCTL = "/usr/local/sbin/repositoryctl"
# In bytes: of what is read, and of what is answered.
MOST_READ = 4 << 20
MOST_TOLD = 4000
# By which the answer is cut until it fits: bytes of a text, entries of a list, runs.
BOUNDS = [(400, 20, 30), (250, 8, 30), (160, 4, 30), (120, 2, 20), (60, 1, 10), (24, 1, 3)]
# What a server tells of: machines, and what is wrong.
MOST_CLIENTS = 10000
MOST_PROBLEMS = 100
TEXTS = ("failed", "advice", "optional_failures", "troubles", "warnings")
TIMES = ("started", "finished", "last_good", "failing_since")


def read(path):
    """The bytes of a regular file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("%s is no regular file" % path)
        content = file.read(MOST_READ + 1)
    if len(content) > MOST_READ:
        raise ValueError("%s has more than %d bytes" % (path, MOST_READ))
    return content


def runs(most):
    """The last backups, `[when it ended, whether it was good, seconds, size, new]`; a spoiled line is none."""
    recent = []
    for line in reversed(read(HISTORY).split(b"\n")):
        try:
            run = json.loads(line)
            if run["unit"] == "backup":
                recent.append([int(run["finished"]), int(run["result"] == "success"), int(run["finished"] - run["started"]),
                               int(run["original_size"]), int(run["deduplicated_size"])])
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
            continue
        if len(recent) == most:
            break
    return recent[::-1]


def ask_systemd():
    """What systemd knows of our units, `{unit: {property: text}}`. Nothing where it does not answer."""
    properties = "Id,LoadState,ActiveState,Result,InvocationID,UnitFileState,NextElapseUSecRealtime"
    command = ["systemctl", "show", "--property=" + properties, "--", *UNITS]
    env = dict(os.environ, TZ="UTC", LC_ALL="C")
    try:
        text = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=True,
                              env=env).stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return {}
    blocks = [dict(line.partition("=")[::2] for line in block.split("\n") if line) for block in text.split("\n\n")]
    return {block["Id"]: block for block in blocks if "Id" in block}


def of_systemd(units, known):
    """What is told of it: the state of each unit, when the next backup is due, and which tasks failed without a report."""
    live = {}
    for name, unit in units.items():
        # Of a restore test that is not wanted the timer is there, and not enabled.
        if name != "backup-drill.timer" or unit.get("UnitFileState") == "enabled":
            live[name] = cut(unit.get("ActiveState" if unit.get("LoadState") == "loaded" else "LoadState", ""), 40)
    try:
        due = calendar.timegm(time.strptime(units["backup.timer"]["NextElapseUSecRealtime"], "%a %Y-%m-%d %H:%M:%S UTC"))
    except (KeyError, ValueError):
        due = 0
    unreported = {}
    for task in sorted(set(TASKS.values())):
        unit = units.get(task + ".service", {})
        ended = unit.get("ActiveState") in ("inactive", "failed") and unit.get("InvocationID")
        if ended and unit.get("Result") != "success" and invocation_of(known, task) not in (unit["InvocationID"], None):
            unreported[task] = cut(unit.get("Result", ""), 40)
    return {"live": live, "next_run": due, "unreported": unreported}


def invocation_of(known, task):
    """The run that the record has of a task; empty if it has none, or is spoiled; None: an older version does not say which."""
    try:
        return known["units"][task].get("invocation")
    except (KeyError, TypeError, AttributeError):
        return ""


def cut(text, most):
    """A text of which the JSON has at most so many bytes."""
    text = str(text)[:most]
    while len(json.dumps(text)) > most + 2:
        text = text[:len(text) * 3 // 4]
    return text


def of_unit(entry, length, many):
    """What is told of the last run of a task."""
    summary = {name: entry.get(name) or 0 for name in (*TIMES, "failures")}
    summary["result"] = cut(entry.get("result"), length)
    for name in TEXTS:
        summary[name] = [cut(line, length) for line in lines_of(entry, name)[:many]]
    summary["archives"] = [[cut(archive["repository"], length), cut(archive["name"], length), archive["files"], archive["original_size"],
                            archive["deduplicated_size"]] for archive in entry.get("archives", [])[:many]]
    summary["hooks"] = [[cut(hook["unit"], length), cut(hook["result"], length), hook["required"]]
                        for hook in entry.get("hooks", [])[:many]]
    return summary


def of_status(known, length, many):
    """What is told of the record of the runs."""
    units = {}
    for name, entry in known.get("units", {}).items():
        # Under the name of today: the former one only where there is no other.
        if name in TASKS and (name == TASKS[name] or TASKS[name] not in known["units"]):
            units[TASKS[name]] = of_unit(entry, length, many)
    return {
        "version": cut(known.get("version", ""), 40),
        "alert_after": known.get("alert_after", 0),
        "units": units,
        "repositories": {cut(name, length): len(kept) for name, kept in list(known.get("repositories", {}).items())[:many]},
        "room": {cut(name, length): samples[-1][1:3] for name, samples in list(known.get("room", {}).items())[:many]},
    }


def lines_of(entry, name):
    """The lines of all texts in a list."""
    return [line for text in entry.get(name) or [] for line in text.split("\n")]


def is_longer(entry, many):
    """Whether a record has lists that an answer of that bound does not hold."""
    lists = [lines_of(entry, name) for name in TEXTS] + [entry.get(name) or [] for name in ("archives", "hooks")]
    return any(len(entries) > many for entries in lists)


def of_backups():
    """What is known of the backups of this machine, in at most `MOST_TOLD` bytes."""
    summary = {"known": False, "trouble": "", "cut": False}
    units = ask_systemd()
    try:
        known = json.loads(read(STATUS))
    except (OSError, IOError) as trouble:
        if trouble.errno != errno.ENOENT:
            summary["trouble"] = cut(trouble, 200)
        return dict(summary, **of_systemd(units, {}))
    except (ValueError, RecursionError) as trouble:
        return dict(summary, trouble=cut("%s: %s" % (STATUS, trouble), 200), **of_systemd(units, {}))
    summary.update(of_systemd(units, known))
    try:
        history, trouble = runs(30), ""
    except FileNotFoundError:
        history, trouble = [], ""
    except (OSError, ValueError) as error:
        history, trouble = [], cut("what is known of the last runs cannot be read: %s" % error, 200)
    for length, many, points in BOUNDS:
        try:
            made = dict(summary, known=True, trouble=trouble, history=history[-points:], **of_status(known, length, many))
            more = any(is_longer(unit, many) for unit in known.get("units", {}).values())
        except (AttributeError, KeyError, TypeError, IndexError) as error:
            return dict(summary, trouble=cut("%s does not have the form of one: %s" % (STATUS, error), 200))
        made["cut"] = more or (length, many) != BOUNDS[0][:2]
        if len(json.dumps(made)) <= MOST_TOLD:
            return made
    return dict(summary, trouble="%s says more than can be told" % STATUS)


def of_server():
    """What a server of repositories knows of the machines that save to it; None: it is none."""
    if not os.path.exists(REPOSITORYCTL):
        return None
    summary = {"trouble": "", "judged": False, "clients": [], "problems": []}
    if os.geteuid() != 0:
        return dict(summary, trouble="that is for root")
    try:
        ran = subprocess.run([REPOSITORYCTL, "status", "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             timeout=120, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return dict(summary, trouble=cut(error, 200))
    try:
        # Its exit code only says whether something is wrong.
        status = json.loads(ran.stdout)
        clients = status if isinstance(status, list) else status["clients"]
        problems = status.get("problems", []) if isinstance(status, dict) else []
        return {
            "trouble": "",
            "judged": isinstance(status, dict) and "problems" in status,
            "clients": [of_client(client) for client in clients[:MOST_CLIENTS]],
            "problems": [of_problem(problem) for problem in shortened(problems)],
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        lines = ran.stderr.decode(errors="replace").strip().split("\n")
        return dict(summary, trouble=cut(lines[-1] or "repositoryctl says what is not understood: %s" % error, 200))


def of_client(client):
    """`[name, present or absent, last change, bytes on disk, of which of what was deleted, generations, the newest, why it is refused,
    after how many hours without a change the server tells]`."""
    names = client.get("generations") or []
    return [cut(client["name"], 253), cut(client.get("state", ""), 20), client.get("changed") or 0, client.get("live_bytes") or 0,
            client.get("held_bytes") or 0, len(names), max([made_at(name) for name in names[-1:]], default=0),
            cut(client.get("refused") or "", 200), client.get("alert_after") or 0]


def shortened(problems):
    """The first of them; of more it is said how many there are."""
    if len(problems) <= MOST_PROBLEMS:
        return problems
    more = {"text": "%d more things are wrong with it, or with machines that save to it." % (len(problems) - MOST_PROBLEMS + 1)}
    return [*problems[:MOST_PROBLEMS - 1], more]


def of_problem(problem):
    """`[the machine, if it is of one, what is wrong, what to do]`."""
    return [cut(problem.get("client") or "", 253), cut(problem["text"], 300),
            [cut(line, 300) for line in (problem.get("remedies") or [])[:3]]]


def made_at(name):
    """When a generation was made, by its name; 0: that is not known."""
    try:
        return calendar.timegm(time.strptime(name[:20], "%Y-%m-%dT%H-%M-%SZ"))
    except (ValueError, TypeError):
        return 0


def answer():
    """All that is known here."""
    summary, server = of_backups(), of_server()
    return summary if server is None else dict(summary, server=server)


def main():
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, fleet=answer())


if __name__ == "__main__":
    main()
