import json

import pytest
from rootless_backup.report import hook


def entry(time, **fields):
    found = {"__REALTIME_TIMESTAMP": str(int(time * 1e6)), **fields}
    return hook.journal.Entry(json.loads(json.dumps(found)))


def read(monkeypatch, told):
    monkeypatch.setattr(hook.journal, "read", lambda _most, *matches: told if "_PID=1" in matches else [])
    return hook.read_hook("backup-wiki.service", True, 100, 110)[2]


FAILED = entry(100.2, INVOCATION_ID="now", UNIT_RESULT="exit-code")


def test_a_hook_that_failed_is_told_though_it_was_stopped_after_the_backup_just_before(monkeypatch):
    before = entry(99.5, INVOCATION_ID="before", JOB_TYPE="stop", JOB_RESULT="done")
    assert read(monkeypatch, [before, FAILED]) == "exit-code"


def test_a_hook_that_was_stopped_since_another_failed_has_not_failed(monkeypatch):
    stopped = entry(100.4, INVOCATION_ID="now", JOB_TYPE="stop", JOB_RESULT="done")
    assert read(monkeypatch, [FAILED, stopped]) == hook.RUNNING


def test_what_was_done_for_the_backup_before_is_not_done_for_this_one(monkeypatch):
    done = entry(99.2, INVOCATION_ID="before", JOB_TYPE="start", JOB_RESULT="done")
    stopped = entry(99.5, INVOCATION_ID="before", JOB_TYPE="stop", JOB_RESULT="done")
    monkeypatch.setattr(hook.systemd, "show_or_nothing", lambda *_: {"Result": "success", "ExecMainExitTimestamp": "@99"})
    assert read(monkeypatch, [done, stopped]) == hook.NOT_RUN


def said(priority, message):
    return entry(100, PRIORITY=str(priority), MESSAGE=message)


@pytest.mark.parametrize(
    ("spoken", "want"),
    [
        ([], ""),
        ([said(6, "one"), said(6, "two")], "two"),
        # A warning is no cause, and an error is one whatever came after it.
        ([said(6, "no room"), said(4, "deprecated")], "no room"),
        ([said(3, "no room"), said(6, "bye")], "no room"),
        ([said(4, "deprecated")], ""),
    ],
)
def test_the_cause_is_what_a_hook_said_last_and_no_warning(spoken, want):
    assert hook.cause(spoken) == want


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ({}, ""),
        ({"EXIT_CODE": "exited", "EXIT_STATUS": "3", "COMMAND": "ExecStart", "MESSAGE": "x status=3/NOTIMPLEMENTED"},
         "the command of ExecStart= exited with code 3"),
        ({"EXIT_CODE": "exited", "EXIT_STATUS": "217", "COMMAND": "ExecStartPre", "MESSAGE": "x status=217/USER"},
         "the command of ExecStartPre= exited with code 217 (USER)"),
        ({"EXIT_CODE": "dumped", "EXIT_STATUS": "11", "COMMAND": "ExecStart", "MESSAGE": "x status=11/SEGV"},
         "the command of ExecStart= was ended by signal 11 (SEGV)"),
        ({"EXIT_CODE": "exited", "EXIT_STATUS": "0", "COMMAND": "ExecStart"}, ""),
        ({"EXIT_CODE": "exited", "EXIT_STATUS": "3\n", "COMMAND": "ExecStart"}, ""),
    ],
)  # fmt: skip
def test_says_how_a_command_ended(fields, want):
    assert hook.exit_code([entry(100, **fields)]) == want
