"""What a machine answers of its backups, and what the control node takes of an answer."""

import importlib.util
import json
import os
import pathlib
import re
import sys
import types

import pytest
from rootless_backup import host
from rootless_backup.records import status

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"
NOW = 1_790_000_000


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


asked = loaded(PLUGINS / "modules/fleet.py")
name = "ansible_collections.rootless.backup.plugins.plugin_utils"
sys.modules[name] = types.SimpleNamespace(answer=loaded(PLUGINS / "plugin_utils/answer.py"))
taken = loaded(PLUGINS / "plugin_utils/fleet.py")
del sys.modules[name]

ARCHIVE = {"repository": "/r", "name": "a", "series": "files", "files": 9, "original_size": 900, "deduplicated_size": 90, "seconds": 1.5}
ENTRY = {
    "result": "success", "started": NOW - 9.5, "finished": NOW + 0.5, "last_good": NOW + 0.5, "failing_since": None, "failures": 0,
    "failed": [], "advice": [], "optional_failures": [], "troubles": [], "warnings": [], "archives": [ARCHIVE],
    "hooks": [{"unit": "backup-wiki.service", "result": "success", "required": True}],
}  # fmt: skip
KNOWN = {
    "units": {"backup": ENTRY, "backup-check": {**ENTRY, "archives": [], "hooks": []}},
    "repositories": {"/r": ["a", "b"]}, "room": {"/r": [[NOW, 5, 10]]}, "version": "0.1.0", "alert_after": 36, "host": "web",
}  # fmt: skip


