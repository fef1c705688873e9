"""A clock that is set ahead or back lets no generation expire; neither is one kept for ever when it was."""

import json

import pytest
from rootless_backup import host
from rootless_backup.repository import clock

HOUR, DAY = 3600, 86_400
NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "REPOSITORY_STATE", str(tmp_path))
    return tmp_path


def stood(now, begun=NOW):
    count = clock.stood(now, lambda: begun)
    clock.note(now, count)
    return count


def test_time_that_goes_on_is_time():
    assert [stood(NOW + hour * HOUR) for hour in range(5)] == [NOW + hour * HOUR for hour in range(5)]


def test_a_year_in_which_nobody_looked_is_none():
    stood(NOW)
    assert stood(NOW + 365 * DAY) == NOW
    assert stood(NOW + 365 * DAY + HOUR) == NOW + HOUR


def test_a_clock_that_goes_ahead_and_back_makes_nothing_older_or_younger():
    stood(NOW)
    for now in (NOW + 365 * DAY, NOW + HOUR, NOW - 365 * DAY, NOW + 2 * HOUR):
        assert stood(now) == NOW
    assert stood(NOW + 3 * HOUR) == NOW + HOUR


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"last": "x", "stood": 1}', '{"last": null, "stood": null}'])
def test_what_cannot_be_read_goes_on_from_what_is_there(state, content):
    (state / "clock.json").write_text(content)
    assert stood(NOW, begun=NOW - 40 * DAY) == NOW - 40 * DAY
    assert json.loads((state / "clock.json").read_text()) == {"last": NOW, "stood": NOW - 40 * DAY}
