import pytest
from rootless_backup.drill import stage


@pytest.mark.parametrize(
    ("names", "want"),
    [(["a", "b", "c", "d"], [["d", "c"], ["d", "b"], ["d", "a"], ["d", "c"], ["d", "b"]]), (["a"], [["a"]] * 5), ([], [[]] * 5)],
)
def test_takes_the_newest_archive_each_time_and_each_older_one_in_its_turn(tmp_path, names, want):
    assert [stage.chosen(names, str(tmp_path / "turn")) for _ in range(5)] == want
