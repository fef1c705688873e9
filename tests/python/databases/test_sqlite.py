import json
import pathlib
import sqlite3

import pytest
from rootless_backup.databases import sqlite

FILES = ["/a/x.db", "/a/.y.db", "/a/x.db-wal", "/a/b/z.db", "/a/b/c/w.db", "/a/[1].db", "/a/1.db"]


@pytest.mark.parametrize(
    ("pattern", "want"),
    [
        ("/a/x.db", ["/a/x.db"]),
        ("/a/*.db", ["/a/.y.db", "/a/1.db", "/a/[1].db", "/a/x.db"]),
        ("/a/**/*.db", ["/a/.y.db", "/a/1.db", "/a/[1].db", "/a/b/c/w.db", "/a/b/z.db", "/a/x.db"]),
        ("/*/b/?.db", ["/a/b/z.db"]),
        ("/a/[[]1].db", ["/a/[1].db"]),
        ("/a/[1].db", ["/a/1.db"]),
        ("/a/nothing*", []),
    ],
)
def test_finds_by_a_pattern_what_borg_leaves_out_by_it(tmp_path, pattern, want):
    top = str(tmp_path)
    for file in FILES:
        path = pathlib.Path(top + file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [path[len(top) :] for path in sqlite.matches(top + pattern)] == want


def test_what_works_is_read_though_sqlite_complains_of_it_and_what_cannot_be_read_is_not(tmp_path, capfd):
    path = str(tmp_path / "x.db")
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("CREATE TABLE t (n)")
    database.execute("INSERT INTO t VALUES (NULL), (1)")
    database.execute("PRAGMA writable_schema=ON")
    database.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE t (n NOT NULL)'")
    database.close()
    assert sqlite.check(path, "it")["t"]["rows"] == 2
    assert "it: every table of it can be read" in capfd.readouterr().out
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(sqlite3.DatabaseError):
        sqlite.check(path, "it")


def test_what_only_its_own_program_can_check_is_read(tmp_path, capfd):
    path = str(tmp_path / "x.db")
    database = sqlite3.connect(path, isolation_level=None)
    database.create_function("own", 1, lambda value: value, deterministic=True)
    database.execute("CREATE TABLE t (n)")
    database.execute("CREATE INDEX i ON t (own(n))")
    database.execute("INSERT INTO t VALUES (1), (2)")
    database.close()
    assert sqlite.check(path, "it")["t"]["rows"] == 2
    assert "it needs what only its own program has: unknown function: own()" in capfd.readouterr().out


@pytest.fixture
def restore(tmp_path, monkeypatch):
    """Restore what is asked for. Return whether all came, and what is noted to be back."""
    (tmp_path / "dump").mkdir()
    (tmp_path / "live").mkdir()
    monkeypatch.setenv("BACKUP_REQUEST", str(tmp_path / "request.json"))

    def run(*names, **asked):
        items = []
        for name in names:
            database = sqlite3.connect(str(tmp_path / "dump" / name))
            database.execute("CREATE TABLE IF NOT EXISTS t (n)")
            database.close()
            items.append({"file": name, "into": str(tmp_path / "live" / name)})
        (tmp_path / "request.json").write_text(json.dumps({"items": items, "over": False, **asked}))
        ok = sqlite.restore(str(tmp_path / "dump"), 1)
        notes = tmp_path / "came-back"
        return ok, [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []

    return run


def test_of_all_that_there_is_the_others_do_not_wait_for_one_that_cannot_come_back(restore, tmp_path, capfd):
    (tmp_path / "live" / "b.db").write_text("in the way")
    assert restore("a.db", "b.db", "c.db") == (False, [])
    assert not (tmp_path / "live" / "a.db").exists()
    assert restore("a.db", "b.db", "c.db", all=True) == (False, ["a.db", "c.db"])
    assert (tmp_path / "live" / "b.db").read_text() == "in the way"
    assert capfd.readouterr().out.count('/b.db" exists already') == 2


def test_of_two_that_would_go_to_one_place_neither_does(restore, tmp_path):
    (tmp_path / "live" / "a.db").symlink_to("b.db")
    assert restore("a.db", "b.db", "c.db", all=True) == (False, ["c.db"])
    assert not (tmp_path / "live" / "b.db").exists()
