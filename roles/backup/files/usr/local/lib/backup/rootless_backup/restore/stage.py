# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Laying down the dumps that are asked for, for backup-stage@HOOK.service.

In a directory of the hook below RESTORE stands what is asked for, `asked.json`; beside it come `dump/`, and `request.json` for the hook's
restore step.
"""

from __future__ import annotations

import json
import os
import sys

from rootless_backup import engine, host, tree, untrusted
from rootless_backup.engine import Refused
from rootless_backup.records import archive as records
from rootless_backup.restore.dumps import Dumps

RESTORE = host.RESTORE_STATE
# What the hook is told of how it is asked for.
HOW = ("all", "back", "begun", "globals", "in_place", "over", "partial", "strict")


def main() -> None:
    untrusted.escape_rest(sys.stdout, line_buffering=True)
    if len(sys.argv) != 3 or sys.argv[1] != "stage":
        untrusted.die("usage: backup-dumps stage HOOK")
    try:
        stage(sys.argv[2])
    except Refused as refused:
        untrusted.tell(3, str(refused))
        sys.exit(1)


def stage(hook: str) -> None:
    """Lay down what is asked for. Refused: it cannot be had, or is not what its manifest says."""
    os.chdir(os.path.join(RESTORE, hook))
    with open("asked.json", encoding="utf-8") as file:
        order = json.load(file)
    repository = engine.in_use().repository(order["repository"])
    archive = order["archive"] or repository.newest_to_restore(engine.DUMPS)
    if "-files-" in archive and "-dumps-" not in archive:
        raise Refused("--archive: %s is an archive of files. Use one of the dumps, see `backupctl list`" % archive)
    os.mkdir("dump")
    dumps = Dumps(repository, archive, hook, "dump")
    # To open a repository takes a quarter of a second: where there is room for the whole archive, once will do.
    record = records.read(repository.location, archive)
    if record is not None and record.get("size", float("inf")) < tree.room(os.getcwd()):
        dumps.take_likely(order["names"])
    else:
        dumps.take_manifests()
    items = dumps.choose(order["names"])
    if order["into"] is not None:
        items[0]["into"] = order["into"]
    dumps.take([item["file"] for item in items] + (dumps.globals() if order["globals"] else []) if order["names"] else [])
    problems = list(dumps.problems())
    if not order["names"]:
        problems += [
            "%s is not in it, but the manifest tells of it: name what you need instead of --all, or an older --archive"
            % untrusted.printable(file)
            for file in dumps.absent()
        ]
    if problems:
        raise Refused("Nothing is restored from archive %s, which is not what its manifest says:\n%s" % (archive, "\n".join(problems)))
    with open("request.json", "w", encoding="utf-8") as file:
        how = {key: order.get(key, False) for key in HOW}
        json.dump({"items": items, "archive": archive, **how}, file)
    what = untrusted.printable(", ".join(item["name"] for item in items)) or "all that the hook left"
    untrusted.tell(6, "archive %s: taken out and verified: %s" % (archive, what))
