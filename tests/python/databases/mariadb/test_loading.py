import contextlib
import io

import pytest
from rootless_backup.databases.mariadb import client, loading


def test_skips_what_names_the_database_of_an_older_dump(tmp_path):
    (tmp_path / "dump").write_bytes(b"-- x\nCREATE DATABASE /*!32312 IF NOT EXISTS*/ `a``b` /*!40100 x */;\n\nUSE `a``b`;\nUSE `other`;\n")
    with open(tmp_path / "dump", "rb") as file:
        heads = loading.heads(file, "a`b")
        assert file.tell() == 0
    assert heads == [b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a``b` /*!40100 x */;\n", b"USE `a``b`;\n"]


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
    monkeypatch.setattr(loading, "not_there", lambda _server, _path, errors: errors)
    assert loading.load_grants(None, "/dump", before, "globals") is False
    assert capsys.readouterr().out == (
        "<4>globals: left out, since it is for what is not there: ERROR 1146 (42S02): x\n"
        "<3>globals: not loaded: ERROR 1045 (28000): denied\n"
    )


@pytest.mark.parametrize("fails", [False, True])
def test_tells_nothing_of_a_grant_of_a_role_that_is_there_which_nobody_but_its_maker_can_grant_again(tmp_path, monkeypatch, capsys, fails):
    (tmp_path / "users.sql").write_text("CREATE ROLE x;\nGRANT `x` TO `a`@`b`;\nGRANT `x` TO `c`@`d`;\n")
    refused = ["ERROR 1698 (28000) at line %d: Access denied" % line for line in (2, 3)]
    monkeypatch.setattr(loading, "globals_in", lambda *_: refused)

    class Server:
        def dump(self, file, *_arguments):
            if fails:
                raise client.Incomplete
            file.write(b"GRANT `x` TO `a`@`b`;\n")

    assert loading.load_grants(Server(), str(tmp_path), refused, "globals") is False
    assert capsys.readouterr().out.count("not loaded: ERROR 1698") == (2 if fails else 1)
    (tmp_path / "users.sql").write_text("CREATE ROLE x;\nGRANT `x` TO `a`@`b`;\nGRANT `x` TO `a`@`b`;\n")
    assert loading.load_grants(Server(), str(tmp_path), refused, "globals") is not fails


def test_takes_the_character_set_of_an_older_dump_from_its_head(tmp_path):
    head = b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a` /*!40100 DEFAULT CHARACTER SET latin1 COLLATE latin1_bin */;\n"
    (tmp_path / "dump").write_bytes(head)
    assert loading.older_properties(str(tmp_path / "dump"), "a") == {"charset": "latin1", "collation": "latin1_bin"}
    assert loading.older_properties(str(tmp_path / "dump"), "b") == {}


class Server:
    """Keeps what it is asked, and answers by what is in the question."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def query(self, sql):
        self.asked.append(sql)
        return next((answer for part, answer in self.answers.items() if part in sql), [])


def test_sets_a_server_as_it_was_and_leaves_a_note_for_who_comes_after_one_that_was_killed():
    server = Server(GLOBAL=[["16777216", "1", "1"]])
    before = {"max_allowed_packet": 16777216, "strict_password_validation": 1, "automatic_sp_privileges": 1}
    with pytest.raises(ValueError, match="x"), loading.ready(server):
        made = server.asked[1]
        assert made.endswith("; " + loading.setting({**dict.fromkeys(before, 0), "max_allowed_packet": 1073741824}))
        assert loading.noted(made.split("COMMENT '")[1].split("'")[0]) == before
        raise ValueError("x")
    assert server.asked[2].startswith(
        "SET GLOBAL max_allowed_packet = 16777216; SET GLOBAL strict_password_validation = 1; SET GLOBAL automatic_sp_privileges = 1; "
        "DROP DATABASE restoring_"
    )


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "x",
        "[]",
        '{"max_allowed_packet": 1}',
        '{"max_allowed_packet": true, "strict_password_validation": 1, "automatic_sp_privileges": 1}',
        '{"max_allowed_packet": 1, "strict_password_validation": 1, "automatic_sp_privileges": 1, "general_log": 1}',
    ],
)
def test_takes_nothing_else_for_a_note(comment):
    assert loading.noted(comment) == {}


def test_fills_tables_by_an_account_that_refers_to_what_they_referred_to_and_nothing_else(monkeypatch):
    given = []

    @contextlib.contextmanager
    def holding(_server, rights, session):
        given.extend([*rights, session])
        yield None

    monkeypatch.setattr(loading.account, "holding", holding)
    with loading.filling(Server(VARIABLES=[["innodb_strict_mode", "ON"]]), "a", "SELECT", ["b_", "%" * 40]):
        pass
    assert given[:-1] == ["SELECT ON `a`.*", "REFERENCES ON `b\\_`.*"]
    assert given[-1].endswith("sql_mode = '', innodb_strict_mode = 0")


def test_names_a_table_that_came_back_in_another_engine():
    names = [("t", "InnoDB"), ("m", "MyISAM"), ("p", "MRG_MYISAM"), ("s", "InnoDB")]
    server = Server(ENGINE=[[each.encode().hex() for each in row] for row in names])
    tables = {"t": {"engine": "ROCKSDB"}, "m": {"engine": "MyISAM"}, "p": {"engine": "MRG_MyISAM"}, "s": {"engine": ""}}
    assert list(loading.other_engines(server, {"tables": tables}, "d")) == [
        'table "t" is of the engine InnoDB, since this server has no ROCKSDB'
    ]


def test_reads_so_much_of_a_dump_and_says_where_it_ends_before():
    assert b"".join(loading.blocks(io.BytesIO(b"USE `a`;\nabc"), 11, [b"USE `a`;\n"])) == b"ab"
    with pytest.raises(OSError, match="ends before its end"):
        list(loading.blocks(io.BytesIO(b"x" * 100_000), 100_001))
