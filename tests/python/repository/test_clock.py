"""A clock that is set ahead lets no generation expire; neither is one kept for ever when it was."""

import pytest
from rootless_backup import host
from rootless_backup.repository import clock

HOUR, DAY = 3600, 86_400
NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "REPOSITORY_STATE", str(tmp_path))
    return tmp_path


def test_time_that_goes_on_is_time():
    assert [clock.unaccounted(NOW + hour * HOUR, 30) for hour in range(5)] == [0] * 5


def test_a_year_that_nobody_looked_at_counts_for_nothing_until_it_is_forgotten():
    clock.unaccounted(NOW, 2)
    assert clock.unaccounted(NOW + 365 * DAY, 2) == 365 * DAY
    for hour in range(1, 48):
        assert clock.unaccounted(NOW + 365 * DAY + hour * HOUR, 2) == 365 * DAY
    assert clock.unaccounted(NOW + 367 * DAY, 2) == 0


def test_a_clock_that_is_set_right_again_is_as_before():
    clock.unaccounted(NOW, 30)
    clock.unaccounted(NOW + 365 * DAY, 30)
    assert clock.unaccounted(NOW + HOUR, 30) == HOUR


def test_what_cannot_be_read_is_begun_anew(state):
    (state / "clock.json").write_text("{")
    assert clock.unaccounted(NOW, 30) == 0
