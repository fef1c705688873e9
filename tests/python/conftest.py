"""The package as a host has it: each role's part of it in one."""

import json
import pathlib
import sys

import pytest

sys.dont_write_bytecode = True
ROLES = pathlib.Path(__file__).parents[2] / "roles"
PROGRAMS = "files/usr/local/lib/backup"
sys.path.insert(0, str(ROLES / "backup" / PROGRAMS))

import rootless_backup.databases  # the path has to be set first

rootless_backup.__path__ += [str(ROLES / role / PROGRAMS / "rootless_backup") for role in ("borg", "repository")]
rootless_backup.databases.__path__ += [
    str(ROLES / role / PROGRAMS / "rootless_backup/databases") for role in ("postgres", "mariadb", "sqlite")
]
RECORDED = pathlib.Path(__file__).parent / "recorded"


@pytest.fixture(scope="session")
def recorded():
    """What a host said, by the name of the file."""
    return lambda name: (RECORDED / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def recorded_lines(recorded):
    """The same, of a file with JSON in each line."""
    return lambda name: [json.loads(line) for line in recorded(name).splitlines()]


class Pieces:
    """A stream that gives so many bytes at once, whatever is asked for."""

    def __init__(self, text, length):
        self.text, self.length = text.encode(), length

    def read(self, _size):
        piece, self.text = self.text[: self.length], self.text[self.length :]
        return piece


@pytest.fixture(scope="session")
def pieces():
    return Pieces
