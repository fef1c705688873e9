"""What a report makes of the journals of runs that were."""

import pytest
from rootless_backup.records import journal
from rootless_backup.report import run


@pytest.fixture
def read(monkeypatch, recorded_lines):
    """The run whose journal was recorded, of a backup without hooks."""

    def read_recorded(name, result):
        lines = recorded_lines("journal-%s.json" % name)
        monkeypatch.setattr(journal, "read", lambda *_: [journal.Entry(line) for line in lines])
        monkeypatch.setattr(run, "hooks_of", lambda _: [])
        invocation = next(line["_SYSTEMD_INVOCATION_ID"] for line in lines if line["_PID"] != "1") if result != "signal" else "x"
        return run.Run("backup", result, invocation, **run.found_of("backup", result, invocation))

    return read_recorded


@pytest.mark.parametrize("release", ["12", "13"])
def test_tells_what_a_good_run_saved(read, release):
    found = read("debian-%s-success" % release, "success")
    assert [archive["series"] for archive in found.archives] == ["files", "dumps"]
    assert [len(each["archives"]) > 0 for each in found.kept] == [True]
    assert (found.optional_failures, found.advice) == ([], [])
    assert 0 < found.finished - found.started < 600
    assert found.log.startswith("-- backup.service --\n")


def test_tells_what_failed_and_what_can_be_done_about_it(read):
    found = read("debian-13-locked", "exit-code")
    assert found.archives == []
    assert "/var/lib/borg/repository: borg create failed with exit code 73" in found.failed()
    assert [each for each in found.advice if "break-lock" in each] == found.advice != []


def test_tells_that_a_run_was_killed(read):
    assert read("debian-13-killed", "signal").failed()[0] == "backup.service was ended by signal"
