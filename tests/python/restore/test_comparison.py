"""What was saved, held to what is here."""

import io
import json
import os
import stat
import tempfile
import tracemalloc
import types

import pytest
from rootless_backup import untrusted
from rootless_backup.restore import comparison, leftovers, listing

# Where the tests have their files.
TOP = "/" + tempfile.gettempdir().split("/")[1]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A tree, what an archive tells of it, and nothing that was laid down beside."""
    monkeypatch.setattr(leftovers, "found", list)
    (tmp_path / "file").write_text("seven")
    (tmp_path / "link").symlink_to("file")
    return tmp_path


def item(file, **other):
    found, compared = os.lstat(file), comparison.Comparison()
    told = {
        "path": str(file)[1:],
        "mode": stat.filemode(found.st_mode),
        "user": compared.user.of(found.st_uid),
        "group": compared.group.of(found.st_gid),
        "size": found.st_size,
        "mtime": comparison.time_of(found) + ".000000",
        "linktarget": os.readlink(file) if stat.S_ISLNK(found.st_mode) else "",
    }
    return {**told, **other}


def verdict(capsys, *items, chosen=()):
    compared = comparison.Comparison(chosen)
    for each in items:
        compared.take(each)
    ok = compared.tell("archive")
    return ok, capsys.readouterr().out.splitlines()[1:]


def test_what_is_as_it_was_is_back(here, capsys):
    ok, lines = verdict(capsys, item(here / "file"), item(here / "link"), item(here))
    assert ok
    assert [line.split() for line in lines] == [["back", TOP, "3"]]


@pytest.mark.parametrize(
    ("other", "want"),
    [
        ({"user": "another"}, "and belonged to another:"),
        ({"mode": "-rwsr-xr-x"}, "and had -rwsr-xr-x"),
        ({"size": 6, "mtime": "2999-01-01T00:00:00.000000"}, "has another size or time"),
        ({"mode": "drwxr-xr-x"}, "is of another kind"),
    ],
)
def test_what_is_not_as_it_was_is_named_and_no_success(here, capsys, other, want):
    ok, [line] = verdict(capsys, item(here / "file", **other))
    assert not ok
    assert line.startswith("DIFFERS")
    assert want in line
    assert "backupctl restore --in-place %s" % TOP in line


def test_a_name_that_is_not_utf_8_is_found(here, capsys):
    odd = os.path.join(os.fsencode(here), b"odd\xff")
    os.mkdir(odd)
    os.chmod(odd, 0o755)
    told = item(here, path=str(here / "odd?")[1:], mode="drwxr-xr-x")
    assert verdict(capsys, told)[0]
    assert not verdict(capsys, {**told, "path": str(here / "even?")[1:]})[0]


def test_what_was_written_to_since_is_back(here, capsys):
    ok, [line] = verdict(capsys, item(here / "file", size=6, mtime="2001-01-01T00:00:00.000000"))
    assert ok
    assert "1 written to since" in line


def test_of_a_directory_only_what_was_asked_for_has_to_be_back(here, capsys):
    gone = item(here / "file", path=str(here / "gone")[1:])
    ok, lines = verdict(capsys, item(here / "file"), gone, chosen=[str(here / "file")])
    assert ok
    assert [line.split()[0] for line in lines] == ["back", "left"]
    assert not verdict(capsys, gone, chosen=[str(here / "gone")])[0]


def test_what_was_left_and_is_written_by_the_new_machine_is_not_called_back(here, capsys):
    ok, [line] = verdict(capsys, item(here / "file", size=6, mtime="2001-01-01T00:00:00.000000"), chosen=["/srv"])
    assert (ok, line.split()[0]) == (True, "left")


def test_what_is_not_here_is_missing_unless_it_lies_beside_or_was_not_asked_for(here, capsys, monkeypatch):
    gone = item(here / "file", path=str(here / "gone")[1:])
    ok, [line] = verdict(capsys, gone)
    assert (ok, line.split()[0]) == (False, "MISSING")
    ok, [line] = verdict(capsys, gone, chosen=["/srv"])
    assert (ok, line.split()[0]) == (True, "left")
    assert line.endswith("backupctl restore " + TOP)
    (here / "beside" / str(here)[1:]).mkdir(parents=True)
    (here / "beside" / str(here)[1:] / "gone").touch()

    class Fresh:
        path, note = str(here / "beside"), {"fresh": ["x"]}

    monkeypatch.setattr(leftovers, "found", lambda: [Fresh])
    ok, [line] = verdict(capsys, gone)
    assert (ok, line.split()[0]) == (True, "beside")


@pytest.mark.parametrize("path", ["../etc/passwd", "etc/../x", "/etc", "etc//x", "a\0b", "etc/"])
def test_what_an_archive_tells_is_no_path_that_leads_elsewhere(here, path):
    with pytest.raises(untrusted.Untrustworthy):
        listing.checked(item(here / "file", path=path))


def test_another_name_of_a_file_is_back_only_with_what_the_first_has(here, capsys):
    first, other = here / "file", here / "other"
    os.link(first, other)
    told = item(other, size=0, linktarget=str(first)[1:])
    told["mode"] = "h" + told["mode"][1:]
    assert verdict(capsys, told)[0]
    # A file of its own, as where both came back by themselves.
    other.unlink()
    other.write_text("seven")
    os.utime(other, ns=(os.stat(first).st_mtime_ns,) * 2)
    assert verdict(capsys, told)[0]
    other.write_text("seventy")
    os.utime(other, ns=(os.stat(first).st_mtime_ns,) * 2)
    assert verdict(capsys, told)[1][0].startswith("DIFFERS")
    os.utime(other, (0, 0))
    assert verdict(capsys, told)[1][0].startswith("DIFFERS")
    other.unlink()
    other.symlink_to("file")
    assert "is of another kind" in verdict(capsys, told)[1][0]


def test_what_lies_beside_is_in_one_place_with_all_that_is_lacking(here, capsys, monkeypatch):
    def fresh(name, *files):
        top = here / name
        for file in files:
            (top / str(here)[1:]).mkdir(parents=True, exist_ok=True)
            (top / str(here)[1:] / file).touch()
        return type("Fresh", (), {"path": str(top), "note": {"fresh": ["x"]}})

    gone = [item(here / "file", path=str(here / name)[1:]) for name in ("one", "two")]
    halves = [fresh("a", "one"), fresh("b", "two")]
    monkeypatch.setattr(leftovers, "found", lambda: halves)
    assert verdict(capsys, *gone)[1][0].startswith("MISSING")
    monkeypatch.setattr(leftovers, "found", lambda: [*halves, fresh("c", "one", "two")])
    assert verdict(capsys, *gone)[1][0].split()[:3] == ["beside", TOP, str(here / "c") + TOP]


def test_the_memory_of_a_comparison_does_not_grow_with_the_archive(here, capsys):
    compared = comparison.Comparison()
    missing = item(here / "file")

    def take(count):
        for number in range(count):
            compared.take({**missing, "path": "%s/%d" % (str(here)[1:], number)})

    take(1000)
    tracemalloc.start()
    take(20_000)
    grown, _most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000
    assert not compared.tell("archive")
    assert "21000 of 21000" in capsys.readouterr().out


# As Borg 1.2.4 tells of 90 directories one in another, and of more than Python calls itself.
@pytest.mark.parametrize("name", ["\x01" * 255, "?"], ids=["a line of 138000 bytes", "what is no UTF-8"])
def test_directories_as_deep_as_an_engine_comes_are_told_and_missing_and_the_rest_is_compared(here, capsys, name):
    deep = item(here / "file", path="/".join([str(here)[1:], *[name] * (90 if len(name) > 1 else 3000), "end"]))
    lines = [json.dumps(each).encode() + b"\n" for each in (deep, item(here / "file"))]
    process = types.SimpleNamespace(wait=lambda: 0)
    ok, [line] = verdict(capsys, *listing.items_of(process, io.BytesIO(b"".join(lines))))
    assert not ok
    assert line.startswith("MISSING")
    assert "1 of 2" in line
    assert len(line) < 5 * comparison.LONGEST_NAMED
