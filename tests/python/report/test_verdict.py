"""What is wrong, and what to do about it."""

import types

import pytest
from rootless_backup.report import verdict

GOOD = {"result": "success", "failed": [], "optional_failures": [], "troubles": []}
LOADED = {"LoadState": "loaded"}


def run(result="success", advice=(), hooks=(), optional_failures=()):
    return types.SimpleNamespace(
        result=result, advice=list(advice), hooks=hooks, optional_failures=optional_failures, unit="backup.service"
    )


def hook(unit, required=True):
    return types.SimpleNamespace(unit=unit, failed=True, required=required)


AGAIN = "Then run `systemctl start backup.service`; what was saved before is still there."


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (run(), []),
        (run("exit-code"), ["Mend what is said above; more is in `journalctl -u backup.service`.", AGAIN]),
        # Each series and each repository says it.
        (run("exit-code", ["Make room.", "Mount it.", "Make room."]), ["Make room.", "Mount it.", AGAIN]),
        (
            run("exit-code", ["Make room."], [hook("backup-wiki.service")]),
            ["Make room.", "Mend what is said above; more is in `journalctl -u backup-wiki.service`.", AGAIN],
        ),
        (
            run("success", ["Make room."], [hook("backup-wiki.service", required=False)], ["backup-wiki.service"]),
            ["Mend what is said above; more is in `journalctl -u backup-wiki.service`."],
        ),
    ],
)
def test_each_remedy_is_given_once(given, want):
    assert verdict.remedies(given) == want


def test_a_run_that_failed_is_one_problem_with_its_remedies_and_the_rest_as_details():
    entry = {**GOOD, "result": "exit-code", "failed": ["one\ntwo", "three"], "advice": ["Mend it."], "troubles": ["mind"]}
    failed, trouble = verdict.of_unit("The last backup", entry, grave=True)
    assert (failed.text, failed.remedies, failed.details, failed.grave) == (
        "The last backup failed: one", ["Mend it."], ["two", "three"], True
    )  # fmt: skip
    assert (trouble.text, trouble.remedies, trouble.grave) == ("The last backup: mind", [], False)


def test_an_entry_of_an_earlier_version_has_no_remedies():
    (problem,) = verdict.of_unit("The last check", {**GOOD, "result": "timeout"}, grave=False)
    assert (problem.text, problem.remedies) == ("The last check failed: timeout", [])


def test_of_a_long_line_the_end_stays():
    text = verdict.short("/" + "long/" * 200 + ": No space left on device\nmore")
    assert text.startswith("/long/")
    assert text.endswith(": No space left on device")
    assert len(text) == verdict.LONGEST


def test_what_borg_says_of_a_full_disk_stays_whole():
    lock = "/mnt/repository/lock.exclusive"
    file = lock + ".yimczwjk.tmp/b77c8930b39b4b70891dcae572222938-web.4886-0"
    text = "Failed to create/acquire the lock %s ([Errno 28] No space left on device: '%s')." % (lock, file)
    assert verdict.short(text) == text


@pytest.mark.parametrize(("graves", "want"), [([], "good"), ([False], "warning"), ([False, True], "failed")])
def test_the_worst_problem_is_the_verdict(graves, want):
    assert verdict.verdict([verdict.Problem("x", grave=each) for each in graves]) == want


@pytest.mark.parametrize(
    ("good", "is_missing"), [(None, True), (1e6 - 35 * 3600, False), (1e6 - 36 * 3600, True), (1e6 + 3600, False), (1e6 + 2 * 86400, True)]
)
def test_a_good_backup_is_missing_when_it_is_too_old_or_its_age_is_not_known(good, is_missing):
    assert (verdict.missing(good, 1e6, 36, LOADED, LOADED) is not None) is is_missing


def test_a_unit_that_cannot_be_used_is_mended_first():
    assert verdict.start(LOADED, {"LoadState": "masked"})[0].startswith("backup.service cannot be used (masked)")
    assert len(verdict.start(LOADED, LOADED)) == 1
