"""What is known of the runs."""

import json

import pytest
from rootless_backup.records import status

ENTRY = {
    "result": "success", "started": 1.0, "finished": 2.0, "last_good": 2.0, "failing_since": None, "failures": 0,
    "failed": [], "optional_failures": [], "warnings": [], "archives": [], "hooks": [],
}  # fmt: skip


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Writes what is known."""
    monkeypatch.setattr(status, "STATUS", str(tmp_path / "status.json"))
    return lambda units: (tmp_path / "status.json").write_text(json.dumps({"units": units}), encoding="utf-8")


def test_a_task_that_was_called_otherwise_goes_on_under_the_name_of_today(known):
    known({"backup": ENTRY, "borg-check": ENTRY})
    assert status.read()["units"] == {"backup": ENTRY, "backup-check": ENTRY}


def test_what_is_known_under_the_name_of_today_counts(known):
    known({"borg-check": ENTRY, "backup-check": {**ENTRY, "failures": 3}})
    assert status.read()["units"] == {"backup-check": {**ENTRY, "failures": 3}}


def test_what_an_earlier_version_calls_otherwise_is_known_by_the_name_of_today(known):
    former = {key: value for key, value in ENTRY.items() if key != "optional_failures"}
    known({"backup": {**former, "lesser": ["backup-x.service"]}})
    assert status.read()["units"] == {"backup": {**ENTRY, "optional_failures": ["backup-x.service"]}}
