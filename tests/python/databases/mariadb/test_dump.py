import contextlib
import os
import signal
import subprocess

import pytest
from rootless_backup.databases.mariadb import client, contents, dump
from rootless_backup.records import manifest


@pytest.mark.parametrize(
    ("name", "want"),
    [("plain", "plain"), ("my app", "my%20app"), ("..", "%2E%2E"), ("a/b", "a%2Fb"), ("%", "%25"), ("é", "é"), ("\x1f\x7f`", "%1F%7F%60")],
)
def test_names_the_dump_of_any_name(name, want):
    assert dump.file_name(name) == "databases/%s.sql" % want


@pytest.mark.parametrize("letter", ["あ", "/", "ü"])
def test_names_the_longest_name_so_that_a_file_may_have_it(letter):
    assert len((dump.file_name(letter * 64).split("/")[1] + ".partial").encode()) <= 255


def test_makes_a_database_as_it_was():
    properties = {"charset": "latin1", "collation": "latin1_bin", "comment": "it's \\"}
    want = "CREATE DATABASE IF NOT EXISTS `a``b` CHARACTER SET latin1 COLLATE latin1_bin COMMENT 'it''s \\\\'"
    assert dump.create_database("a`b", properties) == want
    assert dump.create_database("a", {"charset": "x; DROP DATABASE b"}) == "CREATE DATABASE IF NOT EXISTS `a`"


def test_counts_and_sums_the_rows_of_a_dump_in_any_order(tmp_path):
    head = b"CREATE TABLE `empty` (\n  `a` int\n) ENGINE=InnoDB;\nCREATE TABLE `a``b` (\n"
    sequence = b"DO SETVAL(`s`, 7, 0);\n"
    (tmp_path / "1").write_bytes(head + b"INSERT INTO `a``b` VALUES\n(1,'x'),\n(2,'y');\nUNLOCK TABLES;\n(9);\n" + sequence)
    (tmp_path / "2").write_bytes(head + b"INSERT INTO `a``b` (`n`, row_start) VALUES (2,'y'),\n(1,'x');\n" + sequence)
    first, second = (contents.tables_in(str(tmp_path / name), 0, (tmp_path / name).stat().st_size) for name in "12")
    assert first == second
    assert {name: table["rows"] for name, table in first.items()} == {"empty": 0, "a`b": 2, "s": 1}
    (tmp_path / "3").write_bytes((tmp_path / "1").read_bytes().replace(b"'x'", b"'z'").replace(b" 7,", b" 8,"))
    other = contents.tables_in(str(tmp_path / "3"), 0, (tmp_path / "3").stat().st_size)
    assert {name for name in first if first[name] != other[name]} == {"a`b", "s"}


PARTED = (
    b"CREATE TABLE `p` (\n  `n` int(11),\n  KEY `n` (`n`)\n) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=latin1\n"
    b" PARTITION BY RANGE (`n`)\n(PARTITION `a` VALUES LESS THAN (9) ENGINE = InnoDB);\n"
    b"INSERT INTO `p` VALUES\n(1),\n(2);\n(3);\n"
)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (b"AUTO_INCREMENT=7 ", b"", True),
        (b"(1),\n(2)", b"(2),\n(1)", True),
        (b"ENGINE=InnoDB", b"ENGINE=Aria", False),
        (b"KEY `n`", b"UNIQUE KEY `n`", False),
        (b"THAN (9)", b"THAN (8)", False),
    ],
)
def test_knows_how_a_table_is_made_and_takes_no_partition_for_a_row(tmp_path, old, new, same):
    tables = []
    for name, text in (("1", PARTED), ("2", PARTED.replace(old, new))):
        (tmp_path / name).write_bytes(text)
        tables.append(contents.tables_in(str(tmp_path / name), 0, len(text))["p"])
    assert (tables[0]["rows"], tables[0]["engine"]) == (2, "InnoDB")
    assert (tables[0] == tables[1]) is same


