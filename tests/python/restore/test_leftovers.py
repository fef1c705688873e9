"""What restores laid down is found by their notes, and nothing else is removed."""

import os
import types

import pytest
from rootless_backup import host, selection, systemd
from rootless_backup.control import kept as control
from rootless_backup.restore import leftovers, target
from rootless_backup.restore.kept import Kept, link
from rootless_backup.voice import JOURNAL

UNIT, NAME, TOKEN = "backup-restore-1-2", leftovers.KEPT + "2026-01-31T02:00:00Z", "token"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what is laid down is root's")


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Notes of this test, of restores that are over."""
    monkeypatch.setattr(host, "RESTORE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(systemd, "show_or_nothing", lambda *_asked: {"ActiveState": "inactive"})


@pytest.fixture
def place(tmp_path):
    """A directory in which a file was put aside."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "file").write_text("old")
    put_aside(base)
    return base


def put_aside(base, token=TOKEN):
    leftovers.note(UNIT, {"token": token, "kept": [str(base / NAME)], "fresh": [], "inode": ""})
    opened = target.opened(str(base))
    kept = Kept(opened, str(base), NAME, token)
    kept.keep(opened, "file", str(base / "file"), link)
    return kept


def found():
    return [each.path for each in leftovers.found()]


def test_what_was_put_aside_is_found_left_out_of_the_archive_and_removed(place):
    assert found() == [str(place / NAME)]
    chosen = selection.Selection({"paths": [str(place)], "one_file_system": False, "exclude": []}, [], JOURNAL)
    assert chosen.left_out().fullmatch(str(place / NAME / "base/file"))
    assert not chosen.left_out().fullmatch(str(place / "file"))
    assert control.remove(agreed=True) == 0
    assert os.listdir(place) == ["file"] and (place / "file").read_text() == "old"
    assert (found(), os.listdir(leftovers.directory())) == ([], [])


def test_a_second_one_of_the_same_second_is_found_too(place):
    (place / (NAME + "-2")).mkdir(mode=0o700)
    kept = put_aside(place)
    assert kept.paths() == [str(place / (NAME + "-3"))]
    assert found() == [str(place / NAME), str(place / (NAME + "-3"))]


def test_what_is_on_a_mount_below_is_found_by_the_mark_of_the_first(place, tmp_path):
    below = tmp_path / "below"
    below.mkdir()
    kept = put_aside(place)
    opened = target.opened(str(below))
    kept.open(opened, str(below))
    assert found() == [str(place / NAME), str(place / (NAME + "-2")), str(below / NAME)]


def nothing(place):
    os.rename(place / NAME, place / "elsewhere")


def of_another(place):
    os.rename(place / NAME, place / "elsewhere")
    (place / NAME).mkdir(mode=0o700)
    (place / NAME / "own").write_text("own")


def of_another_token(place):
    (place / NAME / leftovers.MARK).write_text('"another"\n')


def open_to_others(place):
    (place / NAME).chmod(0o755)


def of_somebody(place):
    os.chown(place / NAME, 1000, 1000)


def a_link(place):
    os.rename(place / NAME, place / "elsewhere")
    os.symlink(place / "elsewhere", place / NAME)


def below_a_link(place):
    os.rename(place, str(place) + ".moved")
    os.symlink(str(place) + ".moved", place)


@pytest.mark.parametrize("change", [nothing, of_another, of_another_token, open_to_others, of_somebody, a_link, below_a_link])
def test_what_is_not_what_was_noted_is_neither_listed_nor_left_out_nor_removed(place, change):
    change(place)
    before = sorted(os.walk(place, followlinks=True))
    assert (found(), leftovers.kept_paths()) == ([], [])
    assert control.remove(agreed=True) == 0
    assert sorted(os.walk(place, followlinks=True)) == before


def test_what_is_exchanged_between_the_list_and_the_removal_stays(place):
    (each,) = leftovers.found()
    of_another(place)
    assert control.attempt(each) != ""
    assert (place / NAME / "own").exists() and (place / "elsewhere/base/file").exists()


def test_links_in_it_are_removed_and_not_followed(place, tmp_path):
    (tmp_path / "others").mkdir()
    (tmp_path / "others/file").write_text("others")
    os.symlink(tmp_path / "others", place / NAME / "link")
    assert control.remove(agreed=True) == 0
    assert (tmp_path / "others/file").exists() and not (place / NAME).exists()


def test_a_fresh_directory_is_known_by_its_number(tmp_path):
    fresh = tmp_path / "restored-2026-01-31-x"
    fresh.mkdir(mode=0o700)
    (fresh / "etc").mkdir()
    leftovers.note(UNIT, {"token": "", "kept": [], "fresh": [str(fresh)], "inode": str(fresh.stat().st_ino)})
    assert (found(), leftovers.kept_paths()) == ([str(fresh)], [])
    leftovers.note(UNIT, {"token": "", "kept": [], "fresh": [str(fresh)], "inode": "1"})
    assert found() == []


def test_nothing_is_removed_without_a_yes_nor_of_a_restore_that_is_at_work(place, monkeypatch):
    monkeypatch.setattr(control.sys, "stdin", types.SimpleNamespace(isatty=lambda: False))
    with pytest.raises(SystemExit):
        control.remove(agreed=False)
    monkeypatch.setattr(systemd, "show_or_nothing", lambda *_asked: {"ActiveState": "activating"})
    assert control.remove(agreed=True) == 0
    assert found() == [str(place / NAME)]
