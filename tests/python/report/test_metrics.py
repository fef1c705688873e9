"""What is known of the runs, for Prometheus."""

import calendar

import pytest
from rootless_backup.report import metrics
from rootless_backup.report.families import FAMILIES

ENTRY = {
    "result": "success", "started": 1.0, "finished": 2.0, "last_good": 2.0, "failing_since": None, "failures": 0,
    "failed": [], "optional_failures": [], "warnings": [], "archives": [], "hooks": [],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_systemd(monkeypatch):
    monkeypatch.setattr(metrics.systemd, "next_elapse", lambda _timer: None)


def samples(known, settings=None):
    lines = metrics.metrics(known, settings or {}).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_of_a_host_that_has_never_run_its_version_is_told():
    found = samples({})
    assert set(found) == {'backup_collection_info{version="%s"}' % metrics.host.VERSION, "backup_drill_enabled"}


def test_archives_of_each_repository_are_counted_by_their_names():
    names = ["web-files-2026-01-0%dT02:00:00Z" % day for day in (2, 1, 3)]
    others = ["web-files-2026-01-09T02:00:00Z.incomplete", "web-dumps-2026-13-01T02:00:00Z", "else", "web-files-2026-01-09T02:00:00Z\n"]
    found = samples({"repositories": {"/r": names + others}})
    labels = '{repository="/r",series="files"}'
    assert found["backup_repository_archives" + labels] == "3.0"
    times = [float(found["backup_repository_%s_archive_timestamp_seconds%s" % (which, labels)]) for which in ("oldest", "newest")]
    assert times == [calendar.timegm((2026, 1, day, 2, 0, 0)) for day in (1, 3)]
    assert not [each for each in found if "dumps" in each]


def test_what_an_earlier_version_recorded_has_no_durations_and_no_sizes():
    archive = {
        "repository": "/r", "name": "n", "series": "files", "files": 1, "original_size": 2, "deduplicated_size": 3, "seconds": 4,
    }  # fmt: skip
    hooks = [{"unit": "backup-wiki.service", "result": "success", "required": True}]
    found = samples({"units": {"backup": {**ENTRY, "archives": [archive], "hooks": hooks}}})
    assert found['backup_hook_success{hook="backup-wiki.service"}'] == "1.0"
    assert not [each for each in found if "repository_size" in each or "hook_duration" in each]


def test_a_label_cannot_make_a_line_of_its_own():
    found = samples({"room": {'/r"} 1\nevil 2': [[1, 2, 3]]}})
    assert 'backup_repository_free_bytes{repository="/r\\"} 1\\\\nevil 2"}' in found


def test_every_sample_has_the_labels_of_its_family():
    found = metrics.Metrics()
    for name, (_help, labels) in FAMILIES.items():
        found.add(name, 1, **dict.fromkeys(labels, "x"))
    assert found.text().count("# TYPE ") == len(FAMILIES)
