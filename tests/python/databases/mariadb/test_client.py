import io

import pytest
from rootless_backup.databases.mariadb import client, loading


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


@pytest.mark.parametrize(
    ("name", "want"), [("shop", "shop"), ("a_b%", "a\\_b\\%"), ("_" * 33, "_" * 33), ("a" * 64, "a" * 64), ("_" * 32, "\\_" * 32)]
)
def test_gives_rights_in_one_database(name, want):
    assert loading.pattern_of(name) == want


def test_gives_no_rights_in_databases_that_a_long_name_stands_for():
    with pytest.raises(OSError, match="too long"):
        loading.pattern_of("%" * 33)


def test_skips_what_names_the_database_of_an_older_dump(tmp_path):
    (tmp_path / "dump").write_bytes(b"-- x\nCREATE DATABASE /*!32312 IF NOT EXISTS*/ `a``b` /*!40100 x */;\n\nUSE `a``b`;\nUSE `other`;\n")
    with open(tmp_path / "dump", "rb") as file:
        heads = loading.heads(file, "a`b")
        assert file.tell() == 0
    assert heads == [b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a``b` /*!40100 x */;\n", b"USE `a``b`;\n"]


def test_hears_an_error_behind_a_statement_of_any_length():
    found = []
    said = b"--------------\nINSERT INTO `t` VALUES ('%s')\n--------------\n\nERROR 1146 (42S02) at line 1: %s\n" % (
        b"xERROR" * 500,
        b"y" * 2000,
    )
    loading.hear(io.BytesIO(said), found)
    assert found == [b"ERROR 1146 (42S02) at line 1: " + b"y" * 970]


def test_tells_what_came_neither_before_nor_after_there_was_what_is_granted(monkeypatch, capsys):
    before = [
        "ERROR 1146 (42S02) at line 3: Table 'a.b' doesn't exist",
        "ERROR 1045 (28000) at line 4: denied",
        "ERROR 1146 (42S02) at line 7: x",
    ]
    after = [
        "ERROR 1045 (28000) at line 4: denied",
        "ERROR 1698 (28000) at line 5: no admin of the role",
        "ERROR 1146 (42S02) at line 7: x",
    ]
    monkeypatch.setattr(loading, "globals_in", lambda *_: after)
    assert loading.load_grants(None, "/dump", before, "globals") is False
    assert capsys.readouterr().out == (
        "<4>globals: left out, since it is for what is not there: ERROR 1146 (42S02): x\n"
        "<3>globals: not loaded: ERROR 1045 (28000): denied\n"
    )


def test_takes_the_character_set_of_an_older_dump_from_its_head(tmp_path):
    head = b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a` /*!40100 DEFAULT CHARACTER SET latin1 COLLATE latin1_bin */;\n"
    (tmp_path / "dump").write_bytes(head)
    assert loading.older_properties(str(tmp_path / "dump"), "a") == {"charset": "latin1", "collation": "latin1_bin"}
    assert loading.older_properties(str(tmp_path / "dump"), "b") == {}
