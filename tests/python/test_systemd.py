"""What systemd is asked."""

import subprocess

import pytest
from rootless_backup import systemd


@pytest.mark.parametrize(
    ("said", "want"), [("t 1795792348119663\n", 1795792348.119663), ("t 0\n", None), ("t 18446744073709551615\n", None), ("s x\n", None)]
)
def test_a_timer_says_when_it_elapses_next(monkeypatch, said, want):
    asked = []
    monkeypatch.setattr(systemd, "output", lambda *command: asked.append(command) or said)
    assert systemd.next_elapse("backup-check.timer") == want
    assert asked[0][3] == "/org/freedesktop/systemd1/unit/backup_2dcheck_2etimer"


def test_of_a_timer_that_nothing_is_said_of_nothing_is_known(monkeypatch):
    def fail(*command):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(systemd, "output", fail)
    assert systemd.next_elapse("backup.timer") is None
