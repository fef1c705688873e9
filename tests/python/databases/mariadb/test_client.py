import io
import os
import subprocess
import time

import pytest
from rootless_backup.databases.mariadb import client


def test_quotes_what_an_option_file_holds():
    want = '[client]\nprotocol="socket"\nsocket="/s"\nuser="a"\npassword="#1 \\"x\\" \\\\n \'y\' ;"\n'
    assert client.client_options("a", "/s", "#1 \"x\" \\n 'y' ;") == want


def test_reads_a_field_as_it_was():
    assert client.unescaped(b"a\\nb\\\\n\\tc\\0\xff") == b"a\nb\\n\tc\0\xff"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("x\n-- Dump completed\n", True),
        ("x\n-- Dump completed\nINSERT", False),
        ("INSERT", False),
        ("", False),
        ("-- Dump completed\n", False),
    ],
)
def test_takes_a_dump_for_whole_only_if_it_says_so_at_its_end(tmp_path, text, want):
    (tmp_path / "dump").write_text(text)
    assert client.is_complete(str(tmp_path / "dump")) is want


def test_hears_an_error_behind_a_statement_of_any_length():
    found = []
    said = b"--------------\nINSERT INTO `t` VALUES ('%s')\n--------------\n\nERROR 1146 (42S02) at line 1: %s\n" % (
        b"xERROR" * 500,
        b"y" * 2000,
    )
    client.hear(io.BytesIO(said), found)
    assert found == [b"ERROR 1146 (42S02) at line 1: " + b"y" * 970]


@pytest.fixture
def mariadb(tmp_path, monkeypatch):
    """A server whose client is a script."""

    def made(script, seconds=None):
        (tmp_path / "mariadb").write_text("#!/bin/sh\n" + script)
        (tmp_path / "mariadb").chmod(0o755)
        monkeypatch.setenv("PATH", "%s:%s" % (tmp_path, os.environ["PATH"]))
        return client.Server("/options", "a", "/s", client.SESSION).limited(seconds)

    return made


@pytest.mark.parametrize(
    "ask",
    [
        lambda server: server.run([b"SELECT SLEEP(1e6);\n"], "d"),
        lambda server: server.refused(["SELECT SLEEP(1e6);"], "d"),
        lambda server: list(server.rows("SELECT SLEEP(1e6);", "d")),
        lambda server: server.query("SELECT SLEEP(1e6)"),
    ],
)
def test_ends_what_takes_longer_than_it_may(mariadb, ask):
    begun = time.monotonic()
    with pytest.raises(client.Incomplete, match="longer than 1 seconds"):
        ask(mariadb("exec sleep 60", 1))
    assert time.monotonic() < begun + 20


def test_says_so_where_the_client_ends_before_it_has_read_all(mariadb):
    assert mariadb("exec 0<&-; exit 3").run([b"x" * (1 << 20)] * 2, "d") == ["ERROR: the client ended with 3"]


def test_tells_why_which_lines_were_refused(mariadb):
    script = "cat > /dev/null; echo 'ERROR 1146 (42S02) at line 2: a' >&2; echo 'ERROR 1 (x) at line 2: b' >&2; exit 1"
    assert mariadb(script).refused(["x"] * 3, "d") == {1: "1146 (42S02): a"}
    with pytest.raises(Exception, match="non-zero") as error:
        mariadb("cat > /dev/null; echo 'ERROR 2002 (HY000): gone' >&2; exit 1").refused(["x"], "d")
    assert error.value.stderr == b"ERROR 2002 (HY000): gone"


def test_reads_rows_one_after_another_and_knows_a_server_that_is_gone(mariadb):
    assert list(mariadb("printf '1\\na\\\\nb\\tc\\n'").rows("x", "d")) == [[b"1"], [b"a\nb", b"c"]]
    refused = "echo 'ERROR 1305 (42000) at line 2: no' >&2; exit 1"
    assert list(mariadb(refused).rows("x", "d")) == []
    with pytest.raises(Exception, match="non-zero"):
        list(mariadb(refused.replace("1305", "2013")).rows("x", "d"))


@pytest.mark.parametrize(("waits", "want"), [(True, client.Incomplete), (False, subprocess.CalledProcessError)])
def test_ends_what_waits_for_a_lock_for_too_long_and_says_why_a_dump_failed(mariadb, monkeypatch, tmp_path, waits, want):
    monkeypatch.setattr(client, "LOCK_WAIT", 0.04)
    script = 'read said; echo "$said" >> %s/said; case $said in KILL*) touch %s/killed;; *) %s;; esac' % (
        tmp_path,
        tmp_path,
        "echo 7" if waits else "true",
    )
    server = mariadb(script)
    (tmp_path / "mariadb-dump").write_text(
        "#!/bin/sh\n%s\nexit 2\n" % ("until [ -e %s/killed ]; do sleep 0.01; done" % tmp_path if waits else "")
    )
    (tmp_path / "mariadb-dump").chmod(0o755)
    with open(tmp_path / "dump", "wb") as file, pytest.raises(want):
        server.dump(file, "d")
    assert ("KILL QUERY 7" in (tmp_path / "said").read_text() if (tmp_path / "said").exists() else False) is waits
