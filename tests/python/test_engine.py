"""Which archive is the newest, whatever a clock said."""

import pytest
from rootless_backup import engine

NOW = 1769824800  # 2026-01-31T02:00:00Z
NAMES = ["web-files-2026-01-30T02:00:00Z", "web-files-2026-01-31T02:00:00Z", "web-files-2031-01-01T00:00:00Z"]


class Voice:
    def __init__(self):
        self.told = []

    def warning(self, text):
        self.told.append(text)


class Repository(engine.Repository):
    def __init__(self, names):
        self.names, self.voice, self.prefix, self.location = names, Voice(), "web", "/repository"

    def archives(self, *_):
        return sorted(self.names, key=engine.age)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    real = engine.time.gmtime
    monkeypatch.setattr(engine.time, "gmtime", lambda *when: real(*when or (NOW,)))


def test_what_is_of_a_time_to_come_is_older_than_all_others():
    later = "web-dumps-2026-01-31T02:00:01Z.incomplete"
    assert sorted([*reversed(NAMES), later], key=engine.age) == [later, NAMES[2], NAMES[0], NAMES[1]]


@pytest.mark.parametrize(("names", "want", "told"), [(NAMES, NAMES[1], 1), (NAMES[:2], NAMES[1], 0), (NAMES[2:], NAMES[2], 0)])
def test_the_newest_is_not_of_a_time_to_come_unless_all_are_which_is_told(names, want, told):
    repository = Repository(names)
    assert repository.newest("files") == want
    assert len(repository.voice.told) == told
    assert all(NAMES[2] in text for text in repository.voice.told)
