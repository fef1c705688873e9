"""The server's own check begins where the server says, comes to every machine, and is one at a time."""

import os

import pytest
from rootless_backup import host
from rootless_backup.repository import checking, generations

NOW = 1_800_000_000.0


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "data/0").mkdir(parents=True)
    (tmp_path / "data/0/1").write_bytes(b"segment")
    return tmp_path


@pytest.mark.parametrize(
    "config",
    [
        "[repository]\nlast_segment_checked = 999999\n",
        "[DEFAULT]\nlast_segment_checked = 999999\n[repository]\nversion = 1\n",
        "[DEFAULT]\nLast_Segment_Checked: 999999\n[repository]\nlast_segment_checked = 888888\n",
    ],
)
def test_where_it_begins_the_machine_does_not_say(tree, config):
    (tree / "config").write_text(config)
    checking.give(str(tree), os.getuid(), -1)
    assert checking.reached(str(tree)) == -1
    checking.give(str(tree), os.getuid(), 5)
    assert checking.reached(str(tree)) == 5


@pytest.fixture
def told(tmp_path, monkeypatch):
    (tmp_path / "seen").mkdir()
    monkeypatch.setattr(host, "REPOSITORY_STATE", str(tmp_path))
    monkeypatch.setattr(generations, "names", lambda _directory: ["2027-01-01T00-00-00Z"])
    machines = [{"name": name, "account": name, "uid": 70000, "home": "/srv/x/" + name} for name in ("app", "db", "web")]
    return {"accounts": machines, "check_duration": 10}


def test_one_that_never_comes_to_its_end_does_not_take_the_turn_of_the_others(told, monkeypatch):
    days, turns = [NOW], []
    monkeypatch.setattr(checking.time, "time", lambda: days[0])
    clock = [0.0]
    monkeypatch.setattr(checking.time, "monotonic", lambda: clock[0])

    def endless(machine, _name, seconds):
        turns.append(machine["name"])
        clock[0] += seconds
        return {**checking.read(machine), "segment": 1}

    monkeypatch.setattr(checking, "check_one", endless)
    for _day in range(6):
        assert checking.check(told)
        days[0] += 86_400
    assert turns == ["app", "db", "web"] * 2


def test_one_that_ends_the_check_itself_had_its_turn_and_a_turn_of_a_time_to_come_counts_for_nothing(told, monkeypatch):
    def killed(*_given):
        raise KeyboardInterrupt

    monkeypatch.setattr(checking.time, "time", lambda: NOW)
    monkeypatch.setattr(checking, "check_one", killed)
    with pytest.raises(KeyboardInterrupt):
        checking.check(told)
    assert [machine["name"] for machine in checking.in_turn(told["accounts"], NOW)] == ["db", "web", "app"]
    assert [machine["name"] for machine in checking.in_turn(told["accounts"], NOW - 1)] == ["app", "db", "web"]


def test_a_second_check_at_the_same_time_says_so_and_spoils_nothing(told, monkeypatch, capsys):
    monkeypatch.setattr(checking, "check_one", lambda *_given: 1 / 0)
    with checking.alone() as is_alone:
        assert is_alone
        assert checking.check(told)
    assert "Another check is at work" in capsys.readouterr().out
    assert not os.listdir(os.path.join(host.REPOSITORY_STATE, "seen"))
    assert not checking.check(told)
