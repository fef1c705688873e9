# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""How the repositories of all machines do, for people and for programs."""

from __future__ import annotations

import json

from rootless_backup import figures, untrusted
from rootless_backup.repository import accounts, generations, keeping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def of_all() -> list[dict[str, Any]]:
    """Of each machine its name, account and state, quota, last change, bytes on the disk and generations."""
    found = []
    for each in accounts.read()["accounts"]:
        state = keeping.seen(each)
        found.append(
            {
                "name": each["name"],
                "account": each["account"],
                "state": each["state"],
                "quota": each["quota"],
                "changed": state["changed"] if state else None,
                "live_bytes": state["live"] if state else None,
                "held_bytes": state["held"] if state else None,
                "refused": state["refused"] if state else "",
                "generations": generations.names(keeping.path_of(each)),
            }
        )
    return found


def show(as_json: bool) -> None:
    """Print it."""
    found = of_all()
    if as_json:
        untrusted.say(json.dumps(found))
        return
    for each in found:
        known = each["generations"]
        told = "%d generations, %s to %s" % (len(known), known[0], known[-1]) if known else "no generation"
        size = "nothing yet" if each["live_bytes"] is None else figures.size(each["live_bytes"])
        held = "" if not each["held_bytes"] else " + %s deleted" % figures.size(each["held_bytes"])
        word = " REFUSED: " + each["refused"] if each["refused"] else " (absent)" if each["state"] == "absent" else ""
        untrusted.say(
            "%s  %s  %s%s  last change %s  %s%s" % (each["name"], each["account"], size, held, figures.when(each["changed"]), told, word)
        )
