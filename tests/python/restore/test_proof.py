"""What a file that came is held to."""

import os

from rootless_backup.engine import Files
from rootless_backup.restore import room
from rootless_backup.restore.proof import Proof


class Repository:
    def __init__(self, *items):
        self.items = items

    def files(self, _archive, wanted):
        files = Files()
        for path, mode, size, target, damaged in self.items:
            if path in wanted.exactly or any(path == each or path.startswith(each + "/") for each in wanted.below):
                files.add({"path": path, "mode": mode, "size": size, "linktarget": target}, damaged)
        return files


def came(tmp_path, size):
    (tmp_path / "file").write_bytes(b"x" * size)
    return os.lstat(tmp_path / "file")


REPOSITORY = Repository(
    ("srv/a", "-rw-r--r--", 10, "", False),
    ("srv/more", "hrw-r--r--", 0, "srv/a", False),
    ("srv/b", "-rw-r--r--", 10, "", True),
    ("srv/else", "hrw-r--r--", 0, "home/first", False),
    ("home/first", "-rw-r--r--", 20, "", False),
    ("srv/?", "-rw-r--r--", 10, "", False),
    ("srv/?", "-rw-r--r--", 30, "", False),
    ("srv", "drwxr-xr-x", 0, "", False),
)


def test_only_a_file_that_came_whole_is_beyond_doubt(tmp_path):
    proof = Proof.of(REPOSITORY, "archive", "/srv", damaged=False)
    assert proof.doubt("/srv/a", came(tmp_path, 10)) is None
    assert proof.doubt("/srv/a", came(tmp_path, 7)) == "7 of its 10 bytes came"
    assert proof.doubt("/srv/more", came(tmp_path, 7)) == "7 of its 10 bytes came"
    assert proof.doubt("/srv/else", came(tmp_path, 7)) == "7 of its 20 bytes came"
    assert proof.doubt("/srv/else", came(tmp_path, 20)) is None
    assert proof.doubt("/srv/unknown", came(tmp_path, 7)) == "the archive does not tell of it"
    # Names that are not UTF-8 the archive does not tell apart.
    assert proof.doubt("/srv/\udcff", came(tmp_path, 7)) is None
    assert proof.doubt("/srv", os.lstat(tmp_path)) is None


def test_what_a_repair_filled_with_zeros_takes_a_place_only_if_that_is_wanted(tmp_path):
    assert "zeros" in Proof.of(REPOSITORY, "archive", "/srv", damaged=False).doubt("/srv/b", came(tmp_path, 10))
    assert Proof.of(REPOSITORY, "archive", "/srv", damaged=True).doubt("/srv/b", came(tmp_path, 10)) is None


def test_too_little_room_is_told_before_anything_is_begun(tmp_path):
    opened = os.open(tmp_path, os.O_RDONLY)
    files = Files()
    files.sizes = {"srv/a/b/c": 10, "srv/d": 1 << 60}
    (tmp_path / "a").symlink_to("/proc")
    (told,) = room.lacking(opened, "/srv", files)
    assert told.startswith("1152921504606.8 MB are needed on the file system of /srv, and ")
    files.sizes["srv/d"] = 10
    assert list(room.lacking(opened, "/srv", files)) == []
