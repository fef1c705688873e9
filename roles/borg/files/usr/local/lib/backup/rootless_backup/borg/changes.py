# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""What Borg says of the changes between two archives. See borg-diff(1), `--json-lines`."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless_backup.engine import Change

# Of these that they are different means nothing: who reads a file or changes its mode changes them.
TIMES = {"ctime", "mtime"}


def read(output: str) -> list[Change]:
    """The changes, by path."""
    changes = [change_of(json.loads(line)) for line in output.split("\n") if line]
    return sorted(filter(None, changes), key=lambda change: change["path"])


def change_of(line: dict[str, Any]) -> Change | None:
    """What is said of a path; None: it is the same but for its times."""
    kind, more, less, belongings = "belongings", None, None, []
    for change in line["changes"]:
        change_type = change["type"]
        # "added", "added directory", "added link", ..., and so of what was removed; of a file with its size.
        if change_type.startswith(("added", "removed")):
            kind = change_type.split(" ")[0]
            more, less = (change.get("size"), None) if kind == "added" else (None, change.get("size"))
        elif change_type.startswith(("modified", "changed")):
            kind, more, less = "contents", change.get("added"), change.get("removed")
        elif change_type == "mode":
            belongings.append("%s -> %s" % (change["old_mode"], change["new_mode"]))
        elif change_type == "owner":
            belongings.append("%(old_user)s:%(old_group)s -> %(new_user)s:%(new_group)s" % change)
        elif change_type not in TIMES:
            belongings.append(change_type)
    if kind == "belongings" and not belongings:
        return None
    return {"path": line["path"], "kind": kind, "more": more, "less": less, "belongings": belongings}
