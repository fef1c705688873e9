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


def of_all(config: Told) -> list[dict[str, Any]]:
    """Of each machine its name, account and state, quota, last change, bytes on the disk, after how many hours without a change it is
    told of (0: never), generations, and when it was last checked.
    """
    clients = []
    for account in config["accounts"]:
        state = seen.read(account)
        clients.append(
            {
                "name": account["name"],
                "account": account["account"],
                "state": account["state"],
                "quota": account["quota"],
                "changed": state["changed"] or None if state else None,
                "live_bytes": state["live"] if state else None,
                "held_bytes": state["held"] if state else None,
                "refused": state["refused"] if state else "",
                "alert_after": account["alert_after"],
                "checked": checking.read(account)["checked"] or None,
                "generations": generations.names(keeping.path_of(account)),
            }
        )
    return clients


def watch() -> bool:
    """Tell the journal, and so the report, what is wrong. Return whether nothing is."""
    from rootless_backup.voice import JOURNAL

    problems = judge.problems(accounts.read(), time.time())
    for _name, problem in problems:
        JOURNAL.error(problem.text)
        for line in problem.remedies:
            JOURNAL.advise(line)
    return not problems


def show(as_json: bool) -> bool:
    """Print how the repositories do. Return whether nothing is wrong."""
    config = accounts.read()
    problems = judge.problems(config, time.time())
    clients = of_all(config)
    if as_json:
        shown = [{"client": name, "text": problem.text, "remedies": problem.remedies} for name, problem in problems]
        word = verdict.verdict(problem for _name, problem in problems)
        untrusted.say(json.dumps({"format": FORMAT, "verdict": word, "problems": shown, "clients": clients}))
        return not problems
    for _name, problem in problems:
        untrusted.say(untrusted.painted(untrusted.printable(problem.text), "31"))
        for line in problem.remedies:
            untrusted.say("  To do: ", untrusted.printable(line))
    for client in clients:
        known = client["generations"]
        kept = "%d generations, %s to %s" % (len(known), known[0], known[-1]) if known else "no generation"
        size = "nothing yet" if client["live_bytes"] is None else figures.size(client["live_bytes"])
        held = "" if not client["held_bytes"] else " + %s deleted" % figures.size(client["held_bytes"])
        word = " REFUSED" if client["refused"] else " (absent)" if client["state"] == "absent" else ""
        untrusted.say(
            "%s  %s  %s%s  last change %s  %s%s"
            % (client["name"], client["account"], size, held, figures.when(client["changed"]), kept, word)
        )
    return not problems
