# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""How the last runs went, a line of JSON each, for who wants to see how it goes on, such as `rootless.backup.fleet`.

It is only shown, and decides nothing. So a line that is spoiled is left out, and said to be; the others count.
"""

from __future__ import annotations

import json

from rootless_backup import host, statefile, untrusted
from rootless_backup.records import status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from rootless_backup.report.run import Run

    class Point(TypedDict):
        """See POINT."""

        unit: str
        result: str
        started: int
        finished: int
        files: int
        original_size: int
        deduplicated_size: int
        warnings: int


# Of a run a day, more than a year. A line has at most so many bytes.
MOST_RUNS, LONGEST_LINE = 400, 480
# Sizes are the sums of the archives that the run made; of a check or a drill they are 0.
POINT = status.fields(
    {
        "unit": status.text,
        "result": status.text,
        "started": status.when,
        "finished": status.when,
        "files": status.number,
        "original_size": status.number,
        "deduplicated_size": status.number,
        "warnings": status.number,
    }
)
# Far more than what is written here.
MOST_READ = 1 << 20


def point_of(run: Run) -> Point:
    """What is kept of a run."""
    return {
        "unit": run.name[:40],
        "result": run.result[:40],
        "started": int(run.started),
        "finished": int(run.finished),
        "files": int(sum(archive["files"] for archive in run.archives)),
        "original_size": int(sum(archive["original_size"] for archive in run.archives)),
        "deduplicated_size": int(sum(archive["deduplicated_size"] for archive in run.archives)),
        "warnings": len(run.warnings),
    }


def read() -> tuple[list[Point], int]:
    """What is known of the last runs, oldest first, and how many lines were spoiled. Untrustworthy, OSError: the file cannot be read."""
    try:
        content = untrusted.read_plain(host.HISTORY, MOST_READ)
    except FileNotFoundError:
        return [], 0
    points: list[Point] = []
    spoiled = 0
    for line in filter(None, content.split(b"\n")):
        try:
            points.append(status.checked(POINT, line, host.HISTORY))
        except untrusted.Untrustworthy:
            spoiled += 1
    return points, spoiled


def keep(run: Run) -> None:
    """Note how a run went. OSError: it cannot be written down."""
    try:
        points, spoiled = read()
    except (OSError, untrusted.Untrustworthy) as trouble:
        points, spoiled = [], 0
        untrusted.tell(4, "What is known of the last runs cannot be read, so it begins anew: %s" % untrusted.reason(trouble))
    if spoiled:
        untrusted.tell(4, "Of %s %d lines are spoiled, and left out" % (host.HISTORY, spoiled))
    lines = [json.dumps(point, separators=(",", ":")) for point in [*points, point_of(run)]]
    lines = [line for line in lines if len(line) < LONGEST_LINE][-MOST_RUNS:]
    # The directory's group is who may read it, as of status.json.
    statefile.write(host.HISTORY, "".join(line + "\n" for line in lines), 0o640)
