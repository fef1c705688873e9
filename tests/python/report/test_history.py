"""The last runs, a line each."""

import json
import os

import pytest
from rootless_backup.report import history, state
from rootless_backup.report.run import Run


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where it is kept."""
    monkeypatch.setattr(history.host, "HISTORY", str(tmp_path / "history.jsonl"))
    return tmp_path / "history.jsonl"


def ran(number, **more):
    archive = {
        "repository": "/r",
        "name": "a",
        "series": "files",
        "files": 10,
        "original_size": 1000,
        "deduplicated_size": number,
        "seconds": 1.0,
    }
    return Run("backup", "success", "i", started=1e9 + number, finished=1e9 + number + 5.5, **{"archives": [archive, archive], **more})


def test_tells_of_each_run_what_it_saved_oldest_first(path):
    for number in range(3):
        history.keep(ran(number))
    points, spoiled = history.read()
    assert (spoiled, [each["deduplicated_size"] for each in points]) == (0, [0, 2, 4])
    assert points[2] == {
        "unit": "backup", "result": "success", "started": 1_000_000_002, "finished": 1_000_000_007,
        "files": 20, "original_size": 2000, "deduplicated_size": 4, "warnings": 0,
    }  # fmt: skip
    assert path.stat().st_mode & 0o777 == 0o640


def test_has_the_last_400_runs_in_less_than_200_kb_whatever_they_are(path):
    large = {"repository": "/r", "name": "a", "series": "files", "files": 10**17, "original_size": 10**17, "deduplicated_size": 10**17}
    for number in range(history.MOST_RUNS + 5):
        run = ran(number, archives=[large] * 9, warnings=["w"] * 1000)
        run.result = "r" * 500
        history.keep(run)
    points, spoiled = history.read()
    assert (len(points), spoiled, points[0]["started"]) == (400, 0, 1_000_000_005)
    assert path.stat().st_size < 200_000


@pytest.mark.parametrize("spoiled", [b'{"unit": "backup", "resu', b"\xff\0", b"[1, 2]", b'{"unit": "backup"}', b'{"a": NaN}'])
def test_survives_a_spoiled_line_says_so_and_is_whole_again(path, capsys, spoiled):
    history.keep(ran(1))
    whole = path.read_bytes()
    path.write_bytes(whole + spoiled + b"\n" + whole)
    assert ([each["started"] for each in history.read()[0]], history.read()[1]) == ([1_000_000_001] * 2, 1)
    history.keep(ran(2))
    assert capsys.readouterr().out.startswith("<4>Of %s 1 lines are spoiled" % path)
    assert ([each["started"] for each in history.read()[0]], history.read()[1]) == ([1_000_000_001, 1_000_000_001, 1_000_000_002], 0)


def test_begins_anew_where_it_is_no_file_and_says_so(path, capsys):
    path.symlink_to("/etc/passwd")
    history.keep(ran(1))
    assert (len(history.read()[0]), path.is_symlink()) == (1, False)
    assert "so it begins anew" in capsys.readouterr().out


def test_is_replaced_whole(path, monkeypatch):
    history.keep(ran(1))
    before = path.read_bytes()
    monkeypatch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        history.keep(ran(2))
    assert path.read_bytes() == before


def test_the_status_says_what_to_do_by_which_version_and_the_history_is_kept_with_it(path, monkeypatch):
    monkeypatch.setattr(state, "STATE", str(path.parent))
    monkeypatch.setattr(state.status, "STATUS", str(path.parent / "status.json"))
    kept = state.State()
    kept.record(Run("backup", "exit-code", "i", archives=[], advice=["Run `borg break-lock`."]))
    assert kept.keep({"host": "web", "alert_after": 30}) == ""
    known = json.loads((path.parent / "status.json").read_text(encoding="utf-8"))
    assert state.status.KNOWN(known)
    assert (known["version"], known["alert_after"]) == (state.host.VERSION, 30)
    assert known["units"]["backup"]["advice"][0] == "Run `borg break-lock`."
    assert [each["result"] for each in history.read()[0]] == ["exit-code"]
    # What keeps it from being written is told as of the status.
    monkeypatch.setattr(history, "keep", lambda _: (_ for _ in ()).throw(OSError("no room")))
    assert "no room" in kept.keep({"host": "web", "alert_after": 30})
