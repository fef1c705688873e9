"""Files of state: whole, or as if they were not there."""

import os

import pytest
from rootless_backup import statefile
from rootless_backup.borg import state
from rootless_backup.records import archive

ID = "5d" * 32


class Voice:
    def __init__(self):
        self.told = []

    def warning(self, text):
        self.told.append(text)


def test_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda file: order.append("fsync") or fsync(file))
    monkeypatch.setattr(os, "rename", lambda *names: order.append("rename") or rename(*names))
    path = tmp_path / "file"
    (tmp_path / "file.new").symlink_to("/nowhere")
    statefile.write(str(path), "text", 0o640)
    assert (path.read_text(), path.stat().st_mode & 0o777, order) == ("text", 0o640, ["fsync", "rename", "fsync"])


@pytest.mark.parametrize("content", [b"", b"\0" * 65, b"half", ID.encode()[:40], b"\xff" * 64])
def test_a_damaged_stamp_counts_as_absent_and_is_told(tmp_path, monkeypatch, content):
    monkeypatch.setattr(state.host, "STATE", str(tmp_path))
    voice = Voice()
    state.write_stamp("/repository", ID)
    assert (state.read_stamp("/repository", voice), state.stamps(), voice.told) == (ID, {state.engine.digest("/repository"): ID}, [])
    with open(state.stamp("/repository"), "wb") as file:
        file.write(content)
    assert (state.read_stamp("/repository", voice), state.stamps(), len(voice.told)) == (None, {}, 1)
    # Which one it was is not known, but that there was one: none is made in its place.
    assert state.is_stamped("/repository")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"begun": 1}', "\0\0"])
def test_a_damaged_record_counts_as_absent_and_is_told(tmp_path, monkeypatch, capsys, content):
    monkeypatch.setattr(archive, "RECORDS", str(tmp_path))
    record = {"begun": "2026-01-31T02:00:00Z", "roots": ["/etc"], "hooks": [], "files": {"/etc/a": "0" * 64}, "size": 7}
    archive.write("/repository", "web", record)
    assert archive.read("/repository", "web") == record
    with open(archive.path_of("/repository", "web"), "w") as file:
        file.write(content)
    assert archive.read("/repository", "web") is None
    assert capsys.readouterr().out.startswith("<4>The record of archive web is left out: ")
