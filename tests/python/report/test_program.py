import time
import types

import pytest
from rootless_backup.report import program


class State:
    def __init__(self, days_ago):
        self.days_ago = days_ago

    def last_success_told(self):
        return time.time() - self.days_ago * 86400


@pytest.mark.parametrize(
    ("policy", "days_ago", "want"),
    [
        ("never", 400, False),
        ("always", 0, True),
        ("weekly", 3, False),
        ("weekly", 7, True),
        ("weekly", 400, True),
        # The clock was set back: better one mail too many.
        ("weekly", -3, True),
    ],
)
def test_tells_of_a_success_so_long_after_it_last_did(policy, days_ago, want):
    assert program.due(policy, State(days_ago)) is want


@pytest.mark.parametrize(
    ("unit", "result", "failures", "repeated", "calls"),
    [
        ("backup", "success", 0, False, [""]),
        ("backup", "exit-code", 1, False, ["/fail"]),
        ("backup-check", "exit-code", 0, False, []),
        ("repository-watch", "exit-code", 0, False, ["/fail"]),
        ("repository-watch", "exit-code", 3, True, []),
        # Who waits for a sign of life hears that it is well again.
        ("repository-watch", "success", 3, False, [""]),
        ("repository-watch", "success", 0, False, []),
    ],
)
def test_calls_the_url_for_each_backup_and_for_what_is_told_of_a_server(monkeypatch, unit, result, failures, repeated, calls):
    state = types.SimpleNamespace(
        trouble="",
        take_room=lambda _run: [],
        of=lambda _name: {"failures": failures},
        is_repeated=lambda _run: repeated,
        record=lambda _run: time.time(),
        told_success=lambda: None,
        told_of=lambda _run: None,
        keep=lambda _settings: "",
        last_success_told=time.time,
    )
    run = types.SimpleNamespace(troubles=[], optional_failures=[], log="")
    made = []
    monkeypatch.setenv("MONITOR_SERVICE_RESULT", result)
    monkeypatch.setattr(program.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(program, "State", lambda: state)
    monkeypatch.setattr(program, "read_run", lambda *_what: run)
    monkeypatch.setattr(program.text, "headline", lambda *_what: "subject")
    monkeypatch.setattr(program.text, "summary", lambda *_what: "text")
    monkeypatch.setattr(program, "tell", lambda *_what: True)
    monkeypatch.setattr(program, "call_url", lambda _settings, path, _body: made.append(path))
    assert program.ended({"host": "web", "success": "never"}, unit)
    assert made == calls
