"""What becomes of a call of Borg: a program in its place says what Borg said, and ends as it did."""

import subprocess
import sys
import types

import pytest
from rootless_backup.borg import call

EXISTS = frozenset({"Archive.AlreadyExists"})
VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.4"])


class Voice:
    """Keeps what it is told: `(level, text)`."""

    def __init__(self):
        self.told = []

    def info(self, text):
        self.told.append(("info", text))

    def warning(self, text):
        self.told.append(("warning", text))

    def error(self, text):
        self.told.append(("error", text))

    def advise(self, text):
        self.told.append(("advice", text))

    def of(self, level):
        return [text for each, text in self.told if each == level]


@pytest.fixture
def called(tmp_path, monkeypatch):
    """Calls Borg where that is another program. Return the run and the repository."""

    def do(script, command, **more):
        program = tmp_path / "borg"
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", "%s:/usr/bin:/bin" % tmp_path)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        settings = {"lock_wait": 1, "upload_limit": 0}
        repository = types.SimpleNamespace(location="/tmp/repo", number=1, settings=settings, reading=False, voice=Voice())
        return call.borg(repository, command, **more), repository

    return do


@pytest.fixture
def replayed(tmp_path, called, recorded):
    """Calls Borg where that says what was recorded. Return the run and the repository."""

    def replay(version, name, code, command="list", **more):
        (tmp_path / "log").write_text(recorded("borg-%s-%s.log" % (version, name)))
        return called('cat "%s/log" >&2\nexit %d\n' % (tmp_path, code), command, **more)

    return replay


@VERSIONS
def test_fails_if_one_file_could_not_be_read_and_still_has_its_archive(replayed, version):
    seen = []
    run, repository = replayed(version, "create", 1, "create", seen=seen.append)
    assert (run.ok, run.made) == (False, True)
    assert "/srv/data/growing: file changed while we backed it up" in repository.voice.of("warning")
    assert [text.split(": ")[0] for text in repository.voice.of("error")][:3] == ["/srv/data/secret", "/srv/data/closed", "/srv/data/x"]
    statuses = [(event["status"], event["path"]) for event in seen if event["type"] == "file_status"]
    assert ("d", "/srv/data") in statuses
    assert ("C", "/srv/data/growing") in statuses


@VERSIONS
def test_tells_which_archives_prune_kept(replayed, version):
    run, _ = replayed(version, "prune", 0, "prune")
    assert run.ok
    assert run.pruned == [("Keeping", "host-files-2026-01-31T03:00:00Z"), ("Pruning", "host-files-2026-01-31T02:00:00Z")]


@VERSIONS
@pytest.mark.parametrize(
    ("name", "code", "advice"),
    [
        ("locked", {"1.2": 2, "1.4": 73}, "run `backup-borg break-lock`"),
        ("none", {"1.2": 2, "1.4": 13}, "is not there. Mount its disk"),
        ("wrong", {"1.2": 2, "1.4": 52}, "Set borg_passphrase to the one that does"),
        ("damage", {"1.2": 1, "1.4": 1}, "check --repair"),
        ("moved", {"1.2": 2, "1.4": 62}, "Run `systemctl start borg-init.service`"),
    ],
)
def test_says_what_can_be_done_about_a_failure(replayed, version, name, code, advice):
    run, repository = replayed(version, name, code[version])
    assert not run.ok
    assert [text for text in repository.voice.of("advice") if advice in text] == repository.voice.of("advice") != []


@VERSIONS
def test_makes_a_damaged_cache_anew_once_and_tells_it_as_a_warning(replayed, version, monkeypatch):
    dropped = []
    monkeypatch.setattr(call.state, "drop_cache", lambda location, _voice: not dropped.append(location))
    run, repository = replayed(version, "cache", 2)
    assert (run.ok, dropped) == (False, ["/tmp/repo"])
    # What it says the second time is an error.
    assert repository.voice.of("error") == [
        "Borg: ValueError: Could not read header (expected 18, but read 0 bytes)",
        "/tmp/repo: borg list failed with exit code 2",
    ]
    assert [text for text in repository.voice.of("warning") if "was damaged. It was dropped" in text] != []


