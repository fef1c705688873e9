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
