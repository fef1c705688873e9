"""Which archive came back once, and what of it."""

import json
import types

import pytest
from rootless_backup.databases import request
from rootless_backup.restore import databases, listing, once


@pytest.fixture
def came_back(tmp_path, monkeypatch):
    """Whether it did, of what is asked for, where `newest` is the newest archive there."""
    monkeypatch.setattr(once.host, "RESTORE_STATE", str(tmp_path))
    monkeypatch.setenv("BACKUP_REQUEST", str(tmp_path / "shop" / "request.json"))
    (tmp_path / "shop").mkdir()
    once.begin("shop", "/srv/one", "web-dumps-1", [], {})

    def ask(location="/srv/one", archive=None, newest="web-dumps-1"):
        monkeypatch.setattr(listing, "name_of", lambda _command, _used, _number, name: newest if name == "latest-dumps" else name)
        asked = types.SimpleNamespace(hook="shop", repository=1, archive=archive, back=[])
        return databases.came_back(asked, types.SimpleNamespace(repositories=[location])), asked.archive, asked.back

    return ask


def test_it_is_known_by_the_archive_that_the_newest_was_and_by_its_repository(came_back):
    once.end("shop", True)
    assert came_back() == (True, "web-dumps-1", [])
    assert came_back(archive="web-dumps-1")[0]
    assert not came_back(location="/srv/two")[0]


def test_what_the_hook_noted_is_looked_for_again_though_all_of_it_came_back(came_back):
    request.note_back("15-main/shop.dump", {"all": True})
    once.end("shop", True)
    assert came_back() == (False, "web-dumps-1", ["15-main/shop.dump"])


def test_another_one_that_is_the_newest_now_is_restored_and_is_the_one_that_was_compared(came_back):
    request.note_back("15-main/shop.dump", {"all": True})
    once.end("shop", True)
    assert came_back(newest="web-dumps-2") == (False, "web-dumps-2", [])


def test_what_came_back_before_the_end_is_not_asked_for_again_whether_that_failed_or_was_killed(came_back, tmp_path):
    request.note_back("15-main/one.dump", {"all": True})
    once.end("shop")
    assert came_back() == (False, "web-dumps-1", ["15-main/one.dump"])
    (tmp_path / "shop" / request.CAME_BACK).unlink()
    once.begin("shop", "/srv/one", "web-dumps-1", ["15-main/one.dump"], {})
    request.note_back("15-main/two.dump", {"all": True})
    with open(tmp_path / "shop" / request.CAME_BACK, "a", encoding="utf-8") as file:
        file.write('"15-main/half')
    once.end("shop", False)
    assert came_back()[2] == ["15-main/one.dump", "15-main/two.dump"]
    assert request.came_back("15-main/two.dump", {"back": came_back()[2]})


def test_one_that_is_begun_is_asked_for_with_its_mark_and_is_not_back_until_it_is_noted_again(came_back):
    request.note_back("one.sql", {"all": True})
    request.note_begun("one.sql", "restoring_1", {"all": True})
    request.note_begun("two.sql", "restoring_2", {"all": True})
    request.note_back("two.sql", {"all": True})
    once.end("shop", False)
    known = once.known_of("shop")
    assert came_back()[2] == ["two.sql"]
    assert request.mark_of("one.sql", known) == "restoring_1"
    assert request.mark_of("three.sql", known) == request.mark_of("one.sql", {}) == ""
    # As an earlier version wrote it.
    del known["begun"]
    once.write("shop", known)
    assert came_back()[2] == ["two.sql"]


def test_one_of_them_that_is_restored_by_itself_is_no_part_of_all(came_back):
    request.note_back("15-main/one.dump", {"all": False})
    once.end("shop")
    assert came_back()[2] == []


@pytest.mark.parametrize("noted", ["", "null", "[1, null]", '{"location": 1}'])
def test_a_note_that_is_none_is_of_no_archive(came_back, noted):
    with open(once.note_of("shop"), "w", encoding="utf-8") as file:
        file.write(noted)
    assert came_back() == (False, None, [])


def test_what_the_hook_leaves_in_place_of_its_notes_is_no_more_than_a_note(came_back, tmp_path):
    told = tmp_path / "shop" / request.CAME_BACK
    told.write_text(json.dumps({"a": 1}) + "\n[1]\n" + json.dumps({"a": ["b"]}) + "\n")
    once.end("shop")
    assert came_back()[2] == []
    told.write_text("{\n")
    once.end("shop")
    assert came_back()[2] == []
    told.unlink()
    told.symlink_to("/etc/passwd")
    once.end("shop")
    assert came_back()[2] == []


@pytest.mark.parametrize("killed", [True, False], ids=["one that was killed", "one that failed"])
def test_what_is_put_in_its_place_while_the_restore_is_stopped_came_back_too(came_back, tmp_path, monkeypatch, killed):
    def stop(*_units):
        # Until it is stopped it is at work.
        if (tmp_path / "shop").exists():
            request.note_back("15-main/late.dump", {"all": True})
        return True

    monkeypatch.setattr(databases.systemd, "stop", stop)
    monkeypatch.setattr(databases, "RESTORE", str(tmp_path))
    monkeypatch.setattr(databases, "heed_nothing", lambda: None)
    restore = databases.Restore(types.SimpleNamespace(hook="shop"), "backup-shop-restore.service", "/srv/one")
    if killed:
        restore.clear()
    else:
        restore.noted = True
        restore.end(False)
    assert not (tmp_path / "shop").exists()
    assert came_back()[2] == ["15-main/late.dump"]
