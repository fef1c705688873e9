import pathlib

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
