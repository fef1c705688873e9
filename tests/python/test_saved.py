"""What opens repositories is never overwritten on the control node."""

import importlib.util
import os
import pathlib
import re
import stat

import pytest

PATH = pathlib.Path(__file__).parents[2] / "plugins/plugin_utils/saved.py"
spec = importlib.util.spec_from_file_location("saved", PATH)
saved = importlib.util.module_from_spec(spec)
spec.loader.exec_module(saved)

PASSPHRASE, KEY = {"from": "/etc/passphrase", "as": "passphrase", "of": ""}, {"from": "/key", "as": "key-12345678", "of": "/mark"}


@pytest.fixture
def wanted(tmp_path):
    files = [list(each.values()) for each in (PASSPHRASE, KEY)]
    known = ["passphrase*", "ssh-key*", "key-*"]
    return saved.Saved({"directory": str(tmp_path / "web"), "files": files, "known": known, "opens": ["/etc/passphrase"]})


def contents(wanted):
    return {name: pathlib.Path(wanted.directory, name).read_bytes() for name in os.listdir(wanted.directory)}


def test_what_differs_is_laid_down_beside_and_once(wanted):
    assert wanted.write(PASSPHRASE, b"old") == os.path.join(wanted.directory, "passphrase")
    beside = wanted.write(PASSPHRASE, b"new")
    assert re.fullmatch(r"passphrase\.\d{4}-\d\d-\d\d-[0-9a-f]{8}", os.path.basename(beside))
    assert wanted.write(PASSPHRASE, b"new\n") == beside
    assert wanted.write(PASSPHRASE, b"old") == os.path.join(wanted.directory, "passphrase")
    assert contents(wanted) == {"passphrase": b"old", os.path.basename(beside): b"new"}
    assert {stat.S_IMODE(os.stat(os.path.join(wanted.directory, name)).st_mode) for name in contents(wanted)} == {0o600}


@pytest.mark.parametrize("make", [os.mkdir, lambda path: os.symlink("/nowhere", path)], ids=["a directory", "a link to nothing"])
def test_what_is_no_file_is_not_replaced_either(wanted, make):
    wanted.prepare()
    make(os.path.join(wanted.directory, "passphrase"))
    written = wanted.write(PASSPHRASE, b"new")
    assert os.path.lexists(os.path.join(wanted.directory, "passphrase"))
    assert pathlib.Path(written).read_bytes() == b"new" and os.path.basename(written).startswith("passphrase.")


def test_what_has_come_meanwhile_is_not_replaced(wanted):
    wanted.write(PASSPHRASE, b"old")
    directory = os.open(wanted.directory, os.O_RDONLY)
    pathlib.Path(wanted.directory, "new").write_bytes(b"new")
    with pytest.raises(FileExistsError):
        saved.put(directory, "new", "passphrase")
    os.close(directory)
    assert contents(wanted)["passphrase"] == b"old"


def test_what_is_saved_of_any_time_is_known_and_nothing_else(wanted):
    assert wanted.names() == []
    wanted.prepare()
    for name in ("key-87654321", "passphrase.2026-01-31-12345678", "notes", ".passphrase.1.new"):
        pathlib.Path(wanted.directory, name).write_text("text")
    os.mkdir(os.path.join(wanted.directory, "key-directory"))
    assert wanted.names() == ["key-87654321", "passphrase.2026-01-31-12345678"]


def test_what_is_set_aside_is_whole_and_takes_no_place_of_what_was_set_aside_before(wanted):
    asides = []
    for content in (b"first", b"second"):
        wanted.write(PASSPHRASE, content)
        wanted.write(KEY, content)
        asides.append(wanted.set_aside())
    assert wanted.set_aside() is None and wanted.names() == []
    for aside, content in zip(asides, (b"first", b"second")):
        assert {path.name: path.read_bytes() for path in pathlib.Path(aside).iterdir()} == {"passphrase": content, "key-12345678": content}


def test_a_host_is_expected_to_have_what_is_given_or_else_what_is_saved(wanted):
    assert wanted.expected({}) == {}
    wanted.write(PASSPHRASE, b"saved")
    wanted.write(KEY, b"key")
    assert wanted.expected({}) == {"/etc/passphrase": b"saved"}
    assert wanted.expected({"/etc/passphrase": "given", "/etc/other": "x"}) == {"/etc/passphrase": b"given"}
