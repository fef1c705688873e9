import json
import subprocess

import pytest
from rootless_backup.databases import request, stop
from rootless_backup.databases.mariadb import client, definitions, dump, item

DEFINED = [("TRIGGER", "t"), ("VIEW", "v"), ("PACKAGE BODY", "b"), ("PACKAGE", "b"), ("EVENT", "e"), ("PROCEDURE", "p")]


class Server:
    """Keeps what it is told, and refuses what is named."""

    socket = "/s"

    def __init__(self, refuses=None, referred=()):
        self.refuses, self.referred, self.asked = refuses, referred, []

    def query(self, sql):
        if "REFERENTIAL" in sql:
            return [[each.encode().hex()] for each in self.referred]
        self.asked += [each for each in sql.split("; ") if not each.startswith("SET ")]
        if self.refuses and self.refuses in sql:
            raise subprocess.CalledProcessError(1, "mariadb", stderr=b"ERROR 1: no")
        return []


@pytest.fixture
def replaced(monkeypatch, tmp_path):
    """What a server is told when a database takes the place of another, and what becomes of that."""
    (tmp_path / "dump").touch()
    monkeypatch.setenv("BACKUP_DUMP", str(tmp_path))
    tables = {"d": {"old"}, "beside": {"new", "old"}}
    monkeypatch.setattr(dump, "tables_of", lambda _server, name: tables.get("beside" if name.startswith("restoring") else name))
    monkeypatch.setattr(dump, "properties_of", lambda *_: {"collation": "latin1_bin"})
    monkeypatch.setattr(definitions, "objects_of", lambda _server, name: DEFINED if name == "d" else DEFINED[:1])
    again = []

    class Making:
        pending = whys = ()

        def __init__(self, _server, lines, database, _origin):
            self.made = [(each["kind"], each["name"], database) for each, _line in lines]

        def attempt(self):
            again.extend(self.made)
            return len(self.made)

    def write(_server, file, _name, _collation):
        found = [{"kind": kind, "name": name, "broken": False} for kind, name in (("TRIGGER", "t"), ("VIEW", "v"))]
        file.write("".join("%s\n" % definitions.line(b"x") for _each in found).encode())
        return found, []

    monkeypatch.setattr(definitions, "Making", Making)
    monkeypatch.setattr(definitions, "write", write)
    monkeypatch.setattr(item.loading, "load_tables", lambda *_: [])

    def run(server):
        entry = {"database": "d", "properties": {"charset": "utf8mb4", "comment": "c"}, "definitions": [], "finished": "now"}
        asked = {"file": "dump", "name": "d", "into": "d"}
        it = item.Item(server, asked, {"dump": entry})
        with it.at_work():
            it.replace(False)
            it.result = item.RESTORED
        names = sorted({word.strip("`.*,") for each in server.asked for word in each.split("`") if word.startswith("restoring_")})
        return it.result, again, server.asked, names

    return run


class Keeping:
    """A server with one database, which has these tables, and keeps what it is told."""

    socket = "/s"

    def __init__(self, *tables):
        self.tables, self.asked = list(tables), []

    def query(self, sql):
        if "information_schema.TABLES" in sql:
            return [[each.encode().hex()] for each in self.tables]
        self.asked += sql.removeprefix("SET foreign_key_checks = 0; ").split("; ")
        return []


MARK = "restoring_%016x" % 7


@pytest.fixture
def begun(monkeypatch, tmp_path):
    """A database of which a restore that broke off left these tables, and the notes of the next one."""
    (tmp_path / "dump").touch()
    monkeypatch.setenv("BACKUP_DUMP", str(tmp_path))
    monkeypatch.setenv("BACKUP_REQUEST", str(tmp_path / "request.json"))
    monkeypatch.setattr(item.loading, "load_tables", lambda *_: [])
    stop.STOPPED.clear()
    entry = {"database": "d", "properties": {}, "definitions": [], "finished": "now"}

    def make(*tables, mark=MARK):
        server = Keeping(*tables)
        return item.Item(server, {"file": "dump", "name": "d", "into": "d"}, {"dump": entry}, mark), server

    def notes():
        return [json.loads(line) for line in (tmp_path / request.CAME_BACK).read_text().splitlines()]

    yield make, notes
    stop.STOPPED.clear()


def test_what_a_restore_that_broke_off_had_begun_is_made_anew_and_what_somebody_made_since_is_not(begun):
    make, notes = begun
    one, server = make("t", MARK)
    assert list(one.problems(False)) == []
    one.restore({"all": True, "over": False})
    assert one.result == item.RESTORED
    drop, create, mark = server.asked
    assert (drop, create) == ("DROP DATABASE IF EXISTS `d`", "CREATE DATABASE IF NOT EXISTS `d`")
    # Noted before it is there.
    assert notes() == [{"dump": one.mark}]
    assert one.mark == MARK
    assert mark == "CREATE TABLE `d`.`%s` (n INT PRIMARY KEY)" % one.mark
    for other, server in (make("t"), make("t", MARK, mark=""), make("t", "x", mark="x")):
        assert "is not empty" in next(other.problems(False))
        other.restore({"all": True, "over": False})
        assert (other.result, server.asked) == (item.NOT, [])


