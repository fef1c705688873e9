# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""How the repositories of all machines do, for people and for programs."""

from __future__ import annotations

import json
import time

from rootless_backup import figures, untrusted
from rootless_backup.report import verdict
from rootless_backup.repository import accounts, checking, generations, judge, keeping, seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless_backup.repository.accounts import Told

# Of what `--json` says. It goes up if a key goes.
FORMAT = 1


def of_all(told: Told) -> list[dict[str, Any]]:
    """Of each machine its name, account and state, quota, last change, bytes on the disk, after how many hours without a
    change it is told of (0: never), generations, and when it was last checked."""
    found = []
    for each in told["accounts"]:
        state = seen.read(each)
        found.append(
            {
                "name": each["name"],
                "account": each["account"],
                "state": each["state"],
                "quota": each["quota"],
                "changed": state["changed"] or None if state else None,
                "live_bytes": state["live"] if state else None,
                "held_bytes": state["held"] if state else None,
                "refused": state["refused"] if state else "",
                "alert_after": each["alert_after"],
                "checked": checking.read(each)["checked"] or None,
                "generations": generations.names(keeping.path_of(each)),
            }
        )
    return found


def watch() -> bool:
    """Tell the journal, and so the report, what is wrong. Return whether nothing is."""
    from rootless_backup.voice import JOURNAL

    found = judge.problems(accounts.read(), time.time())
    for _name, problem in found:
        JOURNAL.error(problem.text)
        for line in problem.remedies:
            JOURNAL.advise(line)
    return not found


def show(as_json: bool) -> bool:
    """Print it. Return whether nothing is wrong."""
    told = accounts.read()
    problems = judge.problems(told, time.time())
    clients = of_all(told)
    if as_json:
        shown = [{"client": name, "text": each.text, "remedies": each.remedies} for name, each in problems]
        word = verdict.verdict(each for _name, each in problems)
        untrusted.say(json.dumps({"format": FORMAT, "verdict": word, "problems": shown, "clients": clients}))
        return not problems
    for _name, problem in problems:
        untrusted.say(untrusted.painted(untrusted.printable(problem.text), "31"))
        for line in problem.remedies:
            untrusted.say("  To do: ", untrusted.printable(line))
    for each in clients:
        known = each["generations"]
        kept = "%d generations, %s to %s" % (len(known), known[0], known[-1]) if known else "no generation"
        size = "nothing yet" if each["live_bytes"] is None else figures.size(each["live_bytes"])
        held = "" if not each["held_bytes"] else " + %s deleted" % figures.size(each["held_bytes"])
        word = " REFUSED" if each["refused"] else " (absent)" if each["state"] == "absent" else ""
        untrusted.say(
            "%s  %s  %s%s  last change %s  %s%s" % (each["name"], each["account"], size, held, figures.when(each["changed"]), kept, word)
        )
    return not problems
