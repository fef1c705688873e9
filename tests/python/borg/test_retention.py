"""Borg is made to keep what it should, by archives as it would list them."""

import fnmatch
import json
import types

import pytest
from rootless_backup import engine
from rootless_backup.borg import policy, retention

NOW = "2026-01-31T02:00:00Z"
KEEP = {"daily": 3, "weekly": 2, "monthly": 1}


class Borg:
    """Lists, prunes and deletes by times, as Borg 1.2 and 1.4 do."""

    def __init__(self, names):
        self.names, self.calls = names, []

    def __call__(self, _repository, command, *arguments):
        self.calls.append(command)
        if command == "list":
            pattern = arguments[arguments.index("--glob-archives") + 1]
            shown = [name for name in self.names if (".checkpoint" in name) == ("--consider-checkpoints" in arguments)]
            shown = fnmatch.filter(shown, pattern)
            found = [{"name": name, "start": engine.time_of(name.partition(".checkpoint")[0])[:-1]} for name in shown]
            return types.SimpleNamespace(ok=True, output=json.dumps({"archives": found}))
        if command == "delete":
            first, *rest = arguments
            assert first.startswith("/repository::")
            self.names = [name for name in self.names if name not in (first.partition("::")[2], *rest)]
            return types.SimpleNamespace(ok=True)
        here = sorted(fnmatch.filter(self.names, arguments[arguments.index("--glob-archives") + 1]), key=engine.time_of, reverse=True)
        kept = set()
        for rule in KEEP:
            oldest = None
            count = int(next(each for each in arguments if each.startswith("--keep-%s=" % rule)).partition("=")[2])
            taken, last = 0, None
            for name in here:
                oldest = name
                period = retention.period_of(rule, engine.time_of(name)[:-1])
                if period != last and taken < count:
                    last = period
                    if name not in kept:
                        kept.add(name)
                        taken += 1
                if taken == count:
                    break
            # The oldest one, as long as there are fewer.
            if taken < count and oldest:
                kept.add(oldest)
        dry = "--dry-run" in arguments
        if not dry:
            self.names = [name for name in self.names if name not in here or name in kept]
        verbs = [("Keeping" if name in kept else "Would" if dry else "Pruning", name) for name in here]
        return types.SimpleNamespace(ok=True, pruned=verbs)


class Voice:
    def __init__(self):
        self.told = []

    def note(self, text, **fields):
        self.told.append((text, *fields))

    def warning(self, text):
        self.told.append((text,))


def named(*days, series="files"):
    return ["web-%s-%s" % (series, day if "T" in day else day + "T02:00:00Z") for day in days]


@pytest.fixture
def pruned(monkeypatch):
    def prune(names, keep=KEEP, now=NOW, spare=()):
        monkeypatch.setattr(engine, "is_to_come", lambda name: engine.time_of(name) > now)
        borg, voice = Borg(names), Voice()
        monkeypatch.setattr(retention, "borg", borg)
        monkeypatch.setattr(retention.records, "names", lambda _location: names)
        monkeypatch.setattr(policy, "by_hand", lambda _repository: "backup-borg")
        repository = types.SimpleNamespace(
            location="/repository",
            voice=voice,
            names=lambda series, _incomplete: engine.name_of("web", series, engine.UTC_SECONDS),
            named=lambda archive: "/repository::" + archive,
        )
        ok, kept = retention.prune(repository, keep, spare=spare)
        assert sorted(kept) == sorted(name for name in borg.names if ".checkpoint" not in name)
        return ok, kept, voice.told, borg.calls

    return prune


def test_where_the_clock_is_right_nothing_more_is_asked(pruned):
    names = named("2026-01-27", "2026-01-28", "2026-01-29", "2026-01-30", "2026-01-31")
    ok, kept, told, calls = pruned(names)
    assert (ok, told, calls) == (True, [], ["prune", "prune"])
    assert set(names[2:]) <= set(kept)


