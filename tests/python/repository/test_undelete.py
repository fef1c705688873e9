"""What comes back on a new server beside an old disk makes nothing there older than it is."""

import json
import os

import pytest
from rootless_backup import host
from rootless_backup.repository import accounts, clock, generations, keeping, undelete

NOW, DAY = 1_800_000_000.0, 86_400
MACHINE = {"name": "app", "account": "repo70000", "uid": 70000, "quota": "", "key": "K", "line": "command app"}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """One with two generations that were made long ago, on a server that knows nothing of it."""
    (tmp_path / "state/seen").mkdir(parents=True)
    monkeypatch.setattr(host, "REPOSITORY_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(host, "REPOSITORY_ACCOUNTS", str(tmp_path / "accounts.json"))
    monkeypatch.setattr(os, "chown", lambda *_given, **_options: None)
    found = {**MACHINE, "home": str(tmp_path / "srv/repo70000")}
    (tmp_path / "accounts.json").write_text(json.dumps({"accounts": [found], "undelete_days": 30, "most": ""}))
    data = tmp_path / "srv/repo70000/repository/data/0"
    data.mkdir(parents=True)
    (data.parents[1] / "config").write_text("[repository]")
    (data.parents[1] / "nonce").write_text("0000000000000001")
    repository = os.open(data.parents[1], os.O_RDONLY)
    for number in (0, 1):
        (data / str(number)).write_bytes(b"segment")
        at = NOW - 100 * DAY + number * DAY
        generations.make(repository, keeping.path_of(found), at, at)
    os.close(repository)
    (data / "2").write_bytes(b"segment")
    return found


def test_no_generation_expires_by_it(machine):
    directory = keeping.path_of(machine)
    first, second = generations.names(directory)
    os.mkdir(os.path.join(directory, ".restoring"))
    undelete.lay(os.path.join(directory, first), os.path.join(directory, ".restoring"))
    home = os.open(machine["home"], os.O_RDONLY)
    undelete.replace(machine, home, os.path.join(directory, ".restoring"), NOW)
    os.close(home)
    assert sorted(os.listdir(os.path.join(machine["home"], "repository/data/0"))) == ["0"]
    keeping.keep_one(machine, accounts.read(), NOW, clock.stood(NOW, float))
    assert {first, second} <= set(generations.names(directory))
