"""What is wrong with one repository keeps nothing from being done for the others, nor for itself."""

import errno
import json
import os
import subprocess

import pytest
from rootless_backup import host
from rootless_backup.repository import accounts, generations, keeping, listing, program, seen, sessions

NOW = 1_800_000_000.0


@pytest.fixture
def told(tmp_path, monkeypatch):
    for name in ("state/seen", "state/accounts", "keys", "srv"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(host, "REPOSITORY_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(host, "REPOSITORY_KEYS", str(tmp_path / "keys"))
    monkeypatch.setattr(host, "REPOSITORY_ACCOUNTS", str(tmp_path / "accounts.json"))
    monkeypatch.setattr(accounts, "wrong", lambda _each: "")
    monkeypatch.setattr(sessions, "end_unwanted", list)
    monkeypatch.setattr(generations.os, "chown", lambda *_given, **_options: None)
    each = []
    for number, name in enumerate(("app", "db", "web")):
        account = "repo%d" % (70000 + number)
        (tmp_path / "srv" / account / "repository/data/0").mkdir(parents=True)
        (tmp_path / "srv" / account / "repository/data/0/1").write_bytes(b"segment")
        (tmp_path / "srv" / account / "repository/config").write_text("[repository]")
        home = str(tmp_path / "srv" / account)
        line = "command %s" % name
        each.append({"name": name, "account": account, "uid": 70000 + number, "home": home, "quota": "", "key": "K", "line": line})
    found = {"digest": "0" * 64, "accounts": each, "undelete_days": 30, "most": "", "session_time_limit": "24h", "check_duration": 10}
    (tmp_path / "accounts.json").write_text(json.dumps(found))
    return found


def made(told):
    return {each["name"]: len(generations.names(keeping.path_of(each))) for each in told["accounts"]}


@pytest.mark.parametrize("trouble", [MemoryError("none left"), RecursionError("deep"), ValueError("odd")])
def test_whatever_goes_wrong_with_one_is_told_and_the_rest_is_kept_and_let_in(told, monkeypatch, capsys, trouble):
    make = generations.make

    def broken(repository, directory, *given, **options):
        if directory.endswith("70000"):
            raise trouble
        return make(repository, directory, *given, **options)

    monkeypatch.setattr(generations, "make", broken)
    assert not keeping.keep()
    assert made(told) == {"app": 0, "db": 1, "web": 1}
    assert "app: its repository could not be looked after: %s" % type(trouble).__name__ in capsys.readouterr().out
    assert sorted(os.listdir(host.REPOSITORY_KEYS)) == ["repo70000", "repo70001", "repo70002"]
    assert "could not be looked after" in seen.read(told["accounts"][0])["troubles"][0]
    monkeypatch.setattr(generations, "make", make)
    assert keeping.keep()
    assert made(told) == {"app": 1, "db": 1, "web": 1}


@pytest.mark.usefixtures("told")
def test_who_is_let_in_is_laid_down_even_if_all_else_ends(monkeypatch):
    monkeypatch.setattr(keeping, "keep_one", lambda *_given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        keeping.keep()
    assert sorted(os.listdir(host.REPOSITORY_KEYS)) == ["repo70000", "repo70001", "repo70002"]


@pytest.mark.parametrize("trouble", [sessions.Unending({70001}), OSError(12, "Cannot allocate memory"), ValueError("odd")])
def test_a_session_that_does_not_end_is_told_with_all_else_and_keeps_nothing_from_being_done(told, monkeypatch, capsys, trouble):
    def unending():
        raise trouble

    monkeypatch.setattr(sessions, "end_unwanted", unending)
    monkeypatch.setattr(accounts, "let_in", lambda: ["app: the number is another's"])
    assert not keeping.keep()
    said = capsys.readouterr().out
    assert "app: the number is another's" in said
    assert str(trouble).rsplit("]", 1)[-1].strip() in said
    assert made(told) == {"app": 1, "db": 1, "web": 1}
    assert seen.disk()
    noted = {machine["name"]: seen.read(machine)["troubles"] for machine in told["accounts"]}
    its = ["its session was to end, and does not"] if isinstance(trouble, sessions.Unending) else []
    assert noted == {"app": [], "db": its, "web": []}
    monkeypatch.setattr(sessions, "end_unwanted", list)
    monkeypatch.setattr(accounts, "let_in", list)
    assert keeping.keep()
    assert seen.read(told["accounts"][1])["troubles"] == []


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("trouble", [sessions.Unending({70001}), subprocess.CalledProcessError(1, "systemd-analyze")])
def test_a_session_that_does_not_end_keeps_no_other_machine_out(monkeypatch, capsys, trouble):
    def unending():
        raise trouble

    monkeypatch.setattr(sessions, "end_unwanted", unending)
    assert program.admit()
    assert "sessions that are to end could not be ended" in capsys.readouterr().out
    assert sorted(os.listdir(host.REPOSITORY_KEYS)) == ["repo70000", "repo70001", "repo70002"]


def test_of_a_repository_that_is_gone_old_generations_expire_but_the_newest_and_it_is_told(told):
    each = told["accounts"][0]
    keeping.keep_one(each, told, NOW, NOW)
    with open(os.path.join(each["home"], "repository/data/0/2"), "wb") as file:
        file.write(b"new")
    keeping.keep_one(each, told, NOW + 3600, NOW + 3600)
    os.rename(os.path.join(each["home"], "repository"), os.path.join(each["home"], "away"))
    told_of = keeping.keep_one(each, told, NOW + 7200, NOW + 7200)
    assert "its repository is not there any more" in told_of[0]
    assert len(generations.names(keeping.path_of(each))) == 2
    keeping.keep_one(each, told, NOW, NOW + 40 * 86_400)
    (last,) = generations.names(keeping.path_of(each))
    assert sorted(os.listdir(os.path.join(keeping.path_of(each), last, "data/0"))) == ["1", "2"]
    assert seen.read(each)["held"] > 0
    assert seen.read(each)["live"] == 0


def test_a_client_that_is_never_quiet_is_measured_and_expires_all_the_same(told, monkeypatch):
    each = told["accounts"][0]
    keeping.keep_one(each, told, NOW, NOW)
    with open(os.path.join(each["home"], "repository/data/0/2"), "wb") as file:
        file.write(bytes(1 << 20))
    keeping.keep_one(each, told, NOW, NOW + 3600)

    def restless(*_given, **_options):
        raise generations.Restless("it changed whenever it was looked at")

    monkeypatch.setattr(generations, "make", restless)
    assert keeping.keep_one(each, told, NOW, NOW + 40 * 86_400) == ["no generation was made: it changed whenever it was looked at"]
    assert len(generations.names(keeping.path_of(each))) == 1
    assert seen.read(each)["live"] >= 1 << 20


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.EIO])
def test_where_no_generation_can_be_made_old_ones_expire_and_who_takes_too_much_is_refused(told, monkeypatch, number):
    machine = told["accounts"][0]
    keeping.keep_one(machine, told, NOW, NOW)
    with open(os.path.join(machine["home"], "repository/data/0/2"), "wb") as file:
        file.write(os.urandom(1 << 20))
    keeping.keep_one(machine, told, NOW, NOW + 3600)

    def full(*_given):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(generations, "link_all", full)
    with open(os.path.join(machine["home"], "repository/data/0/3"), "wb") as file:
        file.write(os.urandom(1 << 20))
    lines = keeping.keep_one(machine, {**told, "most": "2M"}, NOW, NOW + 40 * 86_400)
    assert "no generation was made: OSError: [Errno %d]" % number in lines[0]
    assert "are allowed (repository_most)" in lines[1]
    assert len(generations.names(keeping.path_of(machine))) == 1
    assert not accounts.is_welcome(machine)


def test_what_expires_goes_before_anything_is_made(told, monkeypatch):
    machine = told["accounts"][0]
    steps = []
    for name in ("expire", "make"):
        monkeypatch.setattr(generations, name, lambda *_given, name=name: steps.append(name))
    keeping.keep_one(machine, told, NOW, NOW)
    assert steps == ["expire", "make"]


def test_who_has_more_files_than_borg_makes_is_let_in_no_more_until_they_are_gone(told, monkeypatch):
    each = told["accounts"][0]
    monkeypatch.setattr(listing, "MOST", 2)
    assert any("let in no more" in line for line in keeping.keep_one(each, told, NOW, NOW))
    assert not accounts.is_welcome(each)
    monkeypatch.setattr(listing, "MOST", 100)
    assert keeping.keep_one(each, told, NOW, NOW) == []
    assert accounts.is_welcome(each)


def test_who_deletes_more_files_than_can_be_kept_in_mind_is_let_in_no_more_until_they_expire(told, monkeypatch):
    monkeypatch.setattr(generations, "MOST_GONE", 10)
    machine = told["accounts"][0]
    data = os.path.join(machine["home"], "repository/data/0")
    for hour in range(4):
        for name in os.listdir(data):
            os.unlink(os.path.join(data, name))
        for number in range(5):
            with open(os.path.join(data, str(100 * hour + number)), "wb") as file:
                file.write(b"segment")
        lines = keeping.keep_one(machine, told, NOW + hour * 3600, NOW + hour * 3600)
    assert lines == [
        "it deleted more than 10 files that can still be had back, which Borg does not do; it is let in no more until some of them expire"
    ]
    assert not accounts.is_welcome(machine)
    assert keeping.keep_one(machine, told, NOW, NOW + 30 * 86_400 + 3 * 3600) == []
    assert accounts.is_welcome(machine)


def test_more_that_was_kept_in_mind_than_the_memory_holds_is_not_read(told, monkeypatch):
    machine = told["accounts"][0]
    keeping.keep_one(machine, told, NOW, NOW)
    with open(os.path.join(host.REPOSITORY_STATE, "seen/repo70000.gone.json"), "w", encoding="utf-8") as file:
        json.dump({"2027-01-01T00-00-00Z": ["2027-01-01T01-00-00Z", [[1, 4096]] * 100]}, file)
    monkeypatch.setattr(keeping, "MOST_KEPT", 1000)
    read = []
    monkeypatch.setattr(keeping.generations, "gone", lambda _directory, before: read.append(before) or {})
    assert keeping.keep_one(machine, told, NOW, NOW) == []
    assert read == [{}]


def test_a_machine_that_only_checks_or_restores_saved_nothing(told):
    machine = told["accounts"][0]
    top = os.path.join(machine["home"], "repository")
    os.utime(os.path.join(top, "data/0/1"), (NOW - 86_400,) * 2)
    for name in ("config", "nonce", "index.1", "data/0/1.tmp"):
        with open(os.path.join(top, name), "w", encoding="utf-8") as file:
            file.write("[repository]")
        os.utime(os.path.join(top, name), (NOW, NOW))
    keeping.keep_one(machine, told, NOW, NOW)
    assert seen.read(machine)["changed"] == NOW - 86_400


def test_who_put_something_in_place_and_is_gone_keeps_nobody_out_for_ever(told):
    with open(accounts.closed(told["accounts"][0]), "w", encoding="utf-8"):
        pass
    accounts.let_in()
    assert sorted(os.listdir(host.REPOSITORY_KEYS)) == ["repo70001", "repo70002"]
    keeping.keep()
    assert sorted(os.listdir(host.REPOSITORY_KEYS)) == ["repo70000", "repo70001", "repo70002"]


@pytest.mark.usefixtures("told")
def test_an_account_with_another_number_is_not_let_in_and_is_told(monkeypatch):
    monkeypatch.setattr(accounts, "wrong", lambda each: "app: the number is another's" if each["name"] == "app" else "")
    assert accounts.let_in() == ["app: the number is another's"]
    assert sorted(os.listdir(host.REPOSITORY_KEYS)) == ["repo70001", "repo70002"]
    assert os.listdir(os.path.join(host.REPOSITORY_STATE, "accounts")) == []


def test_on_a_disk_that_is_full_what_is_old_expires_all_the_same(told, monkeypatch, capsys):
    def full(*_given):
        raise OSError(errno.ENOSPC, "No space left on device")

    expired = []
    monkeypatch.setattr(generations, "expire", lambda directory, *_given: expired.append(os.path.basename(directory)) or [])
    monkeypatch.setattr(keeping.clock, "note", full)
    assert not keeping.keep()
    assert expired == [each["account"] for each in told["accounts"]]
    assert "how long generations have stood could not be noted: " in capsys.readouterr().out
