"""What a unit found that looks every hour is told once a day, and at once when it is something else."""

import pytest
from rootless_backup import host
from rootless_backup.figures import DAY
from rootless_backup.records import room
from rootless_backup.report import state
from rootless_backup.report.run import Run

NAME = host.REPOSITORY_WATCH


@pytest.fixture
def known(tmp_path, monkeypatch):
    monkeypatch.setattr(state.status, "STATUS", str(tmp_path / "status.json"))
    return state.State()


def run(*errors, name=NAME):
    return Run(name, "exit-code", "0" * 32, errors=list(errors))


def told(known, each):
    known.record(each)
    known.told_of(each)


def test_the_same_is_repeated_whatever_its_figures_are(known):
    assert not known.is_repeated(run("web1: saved nothing for longer than 36 hours, 37 hours ago"))
    told(known, run("web1: saved nothing for longer than 36 hours, 37 hours ago", "web2: it takes 9.5 GB of 10G"))
    assert known.is_repeated(run("web2: it takes 9.6 GB of 10G", "web1: saved nothing for longer than 36 hours, 38 hours ago"))


def test_the_same_is_repeated_whatever_units_its_figures_have(known):
    told(
        known,
        run("web1: saved nothing for longer than 36 hours, last 2027-01-13 08:00:00 UTC, 47 hours ago.", "web2: it takes 999.9 MB of 1G"),
    )
    again = run("web1: saved nothing for longer than 36 hours, last 2027-01-13 08:00:00 UTC, 2 days ago.", "web2: it takes 1.0 GB of 1G")
    assert known.is_repeated(again)


def test_what_is_of_no_machine_is_repeated_whatever_its_figures_are(known):
    now = 1_800_000_000.0

    def filling(hours):
        free = [1e12 - 1e11 * day for day in range(10)]
        samples = [[now + day * DAY, left, 2e12] for day, left in enumerate(free)]
        return [
            line + "." for line in room.warnings({"/srv/x": room.taken(samples, [samples[-1][0] + hours * 3600, 1e11 - 1e9 * hours, 2e12])})
        ]

    first, second = filling(1), filling(20)
    assert first != second
    assert "will be full in" in first[0]
    told(known, run(*first))
    assert known.is_repeated(run(*second))
    nearly = [line + "." for line in room.warnings({"/srv/x": [[now, 1e9, 2e12]]})]
    assert not known.is_repeated(run(*nearly))
    told(known, run(*nearly))
    assert known.is_repeated(run(*(line + "." for line in room.warnings({"/srv/x": [[now, 9e8, 2e12]]}))))


def test_of_another_machine_or_of_less_it_is_another(known):
    told(known, run("web1: saved nothing for longer than 36 hours"))
    assert not known.is_repeated(run("web2: saved nothing for longer than 36 hours"))
    assert not known.is_repeated(run("web1: saved nothing for longer than 36 hours", "web2: saved nothing for longer than 36 hours"))
    known.record(run("web2: saved nothing for longer than 36 hours"))
    assert known.is_repeated(run("web1: saved nothing for longer than 36 hours")), "what was not told does not count"


def test_after_a_day_it_is_told_again_and_after_a_good_run_at_once(known, monkeypatch):
    each = run("web1: saved nothing for longer than 36 hours")
    told(known, each)
    now = state.time.time()
    monkeypatch.setattr(state.time, "time", lambda: now + 86_401)
    assert not known.is_repeated(each)
    monkeypatch.setattr(state.time, "time", lambda: now)
    known.record(Run(NAME, "success", "1" * 32))
    assert not known.is_repeated(each)


@pytest.mark.parametrize(("load_state", "there"), [("not-found", False), ("loaded", True), ("", True)])
def test_a_watch_that_was_taken_away_while_it_failed_is_forgotten(known, tmp_path, monkeypatch, load_state, there):
    monkeypatch.setattr(state, "STATE", str(tmp_path))
    monkeypatch.setattr(state.systemd, "show_or_nothing", lambda _unit, *names: dict.fromkeys(names, load_state))
    monkeypatch.setattr(state.systemd, "next_elapse", lambda _timer: None)
    monkeypatch.setattr(state.history, "keep", lambda _run: None)
    known.record(run("web1: saved nothing for longer than 36 hours"))
    known.record(Run("backup-check", "success", "1" * 32))
    assert known.keep({"host": "store", "alert_after": 36}) == ""
    assert (NAME in state.State().known["units"], "backup-check" in state.State().known["units"]) == (there, True)
    assert ('unit="%s"' % NAME in (tmp_path / "backup.prom").read_text()) == there


def test_a_backup_that_fails_is_told_each_time(known):
    told(known, run("web1: x", name="backup"))
    assert not known.is_repeated(run("web1: x", name="backup"))
