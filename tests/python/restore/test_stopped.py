"""What a restore left stopped, told by `backupctl status`."""

import json
import os

import pytest
from rootless_backup import systemd
from rootless_backup.control import status
from rootless_backup.restore import holders


@pytest.fixture
def left(tmp_path, monkeypatch):
    """What is told if these are noted, and are so."""
    monkeypatch.setattr(holders.host, "RESTORE_STATE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def tell(noted, states):
        (tmp_path / ".stopped").write_text(noted)
        monkeypatch.setattr(
            systemd, "show_each", lambda names, *_: [{"LoadState": "loaded", "ActiveState": states[name]} for name in names]
        )
        return [each.text for each in status.find_stopped()]

    return tell


def test_what_runs_again_is_not_told_and_the_rest_is(left):
    states = {"a.service": "active", "b.service": "inactive", "c.socket": "failed"}
    assert left(json.dumps([*states]), states) == ["A restore left stopped: b.service, c.socket."]
    assert left(json.dumps(["a.service"]), states) == []


def test_a_note_that_cannot_be_read_is_told_and_takes_no_status_away(left):
    [text] = left("{", {})
    assert text.startswith("What a restore left stopped cannot be told")
