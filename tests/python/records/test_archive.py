import collections

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
