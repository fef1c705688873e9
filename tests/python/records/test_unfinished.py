"""What is known of archives that are not whole though their names do not say so."""

import pytest
from rootless_backup import backup, engine, host
from rootless_backup.records import unfinished


class Repository(engine.Repository):
    """Holds archives in memory."""

    def __init__(self, names):
        self.location, self.prefix, self.there, self.stuck = "/repository", "web", list(names), set()

    def archives(self, series, **_which):
        return [name for name in self.there if "-%s-" % series in name]

    def remove(self, archive):
        if archive in self.stuck:
            return False
        self.there.remove(archive)
        return True

    def forget(self, *_rules, **_which):
        return True, []

    def compact(self):
        return True


GOOD, LACKS = "web-files-2026-01-01T01:00:00Z", "web-files-2026-01-02T01:00:00Z"


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "STATE", str(tmp_path))


def test_what_was_noted_stays_noted_until_it_is_gone():
    repository = Repository([GOOD, LACKS])
    unfinished.note(repository.location, {LACKS})
    repository.stuck = {LACKS}
    assert not backup.drop_lacking(repository)
    assert unfinished.names(repository.location) == {LACKS}
    repository.stuck = set()
    assert backup.drop_lacking(repository)
    assert (repository.there, unfinished.names(repository.location)) == ([GOOD], set())


def test_what_is_not_whole_is_not_the_newest():
    repository = Repository([GOOD, LACKS])
    unfinished.note(repository.location, {LACKS})
    assert repository.newest("files") == GOOD


@pytest.mark.parametrize(("there", "stay"), [([GOOD, LACKS], [GOOD]), ([LACKS], [LACKS])])
def test_where_room_is_made_what_is_not_whole_takes_no_place_of_what_is(there, stay):
    repository = Repository(there)
    unfinished.note(repository.location, {LACKS})
    assert backup.make_room(repository, {"keep_daily": 1, "keep_weekly": 0, "keep_monthly": 0})
    assert repository.there == stay


@pytest.mark.parametrize(
    ("others", "count"),
    [
        ({"other-files-2026-01-01T00:00:00Z": "2026-01-01T00:00:00"}, 1),
        ({"other-files-2025-01-01T00:00:00Z": "2025-01-01T00:00:00", "other-files-2026-06-01T00:00:00Z": "2026-06-01T00:00:00"}, 0),
        ({"by hand": "2024-05-05T00:00:00", "other-2026-05-31": "2026-05-31T00:00:00"}, 1),
    ],
)
def test_archives_of_a_host_that_saves_still_are_its_own_concern(others, count):
    assert backup.left_alone(others, "2026-05-01") == count
