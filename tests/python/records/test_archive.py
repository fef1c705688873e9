import collections
import time

import pytest
from rootless_backup.records import archive


def test_a_sample_gives_all_that_is_offered_the_same_chance():
    counts = collections.Counter()
    for _ in range(3000):
        sample = archive.Sample(3)
        for number in range(10):
            sample.offer(number)
        counts.update(sample.taken)
    assert sum(counts.values()) == 9000
    for number in range(10):
        assert abs(counts[number] - 900) < 150


@pytest.mark.parametrize(("ahead", "days_back", "taken"), [(1, 0, True), (-60, 0, False), (-60, 10, True)])
def test_takes_only_files_that_did_not_change_since_also_where_the_clock_was_set_back(tmp_path, monkeypatch, ahead, days_back, taken):
    (tmp_path / "file").write_text("text")
    now = time.time() - days_back * 86_400
    monkeypatch.setattr(archive.time, "time", lambda: now)
    assert bool(archive.checksums([str(tmp_path)], [], 1, now + ahead)) == taken
