"""The server tells of silence, of sizes that change unlike themselves, and of room that ends, and of nothing else."""

import json

import pytest
from rootless_backup import host
from rootless_backup.figures import DAY
from rootless_backup.repository import judge, seen

NOW = 1_800_000_000.0
EACH = {
    "name": "web",
    "account": "repo70000",
    "uid": 70000,
    "home": "/srv/x/repo70000",
    "quota": "10G",
    "line": "command=…",
    "alert_after": 36,
}
TOLD = {"accounts": [EACH], "most": "", "undelete_days": 30}


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "REPOSITORY_STATE", str(tmp_path))
    (tmp_path / "seen").mkdir()
    return tmp_path


def texts(each=EACH, told=TOLD, **found):
    state = {**seen.nothing(NOW - 10 * DAY), "changed": NOW - 3600, **found}
    return [problem.text for problem in judge.of_machine({**EACH, **each}, state, told, NOW)]


def test_of_a_machine_that_saves_nothing_is_told():
    assert texts(live=1_000_000_000) == []


def test_a_machine_that_saves_no_more_is_told_but_not_one_that_may_not_come_in_or_is_often_off():
    assert "saved nothing for longer than 36 hours, last 2027-01-13" in texts(changed=NOW - 37 * 3600)[0]
    assert "nor ever since" in texts(changed=0)[0]
    assert texts(each={"alert_after": 0}, changed=0) == []
    assert texts(each={"line": ""}, changed=0) == []
    assert texts(changed=NOW + 3600) == []
    # A clock that was set back says nothing of an age.
    assert len(texts(changed=NOW + 2 * DAY)) == 1


def test_one_whose_repository_lost_more_than_a_third_within_a_week_is_told():
    before = [[NOW - 2 * DAY, 9e8, 0]]
    assert texts(live=6.1e8, samples=before) == []
    assert "shrank from 900.0 MB to 590.0 MB within 7 days" in texts(live=5.9e8, samples=before)[0]
    assert texts(live=5.9e8, samples=[[NOW - 8 * DAY, 9e8, 0]]) == []
    assert texts(live=0, samples=[[NOW - DAY, 9e5, 0]]) == []


def grown(*days):
    total, samples = 5e10, [[NOW - (len(days) + 1) * DAY, 5e10, 0]]
    for number, each in enumerate(days):
        total += each
        samples.append([NOW - (len(days) - number) * DAY, total, 0])
    return {"samples": samples, "live": total}


def test_one_that_grows_unlike_itself_is_told():
    free = {"each": {"quota": ""}}
    assert texts(**free, **grown(*[1e9] * 7, 4.9e9)) == []
    assert "grew by 6.0 GB within a day, 6 times as much" in texts(**free, **grown(*[1e9] * 7, 6e9))[0]
    # Not known for long enough; once before it grew so.
    assert texts(**free, **grown(1e9, 1e9, 6e9)) == []
    assert texts(**free, **grown(*[1e9] * 6, 5e9, 6e9)) == []


def test_one_that_never_grew_before_is_told_with_a_number_that_can_be_read():
    free = {"each": {"quota": ""}}
    (line,) = texts(**free, **grown(*[0] * 8, 4e9))
    assert "grew by 4.0 GB within a day, 20 times as much" in line
    assert texts(**free, **grown(*[0] * 8, 0.9e9)) == []


def test_what_came_while_nobody_looked_did_not_come_within_a_day():
    free = {"each": {"quota": ""}}
    samples = [[NOW - day * DAY, 5e10 + (40 - day) * 1e9, 0] for day in range(40, 30, -1)]
    total = samples[-1][1]
    assert texts(**free, samples=[*samples, [NOW, total + 30e9, 0]], live=total + 30e9) == []
    # Nor is as much usual then.
    after = [*samples, [NOW - 2 * DAY, total + 29e9, 0], [NOW - DAY, total + 30e9, 0], [NOW, total + 37e9, 0]]
    assert "grew by 7.0 GB within a day, 7 times as much" in texts(**free, samples=after, live=total + 37e9)[0]


def test_room_that_is_nearly_used_is_told_while_more_than_it_is_refused():
    assert texts(live=8.9e9) == []
    assert "it takes 9.5 GB of 10G (repository_quota)" in texts(live=9.5e9)[0]
    assert "it takes 9.5 GB of 10G (repository_most)" in texts(each={"quota": ""}, told={**TOLD, "most": "10G"}, live=5e9, held=4.5e9)[0]


def test_what_was_wrong_when_generations_were_made_is_told():
    assert texts(troubles=["no generation was made: x"], refused="it takes too much") == [
        "web: no generation was made: x",
        "web: it takes too much",
    ]


def of_server(state, samples):
    if samples is not None:
        (state / "room.json").write_text(json.dumps(samples))
    return [problem.text for problem in judge.of_server(TOLD, NOW)]


def test_a_disk_that_will_be_full_and_a_keeper_that_is_gone_are_told(state):
    total = 1e12
    assert of_server(state, [[NOW - 60, 5e11, total]]) == []
    assert "the disk of /srv/x is nearly full: 10.0 GB are free." in of_server(state, [[NOW, 1e10, total]])
    filling = [[NOW - day * DAY, 1e11 + day * 2e10, total] for day in (4, 3, 2, 1, 0)]
    assert "will be full in 5 days" in of_server(state, filling)[0]
    assert "nothing of what is deleted was kept since" in of_server(state, [[NOW - 8 * 3600, 5e11, total]])[0]


def test_before_anything_was_looked_at_that_is_told(state):
    assert of_server(state, None) == ["nothing of what is deleted was kept yet."]


def test_what_cannot_be_read_counts_for_nothing(state):
    (state / "room.json").write_text("[[1]]")
    (state / "seen/repo70000.json").write_text("[]")
    assert seen.disk() == []
    assert seen.read(EACH) is None


def test_of_each_day_the_last_size_is_kept():
    state = seen.nothing(NOW)
    for hour in range(0, 49, 12):
        state = seen.sampled({**state, "live": hour}, NOW + hour * 3600)
    assert [live for _when, live, _held in state["samples"]] == sorted({live for _when, live, _held in state["samples"]})
    assert len(state["samples"]) in (2, 3)
    assert seen.sampled(state, NOW + 48 * 3600 + 1) == state


def test_whatever_is_wrong_with_a_machine_it_is_said_what_to_do():
    state = {
        **seen.nothing(NOW - 10 * DAY),
        "changed": NOW - 3600,
        "troubles": ["no generation was made: x"],
        "refused": "it takes too much",
    }
    problems = list(judge.of_machine(EACH, state, TOLD, NOW))
    assert len(problems) == 2
    assert all("`repositoryctl list web`" in problem.remedies[0] for problem in problems)