class Folding:
    """A server with tables and views, whose mariadb-dump ignores names without regard to case."""

    def __init__(self, tables, views, lost=()):
        self.tables, self.views, self.lost = tables, views, lost

    def query(self, sql):
        return [[each.encode().hex()] for each in (self.views if "'VIEW'" in sql else self.tables)]

    def dump(self, file, *arguments):
        ignored = {each.split("=d.")[1].lower() for each in arguments if each.startswith("--ignore-table=")}
        names = arguments[arguments.index("--") + 2 :] or [each for each in self.tables if each.lower() not in ignored]
        file.write(b"".join(b"CREATE TABLE `%s` (\n) ENGINE=InnoDB;\n" % each.encode() for each in names if each not in self.lost))
        file.flush()


@pytest.mark.parametrize(
    ("server", "lacking"),
    [
        (Folding(["orders", "a"], ["Orders"]), []),
        (Folding(["orders", "a"], ["other"]), []),
        (Folding(["orders", "a"], ["Orders"], ["a"]), ['table "a"']),
    ],
)
def test_saves_a_table_though_a_view_has_nearly_its_name_and_says_what_is_missing(tmp_path, server, lacking):
    with open(tmp_path / "dump", "wb") as file:
        file.write(b"USE `d`;\n")
        file.flush()
        tables, missing = dump.dump_tables(server, file, "d")
    assert (set(tables), missing) == ({"orders", "a"} - set(server.lost), lacking)


@pytest.mark.parametrize(
    ("grant", "own"),
    [
        ("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO `backup`@`localhost`", False),
        ("GRANT USAGE ON *.* TO `EXECUTE`@`localhost`", False),
        ("GRANT ALL PRIVILEGES ON *.* TO `mysql`@`localhost` WITH GRANT OPTION", True),
        ("GRANT SELECT, EXECUTE ON *.* TO `backup`@`localhost`", True),
        ("GRANT EXECUTE ON FUNCTION `d`.`f` TO `backup`@`localhost`", True),
    ],
)
def test_shows_views_for_an_account_that_calls_no_function(monkeypatch, capsys, grant, own):
    class Server:
        session = "SET a = b"

        def query(self, sql):
            return [[grant]] if sql == "SHOW GRANTS" else []

    @contextlib.contextmanager
    def holding(_server, rights, purpose, session):
        assert (rights, purpose, session) == (["EVENT, SELECT, SHOW VIEW, TRIGGER ON *.*"], "dump", Server.session)
        yield "shower"

    monkeypatch.setattr(dump.account, "holding", holding)
    server = Server()
    with dump.showing(server) as shower:
        assert shower == ("shower" if own else server)
    assert capsys.readouterr().out == ""


def test_saves_all_the_same_where_there_can_be_no_such_account(capsys):
    class Server:
        session = ""

        def query(self, sql):
            if sql == "SHOW GRANTS":
                return [["GRANT ALL PRIVILEGES ON *.* TO `mysql`@`localhost`"]]
            raise subprocess.CalledProcessError(1, "mariadb", stderr=b"ERROR 1290: no")

    server = Server()
    with dump.showing(server) as shower:
        assert shower is server
    assert "take EXECUTE from that. ERROR 1290: no" in capsys.readouterr().out


def test_when_it_is_ended_the_manifest_tells_of_every_dump_that_is_in_its_place(tmp_path, monkeypatch):
    def ended(_server, _settings):
        with manifest.Manifest(str(tmp_path), every=3600) as kept:
            kept.put("first.sql", {"sha256": "0" * 64, "size": 1, "database": "first"})
            kept.put("second.sql", {"sha256": "0" * 64, "size": 2, "database": "second"})
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()

    monkeypatch.setattr(client, "connected", lambda _options: contextlib.nullcontext())
    monkeypatch.setattr(client, "settings", dict)
    monkeypatch.setattr(dump, "dump_server", ended)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit):
            dump.dump_all()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert set(manifest.read(str(tmp_path / "manifest.json"))["files"]) == {"first.sql", "second.sql"}