def test_what_is_of_a_time_to_come_takes_no_place_of_the_others(pruned):
    later = named("2027-01-01", "2027-01-02", "2027-03-01", "2031-01-01")
    names = named("2026-01-28", "2026-01-29", "2026-01-30", "2026-01-31")
    without = pruned(names)[1]
    ok, kept, told, _calls = pruned(later + names)
    assert (ok, set(kept)) == (True, {*later, *without})
    assert [(len(each), each[1:]) for each in told] == [(2, ("BACKUP_MIND",))]
    assert later[-1] in told[0][0]


def test_a_clock_that_is_back_costs_nothing_but_what_is_made_under_it(pruned):
    """All that was saved is of a time to come then, and what is saved now stays."""
    known = named("2026-01-10", "2026-01-20", "2026-01-30", "2026-01-31")
    new = named("2000-01-01T00:05:00Z")
    ok, kept, _told, _calls = pruned(known + new, now="2000-01-01T00:05:00Z")
    assert (ok, set(kept)) == (True, {*known, *new})


def test_the_newest_stays_where_a_clock_was_ahead_by_hours_and_no_rule_would_keep_it(pruned):
    names = named("2026-01-31T01:00:00Z", "2026-01-31T02:00:00Z", "2026-01-31T09:00:00Z")
    ok, kept, told, _calls = pruned(names)
    assert (ok, set(kept), len(told)) == (True, set(names), 2)
    assert "no archive of the files is forgotten in this run" in told[1][0]


def test_what_is_to_stay_does_and_all_else_is_forgotten_as_borg_would(pruned):
    names = named(
        *("2025-%02d-%02dT%02d:00:00Z" % (month, day, hour) for month in (10, 11, 12) for day in (1, 9, 17, 30) for hour in (1, 2))
    )
    without = pruned(names)[1]
    spare = next(name for name in names if name not in without)
    ok, kept, told, calls = pruned(names, spare=[spare, "web-files-2020-01-01T00:00:00Z"])
    assert (ok, set(kept), told) == (True, {spare, *without}, [])
    assert calls == ["list", "list", "delete", "prune"]


@pytest.mark.parametrize("count", [0, 1])
def test_where_all_stays_nothing_is_deleted_least_of_all_a_repository(pruned, count):
    names = named("2026-01-30")[:count]
    assert pruned(names, spare=named("2026-01-30"))[1:] == (names, [], ["list", "list", "prune"])


def test_what_a_killed_run_left_goes_once_there_is_a_later_archive(pruned, monkeypatch):
    left = [name + ".checkpoint" for name in named("2026-01-29T01:00:00Z", "2026-01-30T03:00:00Z")]
    names = named("2026-01-29T02:00:00Z", "2026-01-30T02:00:00Z")
    dropped = []
    monkeypatch.setattr(retention, "drop", lambda _repository, names: not dropped.append(names))
    assert set(pruned(names + left, spare=names[:1])[1]) == set(names)
    assert dropped == [left[:1]]


@pytest.mark.parametrize(
    ("keep", "later", "want"),
    [
        ({"daily": 7, "weekly": 4}, ["2031-01-01T01:00:00", "2031-01-01T09:00:00", "2031-01-02T01:00:00"], {"daily": 9, "weekly": 4}),
        ({"daily": 0, "weekly": 4}, ["2031-01-01T01:00:00", "2031-01-02T09:00:00", "2031-01-09T01:00:00"], {"daily": 0, "weekly": 6}),
        ({"daily": 0, "weekly": 0, "monthly": 2}, ["2031-01-01T01:00:00", "2031-02-02T09:00:00"], {"daily": 0, "weekly": 0, "monthly": 4}),
        ({"last": 7}, ["2031-01-01T01:00:00", "2031-01-01T01:00:01"], {"last": 9}),
        ({"last": 7}, [], {"last": 7}),
        ({"daily": 0}, ["2031-01-01T01:00:00"], {"daily": 0}),
    ],
)
def test_places_of_their_own_are_those_of_the_finest_rule(keep, later, want):
    assert retention.beside(keep, later) == want
