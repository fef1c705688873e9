"""The numbers of accounts: the same for the same name, one for each, from the range."""

import importlib.util
import pathlib

import pytest

PATH = pathlib.Path(__file__).parents[2] / "plugins/plugin_utils/numbers.py"
spec = importlib.util.spec_from_file_location("numbers_of_accounts", PATH)
numbers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(numbers)

NAMES = ["host%d" % number for number in range(1000)]
RANGE = "70000-79999"


def test_a_thousand_hosts_have_a_number_each_within_the_range():
    given = numbers.allot(NAMES, [], RANGE)
    assert len(set(given.values())) == len(NAMES)
    assert all(70_000 <= number <= 79_999 for number in given.values())


def test_they_are_the_same_in_any_order_and_nearly_so_whoever_else_is_there():
    given = numbers.allot(NAMES, [], RANGE)
    assert numbers.allot(NAMES[::-1], [], RANGE) == given
    alone = {name: numbers.allot([name], [], RANGE)[name] for name in NAMES}
    assert sum(given[name] != alone[name] for name in NAMES) < 100


def test_one_that_is_taken_is_given_to_nobody():
    first = numbers.allot(["web"], [], RANGE)["web"]
    assert numbers.allot(["web"], [first], RANGE)["web"] == first + 1


def test_a_full_or_empty_range_is_told():
    assert sorted(numbers.allot(["a", "b", "c"], [], "70000-70002").values()) == [70_000, 70_001, 70_002]
    with pytest.raises(ValueError, match="are taken"):
        numbers.allot(["a", "b"], [], "70000-70000")
    with pytest.raises(ValueError, match="smaller than its first"):
        numbers.allot(["a"], [], "70001-70000")
