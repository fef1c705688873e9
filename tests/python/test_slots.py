"""A thousand machines start evenly over a window, whatever machines come and go, and each keeps its time."""

import importlib.util
import itertools
import pathlib
import random

import pytest

PATH = pathlib.Path(__file__).parents[2] / "plugins/plugin_utils/slots.py"
spec = importlib.util.spec_from_file_location("slots", PATH)
slots = importlib.util.module_from_spec(spec)
spec.loader.exec_module(slots)

HOURS, MINUTES = 8 * 3600, 600


def peak_to_mean(positions, seconds):
    """Of sessions that last so long, in a window of eight hours; the mean is that of the time in which any can run."""
    starts = [each * HOURS for each in positions]
    events = sorted(itertools.chain(((at, 1) for at in starts), ((at + seconds, -1) for at in starts)))
    running = peak = 0
    for _at, more in events:
        running += more
        peak = max(peak, running)
    return peak / (len(starts) * seconds / (HOURS + seconds))


def allotted(accounts):
    """Gives a slot to each that has none, as the control node does."""
    for each, slot in zip([each for each in accounts if "slot" not in each], slots.free(accounts)):
        each["slot"] = slot
    return [slots.position(each["slot"]) for each in accounts]


def test_a_thousand_sessions_at_their_peak_are_no_more_than_half_as_many_again_as_on_average():
    ratio = peak_to_mean(allotted([{} for _number in range(1000)]), MINUTES)
    print("peak/mean of 1000 sessions of 10 minutes in 8 hours: %.2f" % ratio)
    assert ratio <= 1.1
    # By chance it would be more.
    assert peak_to_mean([slots.by_name("web%d" % number) for number in range(1000)], MINUTES) > 1.3


def test_they_stay_even_and_where_they_are_when_a_tenth_goes_and_others_come():
    chance = random.Random(1)
    accounts = [{"name": number} for number in range(1000)]
    allotted(accounts)
    stay = chance.sample(accounts, 900)
    before = {each["name"]: each["slot"] for each in stay}
    assert peak_to_mean([slots.position(each["slot"]) for each in stay], MINUTES) <= 1.5
    new = stay + [{"name": 2000 + number} for number in range(100)]
    assert peak_to_mean(allotted(new), MINUTES) <= 1.1
    assert {each["name"]: each["slot"] for each in new if each["name"] < 2000} == before


@pytest.mark.parametrize(
    ("window", "where", "at"),
    [
        ("22:00-06:00", 0, "22:00:00"),
        ("22:00-06:00", 0.5, "02:00:00"),
        ("22:00-06:00", 0.999999, "05:59:59"),
        ("01:00-03:30", 0.2, "01:30:00"),
        ("03:00-03:00", 0.5, "15:00:00"),
    ],
)
def test_a_window_may_go_over_midnight(window, where, at):
    assert slots.start(window, where) == at
