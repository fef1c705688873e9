"""What is known of a repository that held archives of this machine when the machine was new."""

import os
import types

import pytest
from rootless_backup import backup, engine, host
from rootless_backup.records import archive as records
from rootless_backup.records import before, journal

OLD = ["web-files-2026-01-01T01:00:00Z", "web-files-2026-01-02T01:00:00Z", "web-dumps-2026-01-02T01:00:00Z"]
NEW = ["web-files-2026-02-01T01:00:00Z", "web-dumps-2026-02-01T01:00:00Z"]
NEWEST = OLD[1:]


class Repository(engine.Repository):
    """Holds archives in memory."""

    def __init__(self, names):
        self.location, self.prefix, self.there, self.forgot, self.told = "/repository", "web", list(names), [], []
        self.voice = self

    def archives(self, series, incomplete=False):
        return [name for name in self.there if "-%s-" % series in name and name.endswith(engine.INCOMPLETE) == incomplete]

    def forget(self, _keep, incomplete=False, spare=()):
        self.forgot.append((incomplete, list(spare)))
        return True, list(self.there)

    def compact(self):
        return True

    def warning(self, text):
        self.told.append(text)


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "STATE", str(tmp_path))
    monkeypatch.setattr(records, "RECORDS", str(tmp_path / "records"))


def record(*names):
    for name in names:
        records.write("/repository", name, {"begun": "", "roots": [], "hooks": [], "files": {}})


def test_a_first_install_waits_for_nothing():
    assert not before.look(Repository([]))["waits"]
    assert before.waiting() == []


def test_nor_does_a_run_into_an_empty_repository_that_nobody_looked_at():
    record(*NEW)
    assert not before.look(Repository(NEW), NEW)["waits"]


def test_nor_does_a_repository_of_others_that_is_adopted():
    assert not before.look(Repository(["other-by-hand", "web_2026-01-01"]))["waits"]


def test_nor_does_a_machine_that_has_recorded_earlier_runs():
    record(*OLD)
    assert not before.look(Repository(OLD + NEW), NEW)["waits"]


@pytest.mark.parametrize("made", [[], NEW], ids=["before its first run", "in its first run"])
def test_a_machine_that_was_rebuilt_waits_and_spares_the_newest_from_before(made):
    record(*made)
    known = before.look(Repository(OLD + made), made)
    assert (known["waits"], known["newest"]) == (True, NEWEST)
    # Also once there are records of its own.
    record(*NEW)
    assert before.look(Repository(OLD + NEW), [])["waits"]
    assert "`backupctl restored`" in before.waiting()[0] and NEWEST[0] in before.waiting()[0]


def test_of_archives_that_are_not_whole_the_newest_is_spared_where_there_is_no_other():
    names = [OLD[0] + engine.INCOMPLETE, OLD[1] + engine.INCOMPLETE, OLD[2]]
    assert before.look(Repository(names))["newest"] == names[1:]


def test_a_machine_that_finds_the_notes_and_the_records_of_another_is_new(monkeypatch, tmp_path):
    monkeypatch.setattr(before, "MACHINE", str(tmp_path / "machine-id"))
    (tmp_path / "machine-id").write_text("one\n")
    record(*OLD)
    assert not before.look(Repository(OLD))["waits"]
    (tmp_path / "machine-id").write_text("other\n")
    assert before.look(Repository(OLD))["newest"] == NEWEST
    assert before.look(Repository(OLD + NEW))["newest"] == NEWEST


def test_what_waited_in_a_repository_that_is_used_no_more_waits_no_longer():
    before.look(Repository(OLD))
    assert before.settle(["/another"]) == []
    assert before.waiting() == []


def test_what_is_damaged_waits_and_can_be_settled():
    before.look(Repository([]))
    with open(before.path("/repository"), "w", encoding="ascii") as file:
        file.write("{")
    assert before.look(Repository(OLD))["waits"] and len(before.waiting()) == 1
    assert before.settle(["/repository"])
    assert (before.settle(["/repository"]), before.waiting()) == ([], [])


def test_a_link_in_place_of_the_directory_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", before.directory())
    assert before.waiting() is None


@pytest.fixture
def run(monkeypatch):
    """What a run that has saved all does of a repository, and what it has told."""
    told = []
    monkeypatch.setattr(backup.VOICE, "note", lambda text, **fields: told.append((text, *fields)))
    made = backup.Backup.__new__(backup.Backup)
    made.settings = {"keep_daily": 1, "keep_weekly": 0, "keep_monthly": 0}
    made.series, made.marked, made.made, made.rest, made.lacking = [], set(), set(NEW), False, set()
    return made, told


def test_a_run_forgets_nothing_until_all_is_back_and_says_so(run):
    made, told = run
    repository = Repository(OLD + NEW)
    repository.room = lambda: None
    record(*NEW)
    assert made.save(repository)
    assert repository.forgot == []
    assert [fields for _text, *fields in told] == [[journal.MIND], [journal.KEPT]]
    before.settle(["/repository"])
    assert made.save(repository)
    assert repository.forgot == [(False, NEWEST)]


def test_nor_archives_that_are_not_whole(run):
    made, _told = run
    repository = Repository([OLD[0] + engine.INCOMPLETE, NEW[0] + engine.INCOMPLETE])
    made.made, made.marked, made.lacking = {NEW[0] + engine.INCOMPLETE}, {"/repository"}, {engine.FILES}
    assert not made.save(repository)
    assert repository.forgot == []
    before.settle(["/repository"])
    assert not made.save(repository)
    assert repository.forgot == [(True, [OLD[0] + engine.INCOMPLETE])]


def test_a_restore_takes_what_was_before_until_all_is_back():
    repository = Repository(OLD + NEW)
    assert repository.newest_to_restore("files") == NEW[0]
    before.look(repository, NEW)
    assert [repository.newest_to_restore(series) for series in engine.SERIES] == NEWEST
    assert len(repository.told) == 2
    before.settle(["/repository"])
    assert repository.newest_to_restore("files") == NEW[0]


def test_where_room_is_made_what_was_before_stays_too():
    repository = Repository(OLD)
    before.look(repository)
    assert backup.make_room(repository, {"keep_daily": 1, "keep_weekly": 0, "keep_monthly": 0})
    assert repository.forgot == [(False, NEWEST)]


def test_what_is_restored_is_in_no_repository_that_was_begun_after_the_loss_until_all_is_back():
    old, new = Repository(OLD), Repository(NEW)
    new.location = "/anew"
    old.engine = new.engine = types.SimpleNamespace(repositories=["/anew", "/repository"])
    before.look(old)
    # As when it is made.
    before.write("/anew", False, [])
    assert old.newest_to_restore("files") == NEWEST[0]
    with pytest.raises(engine.Refused, match="before is in /repository: add --repository 2"):
        new.newest_to_restore("files")
    before.settle(["/anew", "/repository"])
    assert new.newest_to_restore("files") == NEW[0]
