"""What is said of dumps whose names their owners chose."""

import json
import os

import pytest
from rootless_backup.engine import Refused
from rootless_backup.restore.dumps import Dumps

FORGED = "gone\nhook other: its dump is not proven"


@pytest.fixture
def dumps(tmp_path):
    entry = {"database": FORGED, "sha256": "0" * 64, "size": 3}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {FORGED: entry}}))
    (tmp_path / FORGED).write_text("new")
    return Dumps(None, "web-dumps-2026", "wiki", str(tmp_path))


def test_a_name_with_a_line_end_begins_no_line_of_its_own(dumps):
    (problem,) = dumps.problems()
    assert problem == "gone\\nhook other: its dump is not proven has another checksum than the manifest says"


def test_a_name_with_a_line_end_begins_no_line_where_another_is_asked_for(dumps):
    with pytest.raises(Refused) as refused:
        dumps.choose(["else"])
    assert "\n" not in str(refused.value)


def test_what_is_missing_is_known_by_its_very_name(dumps):
    os.unlink(os.path.join(dumps.directory, FORGED))
    assert dumps.absent() == [FORGED]
