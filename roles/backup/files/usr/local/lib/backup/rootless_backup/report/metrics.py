# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is known of the runs, for Prometheus."""

from __future__ import annotations

from rootless_backup import untrusted
from rootless_backup.figures import DAY
from rootless_backup.records import room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless_backup.report.state import State


def metrics(state: State) -> str:
    """The text format of Prometheus. See https://prometheus.io/docs/instrumenting/exposition_formats/"""
    families: dict[str, tuple[str, list[str]]] = {
        "backup_last_run_timestamp_seconds": ("When the last run of the unit ended.", []),
        "backup_last_success_timestamp_seconds": ("When the last good run of the unit ended.", []),
        "backup_last_run_success": ("Whether the last run of the unit was good.", []),
        "backup_last_run_duration_seconds": ("How long the last run of the unit took.", []),
        "backup_consecutive_failures": ("How many runs of the unit failed in a row.", []),
        "backup_last_run_warnings": ("How many warnings the last run of the unit gave.", []),
        "backup_hook_success": ("Whether the hook was good in the last run.", []),
        "backup_archive_files": ("How many files the newest archive holds.", []),
        "backup_archive_original_bytes": ("The size of what the newest archive holds.", []),
        "backup_archive_new_bytes": ("What the newest archive added to its repository.", []),
        "backup_repository_free_bytes": ("How many bytes are free on the disk of a local repository.", []),
        "backup_repository_full_timestamp_seconds": ("When that disk will be full if it goes on like this.", []),
    }

    def add(name: str, value: float, **labels: str) -> None:
        escaped = {key: untrusted.printable(label).replace("\\", "\\\\").replace('"', '\\"') for key, label in labels.items()}
        text = ",".join('%s="%s"' % each for each in escaped.items())
        families[name][1].append("%s{%s} %s" % (name, text, repr(float(value))))

    for unit, entry in sorted(state.known.get("units", {}).items()):
        add("backup_last_run_timestamp_seconds", entry["finished"], unit=unit)
        if entry["last_good"]:
            add("backup_last_success_timestamp_seconds", entry["last_good"], unit=unit)
        add("backup_last_run_success", entry["result"] == "success", unit=unit)
        add("backup_last_run_duration_seconds", entry["finished"] - entry["started"], unit=unit)
        add("backup_consecutive_failures", entry["failures"], unit=unit)
        add("backup_last_run_warnings", len(entry["warnings"]), unit=unit)
        for hook in entry["hooks"]:
            add("backup_hook_success", hook["result"] == "success", hook=hook["unit"])
        for archive in entry["archives"]:
            labels = {"repository": archive["repository"], "series": archive["series"]}
            add("backup_archive_files", archive["files"], **labels)
            add("backup_archive_original_bytes", archive["original_size"], **labels)
            add("backup_archive_new_bytes", archive["deduplicated_size"], **labels)
    for repository, samples in sorted(state.known.get("room", {}).items()):
        add("backup_repository_free_bytes", samples[-1][1], repository=repository)
        days = room.days_left(samples)
        if days is not None:
            add("backup_repository_full_timestamp_seconds", samples[-1][0] + days * DAY, repository=repository)
    return "".join(
        "# HELP %s %s\n# TYPE %s gauge\n%s\n" % (name, text, name, "\n".join(samples))
        for name, (text, samples) in families.items()
        if samples
    )