def test_one_that_is_restored_by_itself_has_no_mark(begun):
    make, _notes = begun
    one, server = make(mark="")
    one.restore({"over": False})
    assert (one.result, len(server.asked)) == (item.RESTORED, 2)
    one.unmark()
    assert len(server.asked) == 2


@pytest.mark.parametrize("stopped", [True, False])
def test_only_what_was_stopped_keeps_its_mark(begun, capsys, stopped):
    make, _notes = begun
    one, server = make()
    one.restore({"all": True, "over": False})
    name = one.mark
    if stopped:
        stop.stopping()
        one.settled()
    else:
        one.fail("view: no")
    one.end(False)
    one.unmark()
    one.tell_of_mark()
    assert one.result == item.IN_PART
    assert ("DROP TABLE IF EXISTS `d`.`%s`" % name in server.asked) is not stopped
    assert ("is not whole: `backupctl restore-db --once --all` makes it anew" in capsys.readouterr().out) is stopped


def test_takes_the_place_of_what_is_there_in_one_statement(replaced):
    result, again, asked, names = replaced(Server())
    (move,) = [each for each in asked if each.startswith("RENAME")]
    beside, away = (next(name for name in names if ("TO `d`" in move) and (end % name) in move) for end in ("`%s`.`new` TO", "TO `%s`"))
    assert move == "RENAME TABLE `d`.`old` TO `%s`.`old`, `%s`.`new` TO `d`.`new`, `%s`.`old` TO `d`.`old`" % (away, beside, beside)
    at = asked.index(move)
    # Before it goes only what keeps a table, or its name, where it is.
    assert [each for each in asked[:at] if "`d`" in each] == ["DROP TRIGGER IF EXISTS `d`.`t`", "DROP VIEW IF EXISTS `d`.`v`"]
    assert asked[at + 1 :] == [
        "DROP PROCEDURE IF EXISTS `d`.`p`",
        "DROP PACKAGE BODY IF EXISTS `d`.`b`",
        "DROP PACKAGE IF EXISTS `d`.`b`",
        "DROP EVENT IF EXISTS `d`.`e`",
        "ALTER DATABASE `d` CHARACTER SET utf8mb4 COMMENT 'c'",
        "DROP DATABASE IF EXISTS `%s`" % away,
        "DROP DATABASE IF EXISTS `%s`" % beside,
    ]
    assert (result, again) == (item.RESTORED, [])


def test_leaves_what_is_there_where_it_is_if_it_cannot_be_moved(replaced):
    result, again, asked, names = replaced(Server(refuses="RENAME"))
    assert (result, again) == (item.NOT, [("TRIGGER", "t", "d"), ("VIEW", "v", "d")])
    assert not [each for each in asked if each.startswith(("DROP TABLE", "DROP DATABASE IF EXISTS `d`"))]
    assert {each for each in asked if each.startswith("DROP DATABASE")} == {"DROP DATABASE IF EXISTS `%s`" % name for name in names}


def test_leaves_tables_that_others_refer_to_where_their_keys_find_them(replaced):
    result, _again, asked, names = replaced(Server(referred=["d", "other"]))
    drop, move = (next(each for each in asked if each.startswith(word)) for word in ("DROP TABLE", "RENAME"))
    assert (drop, move.startswith("RENAME TABLE `%s`.`new` TO `d`.`new`" % move.split("`")[1])) == ("DROP TABLE `d`.`old`", True)
    assert asked.index("ALTER DATABASE `%s` COMMENT '%s" % (move.split("`")[1], dump.WHOLE.split("; ")[0])) < asked.index(drop)
    assert (result, len(names)) == (item.RESTORED, 2)


def test_keeps_what_was_loaded_if_it_is_all_that_there_is(replaced, capsys):
    result, _again, asked, _names = replaced(Server(refuses="RENAME", referred=["other"]))
    assert (result, [each for each in asked if each.startswith("DROP DATABASE")]) == (item.NOT, [])
    assert "was not restored to its end. What was loaded is database restoring_" in capsys.readouterr().out


def test_is_at_work_though_a_database_is_gone(replaced, monkeypatch, capsys):
    def gone(*_):
        raise client.Incomplete("It is gone.")

    monkeypatch.setattr(dump, "properties_of", gone)
    assert replaced(Server())[0] == item.NOT
    assert "what was there is as it was. It is gone." in capsys.readouterr().out