@pytest.mark.parametrize("name", ["locked", "none", "wrong", "damage", "moved", "exists"])
@VERSIONS
def test_drops_no_cache_for_another_reason(replayed, version, name, monkeypatch):
    monkeypatch.setattr(call.state, "drop_cache", lambda *_: pytest.fail("dropped"))
    assert not replayed(version, name, 2)[0].ok


def test_names_the_way_where_an_archive_is_not_authentic_and_never_a_repair(replayed, monkeypatch):
    monkeypatch.setattr(call.state, "drop_cache", lambda *_: pytest.fail("dropped"))
    run, repository = replayed("1.4", "renamed", 2, "create")
    (advice,) = repository.voice.of("advice")
    assert not run.ok
    assert "run `backup-borg upgrade --archives-tam`" in advice


def test_says_that_borg_had_too_little_memory_wherever_it_ran_out(called):
    event = '{"type": "log_message", "levelname": "ERROR", "message": "Decompression error: MemoryError"}'
    run, repository = called("echo '%s' >&2\nexit 2\n" % event, "create")
    assert (run.damaged, repository.voice.of("advice")[0].split(".")[0]) == (False, "Borg had too little memory")


def test_reads_a_warning_whole_however_deep_the_file_is(called, tmp_path):
    path = "/".join(["\\u0001" * 255] * 1500)
    event = '{"type": "log_message", "levelname": "WARNING", "message": "%s: file changed while we backed it up"}\n' % path
    (tmp_path / "log").write_text(event, encoding="utf-8")
    run, _repository = called('cat "%s/log" >&2\nexit 1\n' % tmp_path, "create")
    assert (len(event) > 2 << 20, run.ok, run.made) == (True, True, True)


@VERSIONS
def test_says_nothing_of_what_is_expected(replayed, version):
    run, repository = replayed(version, "exists", {"1.2": 2, "1.4": 30}[version], quiet=EXISTS)
    assert (run.ok, run.quieted, repository.voice.told) == (False, True, [])


@VERSIONS
def test_fails_if_what_was_asked_for_is_not_in_the_archive(replayed, version):
    run, repository = replayed(version, "extract", {"1.2": 1, "1.4": 101}[version], "extract")
    assert (run.ok, run.made) == (False, True)
    assert repository.voice.of("error")[0] == "Include pattern 'srv/absent' never matched."


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        (b"Connection closed by remote host\n", {"message": "Connection closed by remote host"}),
        (b'{"type": "log_message", "message": 7, "levelname": "ERROR", "odd": 1}\n', {"type": "log_message", "levelname": "ERROR"}),
        (b'{"type": "archive_progress", "nfiles": true, "finished": true}\n', {"type": "archive_progress", "finished": True}),
        (b"[1]\n", {"message": "[1]"}),
    ],
)
def test_takes_of_a_line_only_what_is_known_and_of_its_type(raw, want):
    assert call.parse(raw) == want


@pytest.mark.parametrize(("command", "tests"), [("create", "not"), ("compact", "not"), ("init", "as ever"), ("check", "as ever")])
def test_has_borg_test_itself_where_a_repository_is_made_or_checked_and_not_each_time(called, command, tests):
    run, _repository = called('[ "$BORG_SELFTEST" = disabled ] && echo -n not || echo -n as ever\n', command)
    assert run.output == tests


def test_has_borg_not_ask_for_what_only_the_owner_of_a_file_is_granted(tmp_path):
    """See open(2), `O_NOATIME`: Borg looks for it by name, and opens a file a second time where it is refused."""
    program = tmp_path / "borg"
    program.write_text("import os, sys\nprint(hasattr(os, 'O_NOATIME'), sys.argv[1:])\n")
    said = subprocess.run([sys.executable, "-I", "-c", call.DEEP, program, "create"], stdout=subprocess.PIPE, check=True, text=True)
    assert said.stdout == "False ['create']\n"
