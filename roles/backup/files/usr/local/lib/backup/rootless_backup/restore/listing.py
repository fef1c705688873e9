# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is in an archive, told to root by the unit that may open it: a line of JSON for each thing."""

from __future__ import annotations

import json
import os
import subprocess

from rootless_backup import engine, systemd, untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

PROGRAM = "/usr/local/lib/backup/backup-restore"
TEXTS = "path", "mode", "user", "group", "mtime", "linktarget"


class Listing:
    """An archive, by its whole name, and what is in it; `items` can be gone through once."""

    def __init__(self, archive: str, items: Iterator[engine.Item]) -> None:
        self.archive, self.items = archive, items


def read(command: str, host: engine.Engine, number: int | str, archive: str) -> Listing:
    """List an archive of a repository. `number`: from 1; `command`: the one of backupctl that asks.

    Refused: it cannot be told what is in it.
    """
    name, process, lines = begin("items", command, host, number, archive)
    return Listing(name, items_of(process, lines))


def name_of(command: str, host: engine.Engine, number: int | str, archive: str) -> str:
    """The whole name of an archive of a repository, such as of `latest-dumps`. Refused: there is none."""
    name, process, _lines = begin("name", command, host, number, archive)
    process.communicate()
    return name


def begin(
    action: str, command: str, host: engine.Engine, number: int | str, archive: str
) -> tuple[str, subprocess.Popen[bytes], IO[bytes]]:
    """Have the unit tell something of an archive. Return the name of that, which it tells first; the unit; and what else it tells."""
    location = host.repository(number).location
    request = {"action": action, "command": command, "repository": number, "archive": archive}
    call = systemd.transient(host.properties(location), [PROGRAM, "--in-unit", json.dumps(request)])
    name = systemd.transient_name(action)
    process = subprocess.Popen(systemd.named(name, call), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout
    answer = untrusted.parse_json(process.stdout.readline(engine.LONGEST_LINE) or b"null")
    if not isinstance(answer, str):
        process.wait()
        raise engine.Refused("it cannot be told what is in archive %s" % untrusted.printable(archive))
    return answer, process, process.stdout


def items_of(process: subprocess.Popen[bytes], lines: IO[bytes]) -> Iterator[engine.Item]:
    try:
        for line in iter(lambda: lines.readline(engine.LONGEST_LINE), b""):
            yield checked(untrusted.parse_json(line))
        if process.wait() != 0:
            raise engine.Refused("it cannot be told all that is in the archive")
    finally:
        lines.close()
        process.wait()


def checked(item: object) -> engine.Item:
    """One item of an archive, as it is told. Untrustworthy: it does not have the form, or its path leads elsewhere."""
    if not isinstance(item, dict) or not isinstance(item.get("size"), int):
        raise untrusted.Untrustworthy("what was told of an archive has not its form")
    texts = {name: item.get(name) for name in TEXTS}
    if not all(isinstance(text, str) and "\0" not in text for text in texts.values()):
        raise untrusted.Untrustworthy("what was told of an archive has not its form")
    # `.` is the root itself.
    path = "" if texts["path"] == "." else str(texts["path"])
    if path.startswith("/") or path != os.path.normpath("/" + path)[1:]:
        raise untrusted.Untrustworthy("an archive has the path %s" % untrusted.printable(path))
    return {
        "path": path,
        "mode": str(texts["mode"]),
        "user": str(texts["user"]),
        "group": str(texts["group"]),
        "size": item["size"],
        "mtime": str(texts["mtime"]),
        "linktarget": str(texts["linktarget"]),
    }
