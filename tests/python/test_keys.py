"""What anybody gives as a public key is parsed and made anew; a private one is made whole or not at all."""

import base64
import importlib.util
import pathlib
import stat

import pytest

PATH = pathlib.Path(__file__).parents[2] / "plugins/plugin_utils/keys.py"
spec = importlib.util.spec_from_file_location("keys", PATH)
keys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(keys)

INSIDE = (11).to_bytes(4, "big") + b"ssh-ed25519" + (32).to_bytes(4, "big") + bytes(32)
GOOD = "ssh-ed25519 " + base64.b64encode(INSIDE).decode()


def test_a_key_comes_back_without_what_else_was_said():
    assert keys.public_key((GOOD + " whose it is\nssh-rsa another\n").encode()) == GOOD


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ssh-ed25519",
        "ssh-dss " + base64.b64encode(INSIDE).decode(),
        "ssh-rsa " + base64.b64encode(INSIDE).decode(),
        "ssh-ed25519 " + base64.b64encode(INSIDE[:30]).decode(),
        'command="id" ' + GOOD,
        "ssh-ed25519 AAAA\x1b[2J",
        "ssh-ed25519 " + "A" * 8000,
    ],
)
def test_what_is_no_key_is_refused(given):
    with pytest.raises(keys.Unusable):
        keys.public_key(given.encode())


def test_a_line_of_authorized_keys_quotes_its_command():
    line = keys.authorized('borg serve --path "a b"', GOOD, "backup@web")
    assert line == 'command="borg serve --path \\"a b\\"",restrict %s backup@web' % GOOD


def test_a_key_that_is_made_is_for_nobody_else_and_tells_its_public_one(tmp_path):
    path = tmp_path / "repository-key"
    keys.make(str(path), "backup@web")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.of_private(str(path)) is not None
    assert [each.name for each in tmp_path.iterdir()] == ["repository-key"]


def test_of_two_keys_that_are_made_at_the_same_time_the_first_one_is_that_of_both(tmp_path):
    path = tmp_path / "repository-key"
    keys.make(str(path), "backup@web")
    first = path.read_bytes()
    # Whoever saw no key a moment ago.
    keys.make(str(path), "backup@web")
    (tmp_path / "ssh-key").write_text("another")
    keys.copy(str(tmp_path / "ssh-key"), str(path))
    assert path.read_bytes() == first
    assert sorted(each.name for each in tmp_path.iterdir()) == ["repository-key", "ssh-key"]


def test_the_public_key_of_one_that_was_moved_away_is_not_that_of_the_new_one(tmp_path):
    (tmp_path / "repository-key.pub").write_text(GOOD)
    keys.make(str(tmp_path / "repository-key"), "backup@web")
    assert [each.name for each in tmp_path.iterdir()] == ["repository-key"]
    (tmp_path / "repository-key").rename(tmp_path / "ssh-key")
    (tmp_path / "repository-key.pub").write_text(GOOD)
    keys.copy(str(tmp_path / "ssh-key"), str(tmp_path / "repository-key"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["repository-key", "ssh-key"]


def test_where_a_file_can_have_no_second_name_it_is_renamed(tmp_path, monkeypatch):
    def refuse(*_given):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(keys.os, "link", refuse)
    keys.make(str(tmp_path / "repository-key"), "backup@web")
    first = (tmp_path / "repository-key").read_bytes()
    keys.make(str(tmp_path / "repository-key"), "backup@web")
    assert (tmp_path / "repository-key").read_bytes() == first
    assert [each.name for each in tmp_path.iterdir()] == ["repository-key"]


def test_what_is_no_private_key_tells_none(tmp_path):
    (tmp_path / "key").write_text("nothing")
    (tmp_path / "key").chmod(0o600)
    assert keys.of_private(str(tmp_path / "key")) is None
