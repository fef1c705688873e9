"""What Borg 1.2 and 1.4 say of the changes between two archives."""

import json

import pytest
from rootless_backup.borg import changes


def said(path, *found):
    return json.dumps({"path": path, "changes": found}) + "\n"


def change(path, kind, more=None, less=None, *belongings):
    return {"path": path, "kind": kind, "more": more, "less": less, "belongings": list(belongings)}


@pytest.mark.parametrize(
    ("found", "want"),
    [
        ([{"type": "added", "size": 12}], ("added", 12)),
        ([{"type": "removed", "size": 3}], ("removed", None, 3)),
        ([{"type": "added directory"}], ("added",)),
        ([{"type": "removed link"}], ("removed",)),
        ([{"type": "modified", "added": 5, "removed": 2}], ("contents", 5, 2)),
        # Cut in different ways, nobody counts.
        ([{"type": "modified"}, {"type": "mtime", "old_mtime": "a", "new_mtime": "b"}], ("contents",)),
        ([{"type": "changed link"}], ("contents",)),
        ([{"type": "mode", "old_mode": "-rw-r--r--", "new_mode": "-rw-------"}], ("belongings", None, None, "-rw-r--r-- -> -rw-------")),
        (
            [{"type": "owner", "old_user": "root", "old_group": "root", "new_user": "alice", "new_group": "users"}],
            ("belongings", None, None, "root:root -> alice:users"),
        ),
    ],
)
def test_a_change_is_told_by_its_kind(found, want):
    assert changes.read(said("etc/hosts", *found)) == [change("etc/hosts", *want)]


def test_what_was_only_touched_is_no_change_and_the_rest_comes_by_path():
    lines = (
        said("b", {"type": "added", "size": 1}) + said("c", {"type": "ctime"}, {"type": "mtime"}) + said("a", {"type": "added", "size": 1})
    )
    assert [each["path"] for each in changes.read(lines)] == ["a", "b"]
