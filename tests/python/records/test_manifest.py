import json

import pytest
from rootless_backup import untrusted
from rootless_backup.records import manifest

GOOD = {"database": "a", "size": 1, "sha256": "0" * 64, "finished": "2026-01-31T02:00:00Z"}


@pytest.mark.parametrize("name", ["a", "a/b.dump", "..a", "a..", "ü"])
def test_takes_a_path_that_leads_below(name):
    assert manifest.leads_below(name)


@pytest.mark.parametrize("name", ["", "/a", "a/../b", "..", "a//b", "./a", "a\0b", "a/" * 100 + "b", "a" * 4096])
def test_takes_no_path_that_leads_elsewhere(name):
    assert not manifest.leads_below(name)


@pytest.mark.parametrize(
    "odd",
    [
        {"sha256": "0"},
        {"sha256": None},
        {"size": True},
        {"size": -1},
        {"size": 1 << 63},
        {"size": "1"},
        {"finished": "2026-01-31"},
        {"finished": 1},
        {"database": 7},
    ],
)
def test_refuses_what_says_something_else_than_a_manifest_does(tmp_path, odd):
    path = tmp_path / manifest.NAME
    path.write_text(json.dumps({"files": {"a": GOOD}}))
    assert manifest.read(str(path))["files"]["a"] == GOOD
    path.write_text(json.dumps({"files": {"a": {**GOOD, **odd}}}))
    with pytest.raises(untrusted.Untrustworthy):
        manifest.read(str(path))


def test_writes_what_it_reads(tmp_path):
    with manifest.Manifest(str(tmp_path), server={"version": 15}) as written:
        written.put("a", GOOD)
    assert manifest.read(str(tmp_path / manifest.NAME)) == {"server": {"version": 15}, "files": {"a": GOOD}}


def test_an_entry_that_is_too_large_loses_all_that_has_no_end_and_those_of_others_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest.Manifest, "MOST_OF_ONE", 1000)
    with manifest.Manifest(str(tmp_path)) as writer:
        assert writer.put("a.dump", GOOD)
        assert not writer.put("b.dump", {**GOOD, "tables": "x" * 2000}, {"tables"})
        assert not writer.put("c.dump", {**GOOD, "properties": "x" * 2000}, {"tables"})
    assert manifest.read(str(tmp_path / "manifest.json"))["files"] == {"a.dump": GOOD, "b.dump": GOOD, "c.dump": GOOD}


def test_is_written_with_each_file_unless_it_is_told_otherwise(tmp_path):
    writer = manifest.Manifest(str(tmp_path))
    for name in ("a.dump", "b.dump"):
        writer.put(name, GOOD)
        assert name in manifest.read(str(tmp_path / "manifest.json"))["files"]
    seldom = manifest.Manifest(str(tmp_path), every=1000)
    for name in ("c.dump", "d.dump"):
        seldom.put(name, GOOD)
    assert "d.dump" not in manifest.read(str(tmp_path / "manifest.json"))["files"]
