# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is known of the runs, for Prometheus."""

from __future__ import annotations

import calendar
import re
import time

from rootless_backup import engine, host, systemd, untrusted
from rootless_backup.figures import DAY
from rootless_backup.records import room
from rootless_backup.report.families import FAMILIES, TYPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless_backup.records.status import Known, UnitEntry


class Metrics:
    """The samples of each family."""

    def __init__(self) -> None:
        self.samples: dict[str, list[str]] = {name: [] for name in FAMILIES}

    def add(self, name: str, value: float, **labels: str) -> None:
        escaped = {key: untrusted.printable(label).replace("\\", "\\\\").replace('"', '\\"') for key, label in labels.items()}
        label_text = ",".join('%s="%s"' % (key, escaped[key]) for key in FAMILIES[name][1])
        self.samples[name].append("%s%s %s" % (name, "{%s}" % label_text if label_text else "", repr(float(value))))

    def text(self) -> str:
        return "".join(
            "# HELP %s %s\n# TYPE %s %s\n%s\n" % (name, FAMILIES[name][0], name, TYPE, "\n".join(samples))
            for name, samples in self.samples.items()
            if samples
        )


def metrics(known: Known, settings: dict[str, Any]) -> str:
    """The text format of Prometheus. See https://prometheus.io/docs/instrumenting/exposition_formats/"""
    gauges = Metrics()
    gauges.add("backup_collection_info", 1, version=host.VERSION)
    gauges.add("backup_drill_enabled", settings.get("drill") is not False)
    for unit in host.TASKS.values():
        at = systemd.next_elapse(unit + ".timer")
        if at is not None:
            gauges.add("backup_next_run_timestamp_seconds", at, unit=unit)
    for unit, entry in sorted(known.get("units", {}).items()):
        add_unit(gauges, unit, entry)
    for repository, archives in sorted(known.get("repositories", {}).items()):
        add_archives(gauges, repository, archives)
    for repository, samples in sorted(known.get("room", {}).items()):
        gauges.add("backup_repository_disk_bytes", samples[-1][2], repository=repository)
        gauges.add("backup_repository_free_bytes", samples[-1][1], repository=repository)
        days = room.days_left(samples)
        if days is not None:
            gauges.add("backup_repository_full_timestamp_seconds", samples[-1][0] + days * DAY, repository=repository)
    return gauges.text()


def add_unit(gauges: Metrics, unit: str, entry: UnitEntry) -> None:
    """What is known of the last run of a unit."""
    gauges.add("backup_last_run_timestamp_seconds", entry["finished"], unit=unit)
    if entry["last_good"]:
        gauges.add("backup_last_success_timestamp_seconds", entry["last_good"], unit=unit)
    gauges.add("backup_last_run_success", entry["result"] == "success", unit=unit)
    gauges.add("backup_last_run_duration_seconds", entry["finished"] - entry["started"], unit=unit)
    gauges.add("backup_consecutive_failures", entry["failures"], unit=unit)
    gauges.add("backup_last_run_warnings", len(entry["warnings"]), unit=unit)
    for hook in entry["hooks"]:
        gauges.add("backup_hook_success", hook["result"] == "success", hook=hook["unit"])
        if "seconds" in hook:
            gauges.add("backup_hook_duration_seconds", hook["seconds"], hook=hook["unit"])
    sizes = {}
    for archive in entry["archives"]:
        labels = {"repository": archive["repository"], "series": archive["series"]}
        gauges.add("backup_archive_files", archive["files"], **labels)
        gauges.add("backup_archive_original_bytes", archive["original_size"], **labels)
        gauges.add("backup_archive_new_bytes", archive["deduplicated_size"], **labels)
        if "repository_size" in archive:
            sizes[archive["repository"]] = archive["repository_size"]
    for repository, size in sizes.items():
        gauges.add("backup_repository_size_bytes", size, repository=repository)


def add_archives(gauges: Metrics, repository: str, archives: list[str]) -> None:
    """How many archives of each series there are, and how old they are, by their names. Names that none of ours has count for nothing."""
    for series in engine.SERIES:
        times = sorted(filter(None, (begun(archive, series) for archive in archives)))
        labels = {"repository": repository, "series": series}
        if times:
            gauges.add("backup_repository_archives", len(times), **labels)
            gauges.add("backup_repository_newest_archive_timestamp_seconds", times[-1], **labels)
            gauges.add("backup_repository_oldest_archive_timestamp_seconds", times[0], **labels)


def begun(archive: str, series: str) -> int | None:
    """When an archive was begun; None: it is none of this series that is whole."""
    if re.search(r"-%s-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z" % re.escape(series), archive, re.ASCII) is None:
        return None
    try:
        return calendar.timegm(time.strptime(engine.time_of(archive), "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return None
