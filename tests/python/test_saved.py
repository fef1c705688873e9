"""What opens repositories is never lost on the control node."""

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


def test_a_copy_follows_and_each_that_was_before_it_stays_once_with_its_date(wanted):
    own = os.path.join(wanted.directory, "passphrase")
    assert wanted.write(PASSPHRASE, b"old") == [own]
    before, written = wanted.write(PASSPHRASE, b"new")
    assert re.fullmatch(r"passphrase\.\d{4}-\d\d-\d\d", os.path.basename(before)) and written == own
    assert wanted.write(PASSPHRASE, b"new\n") == [own]
    assert contents(wanted) == {"passphrase": b"new", os.path.basename(before): b"old"}
    # As often as a host changes its mind, there is one copy of each.
    for content in (b"old", b"new", b"old", b"new"):
        wanted.write(PASSPHRASE, content)
    assert sorted(contents(wanted).values()) == [b"new", b"new", b"old"] and contents(wanted)["passphrase"] == b"new"
    assert {stat.S_IMODE(os.stat(os.path.join(wanted.directory, name)).st_mode) for name in contents(wanted)} == {0o600}


def test_a_change_that_is_broken_off_goes_on_with_what_it_began_with_and_the_old_one_stays(wanted):
    wanted.write(PASSPHRASE, b"old")
    wanted.changes, wanted.renew, made = {"passphrase": "/etc/passphrase"}, ["passphrase"], []

    def make(name, path):
        made.append(name)
        saved.create(path, b"new %d\n" % len(made))

    wanted.begin(make)
    wanted.begin(make)
    assert made == ["passphrase"]
    assert contents(wanted) == {"passphrase": b"old", "passphrase-new": b"new 1\n"}
    # Of what a plan has, and not of another that is given by a setting.
    assert wanted.under_way({"/etc/passphrase": "another"}) == []
    assert wanted.under_way({"/etc/passphrase": "new 1"}) == ["passphrase"]
    ((salt, digest),) = wanted.digests(["passphrase"]).values()
    assert digest == saved.keyed(salt, b"new 1") != saved.keyed(salt, b"old")
    assert wanted.retire("passphrase", b"old\n") == []
    before, _own = wanted.finish("passphrase")
    assert contents(wanted) == {"passphrase": b"new 1\n", os.path.basename(before): b"old"}


def test_what_opens_nothing_more_keeps_no_name_under_which_it_would_be_taken_for_what_does(wanted):
    wanted.write(PASSPHRASE, b"old")
    (kept,) = wanted.retire("passphrase", b"in use")
    assert pathlib.Path(kept).read_bytes() == b"in use" and wanted.retire("passphrase", b"in use") == []
    wanted.dismiss("passphrase")
    assert "passphrase" not in contents(wanted) and sorted(contents(wanted).values()) == [b"in use", b"old"]


@pytest.mark.parametrize("make", [os.mkdir, lambda path: os.symlink("/nowhere", path)], ids=["a directory", "a link to nothing"])
def test_what_is_no_file_is_not_replaced(wanted, make):
    wanted.prepare()
    make(os.path.join(wanted.directory, "passphrase"))
    (written,) = wanted.write(PASSPHRASE, b"new")
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
