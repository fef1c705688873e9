import pytest
from rootless_backup.records import room

DAY = 86_400
GB = 10**9


@pytest.mark.parametrize(
    ("samples", "want"),
    [
        ([[0, 50 * GB, 100 * GB]], None),
        ([[0, 50 * GB, 100 * GB], [10 * DAY, 40 * GB, 100 * GB]], 40),
        ([[0, 40 * GB, 100 * GB], [10 * DAY, 50 * GB, 100 * GB]], None),
        # Another disk.
        ([[0, 90 * GB, 200 * GB], [10 * DAY, 40 * GB, 100 * GB]], None),
    ],
)
def test_reckons_when_the_room_ends(samples, want):
    assert room.days_left(samples) == want


def test_tells_in_time_and_not_before():
    def told(free):
        return list(room.warnings({"/mnt": [[0, 50 * GB, 100 * GB], [10 * DAY, free, 100 * GB]]}))

    assert told(35 * GB) == []
    assert told(25 * GB) == ["the disk of /mnt will be full in 10 days if it goes on like this; 25.0 GB are free"]
    assert list(room.warnings({"/mnt": [[0, GB, 100 * GB]]})) == ["the disk of /mnt is nearly full: 1.0 GB are free"]


def test_keeps_a_sample_a_day_and_none_of_a_time_to_come():
    samples = []
    for hour in range(0, 24 * 60, 6):
        samples = room.taken(samples, [hour * 3600, 1, 2])
    assert len(samples) <= room.LOOKED_AT + 1
    assert room.taken(samples, [5 * DAY, 1, 2])[-1][0] == 5 * DAY
    assert all(each[0] <= 5 * DAY for each in room.taken(samples, [5 * DAY, 1, 2]))
