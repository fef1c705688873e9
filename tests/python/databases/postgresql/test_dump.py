import hashlib
import os
import subprocess
import threading
import time

import pytest
from rootless_backup.databases.postgresql import dump
from rootless_backup.records.manifest import Manifest, read


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("plain", "plain.dump"),
        ("my app", "my%20app.dump"),
        ("..", "%2E%2E.dump"),
        ("a/b", "a%2Fb.dump"),
        ("%", "%25.dump"),
        ("é", "%C3%A9.dump"),
        ("globals.sql", "globals%2Esql.dump"),
    ],
)
def test_names_the_dump_of_any_name(name, want):
    assert dump.file_name(name) == want


class Fixture:
    """Dumps whose files are made by `make`, with a record of who is at work at once."""

    def __init__(self, directory, monkeypatch):
        self.directory = directory
        self.at_work, self.most = set(), 0
        self.lock = threading.Lock()
        monkeypatch.setattr(dump, "dump_globals", lambda path, _env: self.make(path, "globals.sql"))
        monkeypatch.setattr(dump, "dump_database", lambda path, **given: self.make(path, given["env"]["PGDATABASE"]))
        self.broken, self.slow = {}, set()

    def make(self, path, name):
        if self.broken.get(name) == "written":
            raise ValueError("odd")
        with open(path, "w", encoding="ascii") as file:
            file.write(name)
        with self.lock:
            # The globals are dumped beside the databases.
            there = set(os.listdir(self.directory)) - {"globals.sql.partial"}
            self.most = max(self.most, sum(each.endswith(".partial") for each in there))

        def tell():
            with self.lock:
                self.at_work.add(name)
                assert len(self.at_work - {"globals.sql"}) <= 1
            if name in self.slow:
                time.sleep(0.1)
            with self.lock:
                self.at_work.remove(name)
            if self.broken.get(name) == "completed":
                raise IndexError("odd")
            return {"name": name}, [], []

        return tell

    def have(self, **sizes):
        """Dumps of so many bytes are there from the run before."""
        with Manifest(str(self.directory)) as before:
            for name, size in sizes.items():
                before.put(name + ".dump", {"size": size, "sha256": "0" * 64, "finished": "2026-01-01T00:00:00Z", "database": name})

    def run(self, *names):
        with Manifest(str(self.directory), every=1000) as writer:
            ok = dump.dump_each(writer, {}, {name: {} for name in names}, 1)
        files = read(str(self.directory / "manifest.json"))["files"]
        for path in self.directory.iterdir():
            if path.name != "manifest.json":
                assert files[path.name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        return ok, sorted(path.name for path in self.directory.iterdir() if path.name not in ("manifest.json", "globals.sql"))


@pytest.fixture
def dumps(tmp_path, monkeypatch):
    return Fixture(tmp_path, monkeypatch)


def test_completes_one_dump_while_the_next_is_written_and_no_more(dumps):
    dumps.slow = {"a"}
    assert dumps.run("a", "b", "c", "d") == (True, ["a.dump", "b.dump", "c.dump", "d.dump"])
    assert dumps.most <= 3


def test_small_databases_are_dumped_while_a_large_one_is_and_do_not_wait_for_it(dumps):
    dumps.have(a=5 << 20, b=1000, c=1000)
    make, done = dumps.make, threading.Event()

    def in_turn(path, name):
        if name == "a":
            assert done.wait(60)
        if name == "c":
            done.set()
        return make(path, name)

    dumps.make = in_turn
    assert dumps.run("a", "b", "c") == (True, ["a.dump", "b.dump", "c.dump"])


def test_small_databases_are_dumped_by_both_where_there_are_no_others(dumps):
    dumps.have(a=1000, b=1000)
    make, both = dumps.make, threading.Barrier(2)

    def at_once(path, name):
        if name != "globals.sql":
            both.wait(60)
        return make(path, name)

    dumps.make = at_once
    assert dumps.run("a", "b") == (True, ["a.dump", "b.dump"])


@pytest.mark.parametrize("when", ["written", "completed"])
@pytest.mark.parametrize("broken", ["a", "b", "d"])
def test_whatever_goes_wrong_with_one_database_costs_that_one_and_the_manifest_tells_of_all_that_is_there(dumps, when, broken):
    dumps.slow, dumps.broken = {"a", "c"}, {broken: when}
    assert dumps.run("a", "b", "c", "d") == (False, [name + ".dump" for name in "abcd" if name != broken])


def test_what_is_in_its_place_is_in_the_manifest_if_the_hook_is_ended(dumps):
    dumps.slow = {"a"}
    make = dumps.make

    def ended(path, name):
        if name == "c":
            raise SystemExit(143)
        return make(path, name)

    dumps.make = ended
    with pytest.raises(SystemExit):
        dumps.run("a", "b", "c", "d")
    files = read(str(dumps.directory / "manifest.json"))["files"]
    assert sorted(files) == ["a.dump", "b.dump", "globals.sql"]


@pytest.mark.parametrize("size", [9, 9 << 20])
@pytest.mark.parametrize(("said", "times"), [(b"out of shared memory", 2), (b"permission denied", 1)])
def test_what_another_dump_took_from_one_beside_it_that_one_gets_when_the_other_has_ended(dumps, said, times, size):
    dumps.have(b=size)
    make, tried = dumps.make, []

    def in_turn(path, name):
        if name == "b":
            tried.append(1)
            if len(tried) == 1:
                raise subprocess.CalledProcessError(1, "pg_dump", stderr=b"pg_dump: error: query failed: ERROR:  " + said)
        return make(path, name)

    dumps.make = in_turn
    assert dumps.run("a", "b") == (times == 2, ["a.dump", "b.dump"][:times])
    assert len(tried) == times


def test_none_is_begun_any_more_beside_the_others_when_the_hook_is_ended(dumps, monkeypatch):
    dumps.have(b=9, c=9, d=9)
    make, begun, ended, in_order = dumps.make, threading.Event(), [], dump.dump_in_turn

    def watched(manifest, wanted, stopped, again=None):
        ended.append(stopped)
        return in_order(manifest, wanted, stopped, again)

    def in_turn(path, name):
        if name == "a":
            assert begun.wait(60)
            raise SystemExit(143)
        if name == "b":
            begun.set()
            assert ended[0].wait(60)
        return make(path, name)

    dumps.make = in_turn
    monkeypatch.setattr(dump, "dump_in_turn", watched)
    with pytest.raises(SystemExit):
        dumps.run("a", "b", "c", "d")
    assert sorted(path.name for path in dumps.directory.iterdir()) == ["b.dump", "globals.sql", "manifest.json"]


@pytest.mark.parametrize(
    ("said", "seconds", "times"),
    [
        (b'pg_dump: error: query failed: ERROR:  relation "public.t" does not exist', 0, 2),
        (b"pg_dump: error: query failed: ERROR:  could not open relation with OID 16400", 0, 2),
        (b'pg_dump: error: query failed: ERROR:  relation "public.t" does not exist', 700, 1),
        (b"pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout", 0, 1),
        (b"pg_dump: error: could not write to file: No space left on device", 0, 1),
    ],
)
def test_what_is_dropped_while_it_is_dumped_is_dumped_once_more_and_no_more(monkeypatch, tmp_path, said, seconds, times):
    path, tried, clock = tmp_path / "x", [], [0]

    def run_dump(_path, _env, _encoding, _lock_wait):
        # What the one before wrote is gone: what reads it while it is written would take it for its own.
        assert not path.exists()
        path.write_bytes(b"part of it")
        clock[0] += seconds
        tried.append(1)
        raise subprocess.CalledProcessError(1, "pg_dump", stderr=said)

    monkeypatch.setattr(dump, "relations", lambda _env: ("C", b""))
    monkeypatch.setattr(dump.session, "run_dump", run_dump)
    monkeypatch.setattr(dump.time, "monotonic", lambda: clock[0])
    with pytest.raises(subprocess.CalledProcessError):
        dump.dump_database(str(path), {"PGDATABASE": "x"}, {"encoding": "UTF8"}, 600)
    assert len(tried) == times


def test_what_is_being_restored_is_not_dumped_and_it_is_said(capsys):
    names = ["shop", "restoring_0123456789abcdef", "restoring_0123456789abcdef0", "restoring_me"]
    found = dump.connectable({name: {"datallowconn": True, "datconnlimit": 0} for name in names}, set())
    assert found == (["shop", "restoring_0123456789abcdef0", "restoring_me"], ["restoring_0123456789abcdef"], True)
    assert '"restoring_0123456789abcdef" is being restored' in capsys.readouterr().out


def test_who_calls_a_database_as_one_that_is_restored_has_it_dumped(capsys):
    found = dump.connectable({"restoring_0123456789abcdef": {"datallowconn": True, "datconnlimit": -1}}, set())
    assert found == (["restoring_0123456789abcdef"], [], True)
    assert capsys.readouterr().out == ""


def test_what_is_loaded_under_its_own_name_fails_the_dump_and_keeps_its_last_one(capsys):
    row = {"datallowconn": True, "datconnlimit": 0}
    properties = {"shop": {**row, "restoring": True}, "wiki": {**row, "restoring": False}}
    assert dump.connectable(properties, set()) == (["wiki"], ["shop"], False)
    assert '"shop" is being restored' in capsys.readouterr().out
