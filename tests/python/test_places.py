"""What stands at the top of a host and is not saved."""

import importlib.util
import pathlib

import pytest

PATH = pathlib.Path(__file__).parents[2] / "plugins/module_utils/places.py"
spec = importlib.util.spec_from_file_location("places", PATH)
places = importlib.util.module_from_spec(spec)
spec.loader.exec_module(places)


@pytest.fixture
def top(tmp_path):
    root = tmp_path / "root"
    for name in ("etc", "usr", "boot", "data", "srv", "empty", "lost+found", "mnt"):
        (root / name).mkdir(parents=True)
        if name != "empty":
            (root / name / "file").touch()
    (root / "share").symlink_to("srv/share")
    (root / "swapfile").touch()
    (root / "notes").touch()
    (tmp_path / "swaps").write_text("Filename Type Size\n/swapfile file 1\n")
    return root


@pytest.mark.parametrize(
    ("covered", "want"),
    [(["/etc"], ["/data", "/notes", "/share", "/srv"]), (["/etc/", "/srv/wiki", "/data/x/.."], ["/notes", "/share"]), (["/"], [])],
)
def test_tells_what_holds_something_and_is_neither_saved_nor_of_the_system(top, covered, want):
    assert places.uncovered(covered, str(top), str(top.parent / "swaps")) == want


def test_where_nothing_is_known_of_swap_that_is_told_too(top):
    assert "/swapfile" in places.uncovered(["/etc"], str(top), "/nowhere")


def test_what_is_mounted_there_is_told_without_a_look_into_it(top, monkeypatch):
    mounts = top.parent / "mountinfo"
    mounts.write_text("30 1 0:5 / /empty rw - nfs server:/ rw\n")
    asked = []
    look = places.os.listdir
    monkeypatch.setattr(places.os, "listdir", lambda path: asked.append(path) or look(path))
    assert "/empty" in places.uncovered(["/etc"], str(top), "/nowhere", str(mounts))
    assert str(top / "empty") not in asked
