import pytest
from rootless_backup.drill import stage


@pytest.mark.parametrize(
    ("names", "want"),
    [(["a", "b", "c", "d"], [["d", "c"], ["d", "b"], ["d", "a"], ["d", "c"], ["d", "b"]]), (["a"], [["a"]] * 5), ([], [[]] * 5)],
)
def test_takes_the_newest_archive_each_time_and_each_older_one_in_its_turn(tmp_path, names, want):
    assert [stage.chosen(names, str(tmp_path / "turn")) for _ in range(5)] == want


def test_what_is_of_a_time_to_come_is_not_the_newest_and_has_its_turn_last(tmp_path):
    names = ["web-files-9999-01-01T00:00:00Z", "web-files-2026-01-01T00:00:00Z", "web-files-2026-01-02T00:00:00Z"]
    names += ["web-files-2026-01-03T00:00:00Z"]
    turns = [stage.chosen(names, str(tmp_path / "turn")) for _ in range(4)]
    assert [newest for newest, _older in turns] == [names[3]] * 4
    assert [older for _newest, older in turns] == [names[2], names[1], names[0], names[2]]


@pytest.mark.parametrize("content", [b"", b"\xff\0", b"gone\n"])
def test_a_damaged_turn_begins_anew(tmp_path, content):
    (tmp_path / "turn").write_bytes(content)
    assert stage.chosen(["a", "b", "c"], str(tmp_path / "turn"))[0] == "c"
    assert stage.chosen(["a", "b", "c"], str(tmp_path / "turn"))[1] in ("a", "b")
