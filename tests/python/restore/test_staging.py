"""Names of a file that was copied once already."""

import os

from rootless_backup.restore.staging import linked_again


def test_a_file_is_linked_again_only_if_it_is_still_the_one_that_was_put_there(tmp_path):
    place, beside = tmp_path / "place", tmp_path / "beside"
    place.mkdir()
    beside.mkdir()
    (place / "file").write_text("root's")
    made = os.open(place / "file", os.O_PATH)
    first = os.open(place, os.O_PATH), "file", made
    there = os.open(beside, os.O_RDONLY)
    assert linked_again(first, there)
    os.unlink(beside / "copy")
    # However often it is exchanged: no other file gets the number of one that is open.
    for _ in range(100):
        os.unlink(place / "file")
        (place / "file").write_text("hers")
        assert not linked_again(first, there)
        assert not (beside / "copy").exists()