TIMER = {"LoadState": "loaded", "ActiveState": "active", "NextElapseUSecRealtime": "Mon 2026-09-21 14:14:20 UTC"}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Lays down what the report keeps."""
    monkeypatch.setattr(asked, "STATUS", str(tmp_path / "status.json"))
    monkeypatch.setattr(asked, "HISTORY", str(tmp_path / "history.jsonl"))
    monkeypatch.setattr(asked, "REPOSITORYCTL", str(tmp_path / "repositoryctl"))
    monkeypatch.setattr(asked, "ask_systemd", lambda: {"backup.timer": TIMER})

    def keep(known, lines=()):
        (tmp_path / "status.json").write_text(known if isinstance(known, str) else json.dumps(known), encoding="utf-8")
        (tmp_path / "history.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))

    return keep


def run(number, unit="backup", result="success"):
    point = {"unit": unit, "result": result, "started": NOW, "finished": NOW + number, "original_size": 10, "deduplicated_size": 1}
    return json.dumps(point).encode()


def test_knows_the_paths_and_the_tasks_that_the_programs_know():
    assert (asked.STATUS, asked.HISTORY, asked.REPOSITORYCTL) == (host.STATUS, host.HISTORY, host.REPOSITORYCTL)
    assert {**{each: each for each in host.TASKS.values()}, **host.FORMER_TASKS} == asked.TASKS
    assert tuple(host.TASKS.values()) == taken.TASKS
    assert set(asked.UNITS) == set(taken.UNITS)


def test_tells_what_is_recorded_and_it_arrives(kept):
    assert status.KNOWN(KNOWN)
    kept(KNOWN, [run(1), run(2, "backup-check"), b"spoiled", run(3, result="exit-code")])
    found = taken.of_machine(asked.answer())
    assert found["units"]["backup"]["archives"] == [["/r", "a", 9, 900, 90]]
    assert found["units"]["backup"]["hooks"] == [["backup-wiki.service", "success", True]]
    assert (found["units"]["backup"]["last_good"], found["units"]["backup"]["failing_since"]) == (NOW, 0)
    assert (found["repositories"], found["room"], found["history"]) == (
        {"/r": 2}, {"/r": [5, 10]}, [[NOW + 1, 1, 1, 10, 1], [NOW + 3, 0, 3, 10, 1]],
    )  # fmt: skip
    assert (found["reached"], found["known"], found["trouble"], found["cut"], found["next_run"]) == (True, True, "", False, NOW + 60)


def test_tells_at_most_4_kb_and_that_there_is_more(kept):
    entry = dict(ENTRY, hooks=ENTRY["hooks"] * 500, archives=[dict(ARCHIVE, name="\U0001f4be" * 900)] * 50)
    entry.update({key: ["\u202e\U0001f4be<script>" * 40] * 90 for key in ("failed", "advice", "optional_failures", "troubles", "warnings")})
    kept({**KNOWN, "units": dict.fromkeys(("backup", "backup-check", "backup-drill"), entry)}, [run(each) for each in range(400)])
    said = asked.answer()
    assert len(json.dumps(said)) <= 4096
    assert (said["known"], said["cut"]) == (True, True)
    kept({**KNOWN, "units": {"backup": dict(ENTRY, warnings=["w"] * 21)}})
    assert asked.answer()["cut"]


def test_thirty_runs_and_an_ordinary_record_are_told_whole(kept):
    kept(KNOWN, [run(each) for each in range(400)])
    said = asked.answer()
    assert (len(said["history"]), said["history"][-1][0], said["cut"]) == (30, NOW + 399, False)


def test_of_a_text_each_line_is_one(kept):
    kept({**KNOWN, "units": {"backup": dict(ENTRY, failed=["one\ntwo", "three"])}})
    assert taken.of_machine(asked.answer())["units"]["backup"]["failed"] == ["one", "two", "three"]
    kept({**KNOWN, "units": {"backup": dict(ENTRY, failed=["line\n" * 30])}})
    assert asked.answer()["cut"]


def test_a_run_that_failed_and_that_no_report_knows_is_told(kept, monkeypatch):
    kept({**KNOWN, "units": {"backup": dict(ENTRY, invocation="one")}})

    def found(**more):
        service = {"LoadState": "loaded", "ActiveState": "failed", "Result": "exit-code", "InvocationID": "two", **more}
        monkeypatch.setattr(asked, "ask_systemd", lambda: {"backup.service": service, "backup.timer": TIMER})
        return taken.of_machine(asked.answer())["unreported"]

    assert found() == {"backup": "exit-code"}
    assert found(InvocationID="one") == found(Result="success") == found(ActiveState="activating") == found(InvocationID="") == {}
    kept("spoiled")
    assert found() == {"backup": "exit-code"}
    # An older version does not say which run it knows.
    kept(KNOWN)
    assert found() == {}


def test_a_unit_that_is_not_there_is_told_and_a_restore_test_that_is_not_wanted_is_not(kept, monkeypatch):
    kept(KNOWN)
    drill = {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "enabled"}
    units = {"backup.timer": {"LoadState": "not-found", "ActiveState": "inactive"}, "backup-drill.timer": drill}
    monkeypatch.setattr(asked, "ask_systemd", lambda: units)
    assert taken.of_machine(asked.answer())["live"] == {"backup.timer": "not-found", "backup-drill.timer": "inactive"}
    drill["UnitFileState"] = "disabled"
    found = taken.of_machine(asked.answer())
    assert (found["live"], found["next_run"]) == ({"backup.timer": "not-found"}, 0)


CLIENT = {
    "name": "web", "account": "repo30000", "state": "present", "quota": "", "changed": NOW - 0.5, "live_bytes": 9, "held_bytes": 4,
    "refused": "", "alert_after": 36, "generations": ["2026-09-20T02-30-00Z", "2026-09-21T02-30-00Z"],
}  # fmt: skip
NEW = {**CLIENT, "name": "db", "changed": None, "live_bytes": None, "held_bytes": None, "generations": [], "state": "absent"}
PROBLEM = {"client": "web", "text": "web: it is silent", "remedies": ["Look."]}


@pytest.fixture
def server(kept, tmp_path):
    """Makes the machine a server that answers so."""

    def answers(text, code=0, error=""):
        (tmp_path / "said").write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        program = tmp_path / "repositoryctl"
        program.write_text('#!/bin/sh\n[ "$*" = "status --json" ] && cat %s/said; echo "%s" >&2; exit %d\n' % (tmp_path, error, code))
        program.chmod(0o755)
        kept(KNOWN)
        return asked.answer()["server"]

    return answers


@pytest.mark.skipif(os.geteuid() != 0, reason="repositoryctl is for root")
@pytest.mark.parametrize("form", [lambda clients: clients, lambda clients: {"format": 1, "clients": clients, "more": [{}]}])
def test_a_server_tells_of_the_machines_that_save_to_it(server, form):
    said = taken.of_server(server(form([CLIENT, NEW])))
    assert said["clients"] == [
        ["web", "present", NOW - 1, 9, 4, 2, 1_789_957_800, "", 36, False], ["db", "absent", 0, 0, 0, 0, 0, "", 36, False],
    ]  # fmt: skip
    assert (said["trouble"], said["judged"], said["problems"], said["remembered"]) == ("", False, [], False)


@pytest.mark.skipif(os.geteuid() != 0, reason="repositoryctl is for root")
def test_a_server_that_judges_itself_is_read_and_its_exit_code_is_no_failure(server):
    said = taken.of_server(server({"clients": [CLIENT], "problems": [PROBLEM, {"text": "full"}]}, code=1))
    assert (said["judged"], said["problems"]) == (True, [["web", "web: it is silent", ["Look."]], ["", "full", []]])


@pytest.mark.skipif(os.geteuid() != 0, reason="repositoryctl is for root")
def test_of_a_server_with_too_many_problems_it_is_told_how_many_more_there_are(server):
    said = taken.of_server(server({"clients": [], "problems": [PROBLEM] * 250}))
    assert len(said["problems"]) == taken.MOST_PROBLEMS
    assert said["problems"][-1] == ["", "151 more things are wrong with it, or with machines that save to it.", []]


@pytest.mark.skipif(os.geteuid() != 0, reason="repositoryctl is for root")
@pytest.mark.parametrize("text", ["", "{", "[7]", "{}", '{"clients": 7}', '{"clients": [{}]}', '{"clients": [], "problems": [7]}'])
def test_a_server_that_says_what_is_not_understood_is_no_failure_and_is_told(server, text):
    assert server(text)["trouble"].startswith("repositoryctl says what is not understood")
    assert server(text, 1, "no accounts")["trouble"] == "no accounts"


def test_of_a_server_only_root_asks(kept, tmp_path, monkeypatch):
    kept(KNOWN)
    assert "server" not in asked.answer()
    (tmp_path / "repositoryctl").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert asked.answer()["server"]["trouble"] == "that is for root"


def test_which_machines_a_server_may_speak_of_is_not_its_to_say():
    said = [["web", "present", NOW, 1, 2, 3, NOW, "", 48, True], ["db", "other", -1, "x", None, [], {}, 7, -1, 1], ["short"]]
    found = taken.of_machine({"server": {"remembered": True, "clients": said, "problems": [["web", "x"], 7], "trouble": "\x1b"}})
    assert found["server"] == {
        "trouble": "\\x1b", "judged": False, "remembered": False, "problems": [],
        "clients": [["web", "present", NOW, 1, 2, 3, NOW, "", 48, False], ["db", "present", 0, 0, 0, 0, 0, "", 0, False]],
    }  # fmt: skip
    made = taken.remembered(found, {"db"})["server"]
    assert (made["remembered"], [each[-1] for each in made["clients"]]) == (True, [False, True])
    # A second time, as the page takes it.
    assert taken.of_machine(taken.remembered(found, {"db"}))["server"] == found["server"]
    assert taken.remembered(taken.of_machine({}), {"db"}) == taken.of_machine({})


def test_the_former_name_of_a_task_counts_where_there_is_no_other(kept):
    old = {key: each for key, each in ENTRY.items() if key not in ("advice", "troubles")}
    kept({"units": {"backup": old, "borg-check": old}})
    found = taken.of_machine(asked.answer())
    assert (sorted(found["units"]), found["version"], found["known"]) == (["backup", "backup-check"], "", True)
    kept({"units": {"borg-check": old, "backup-check": {**old, "failures": 3}}})
    assert taken.of_machine(asked.answer())["units"]["backup-check"]["failures"] == 3


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"units": 3}', '{"units": {"backup": []}}', '{"units": {"backup": {"archives": [1]}}}', "[" * 100_000]
)
def test_a_spoiled_record_is_no_failure_and_is_told(kept, content):
    kept(content)
    said = asked.answer()
    assert (said["known"], bool(said["trouble"])) == (False, True)


@pytest.mark.usefixtures("kept")
def test_no_record_is_told_by_nothing_known_and_a_link_is_none(tmp_path):
    assert (asked.answer()["known"], asked.answer()["trouble"]) == (False, "")
    (tmp_path / "status.json").symlink_to("/etc/passwd")
    assert (asked.answer()["known"], bool(asked.answer()["trouble"])) == (False, True)


HOSTILE = [
    None,
    7,
    -1,
    True,
    float("nan"),
    float("inf"),
    10**400,
    "x" * 10**6,
    "\x1b[31m\n\u2028",
    [],
    [[]],
    [["a"] * 9] * 999,
    {},
    {"backup": 3},
    {"/r": [1]},
]


@pytest.mark.parametrize("value", HOSTILE)
def test_the_control_node_takes_known_keys_and_types_alone(value):
    plain = taken.of_machine({})

    def form(found):
        if isinstance(found, dict):
            return all(isinstance(key, str) and form(each) for key, each in found.items())
        if isinstance(found, list):
            return len(found) <= 100 and all(map(form, found))
        if isinstance(found, str):
            return len(found) < 500 and not re.search(r"[\x00-\x1f\u2028]", found)
        return isinstance(found, bool) or (isinstance(found, int) and 0 <= found < 2**53)

    for key in [*plain, "ansible_facts", "name"]:
        found = taken.of_machine({key: value})
        assert (found.keys(), form(found)) == (plain.keys(), True)
    for key in taken.of_unit({}):
        found = taken.of_machine({"units": {"backup": {key: value}, "../../etc": {}}})
        assert (list(found["units"]), form(found)) == (["backup"], True)
    assert form(
        taken.of_machine({"history": [value] * 99, "units": {"backup": value}, "room": {"/r": value}, "live": {"backup.timer": value}})
    )
    assert form(taken.of_machine({"server": {"clients": [value] * 5, "problems": value, "trouble": value}}))
    assert taken.of_machine(value).keys() == plain.keys()
