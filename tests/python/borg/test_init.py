"""Where a repository may be that Borg knows from another place."""

import json
import types

import pytest
from rootless_backup import engine
from rootless_backup.borg import init, state

ID = "a" * 64


@pytest.mark.parametrize(
    ("stamps", "accepted"),
    [({"/mnt/old": ID}, True), ({"/mnt/a": ID}, False), ({"/mnt/old": "b" * 64}, False)],
    ids=["a place that is set no more", "a copy of another place that is set", "another repository"],
)
def test_a_repository_of_another_place_is_accepted_if_it_was_moved_and_not_if_it_is_a_copy(monkeypatch, stamps, accepted):
    said = []
    answer = types.SimpleNamespace(ok=True, output=json.dumps({"repository": {"id": ID}}))
    monkeypatch.setattr(init, "borg", lambda *_arguments, **_more: answer)
    monkeypatch.setattr(state, "stamps", lambda: {engine.digest(place): known for place, known in stamps.items()})
    monkeypatch.setattr(state, "read_stamp", lambda place, _voice: stamps.get(place))
    monkeypatch.setattr(state, "take_over", lambda *_arguments: None)
    repository = types.SimpleNamespace(
        location="/mnt/b",
        voice=types.SimpleNamespace(error=said.append, warning=lambda _text: None),
        engine=types.SimpleNamespace(repositories=["/mnt/a", "/mnt/b"]),
        explain=lambda: None,
    )
    assert (init.accept_moved(repository, None) is answer) == accepted
    assert bool(said) != accepted
