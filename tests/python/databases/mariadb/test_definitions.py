import contextlib
import io
import tracemalloc

import pytest
from rootless_backup.databases.mariadb import definitions

WHO = b"CREATE DEFINER=`o``x`@`%` "


def test_what_an_owner_wrote_stands_in_a_line_in_hex():
    body = b"SELECT 1;;\nDELIMITER ;\nDROP DATABASE mysql; -- \xe7\x5c"
    line = definitions.line(body, "gbk", "gbk_bin", "ANSI_QUOTES", "Europe/Berlin")
    assert definitions.LINE.fullmatch(line)["made"] == body.hex()
    assert line.count("\n") == 0


@pytest.mark.parametrize(
    "line",
    [
        "DROP DATABASE mysql;",
        definitions.line(b"x") + " DROP DATABASE mysql;",
        definitions.line(b"x").replace("SYSTEM", "SYSTEM' DROP"),
        definitions.line(b"x").replace("0x", "0xzz"),
        definitions.line(b"x").replace("0x", "0xf"),
    ],
)
def test_nothing_else_is_taken_for_a_line(tmp_path, line):
    (tmp_path / "dump").write_text("-- VIEW v\n%s\n" % line)
    entry = {"parts": [0, 0], "definitions": [{"kind": "VIEW", "name": "v", "broken": False}]}
    with pytest.raises(ValueError, match="not what the manifest tells of"):
        definitions.lines_in(str(tmp_path / "dump"), entry)


def test_sets_what_was_the_collation_of_the_database():
    row = [b"p", b"STRICT_ALL_TABLES", WHO + b"PROCEDURE `p`() SELECT 1", b"latin1", b"latin1_bin", b"utf8mb4_bin"]
    same, other = (definitions.line_of("PROCEDURE", row, collation) for collation in ("utf8mb4_bin", "latin1_bin"))
    assert all(map(definitions.LINE.fullmatch, (same, other)))
    assert "ALTER DATABASE" not in same
    assert other.startswith("SET @made = NULL; ALTER DATABASE COLLATE utf8mb4_bin; SET character_set_client = latin1, ")
    assert other.endswith("EXECUTE IMMEDIATE @made; ALTER DATABASE COLLATE latin1_bin;")


@pytest.mark.parametrize(
    ("kind", "made", "want"),
    [
        ("TRIGGER", b"TRIGGER tr AFTER DELETE ON t FOR EACH ROW SET @a = 1", b"TRIGGER tr AFTER DELETE ON t FOR EACH ROW SET @a = 1"),
        ("TRIGGER", b"trigger `d`.`t.r` before insert on d . `t` for each row x", b"trigger `t.r` before insert on `t` for each row x"),
        ("TRIGGER", b"TRIGGER /* d. */ d.tr BEFORE INSERT ON d.t FOR EACH ROW x", None),
        (
            "EVENT",
            b"EVENT `e ENABLE` ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE DO SELECT 1",
            b"DIS",
        ),
        ("EVENT", b"EVENT `e` ON SCHEDULE AT '2030-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE ON SLAVE DO SELECT 1", b"same"),
        ("EVENT", b"EVENT `e` ON SOMETHING NEW ENABLE DO SELECT 1", None),
        ("PROCEDURE", b"PROCEDURE `p`() SELECT 1", b"same"),
    ],
)
def test_in_another_database_a_trigger_is_of_that_and_an_event_does_not_run(kind, made, want):
    moved = definitions.moved(kind, definitions.line(WHO + made))
    want = {b"same": made, b"DIS": made.replace(b"PRESERVE ENABLE", b"PRESERVE DISABLE")}.get(want, want)
    assert moved == (None if want is None else definitions.line(WHO + want))


MADE = b"CREATE ALGORITHM=UNDEFINED DEFINER=`o`@`%` SQL SECURITY DEFINER VIEW `v` AS select f()"


def view_of(name="v", made=MADE):
    row = [name.encode(), made, b"utf8mb4", b"utf8mb4_bin"]
    return {"kind": "VIEW", "name": name, "broken": False}, definitions.line_of("VIEW", row, "utf8mb4_bin")


@pytest.fixture
def lines(tmp_path):
    """Statements as they are read from a dump."""

    def made(pairs):
        text = "".join("\n-- %s x\n%s\n" % (each["kind"], line) for each, line in pairs)
        (tmp_path / "dump").write_text(text + "-- Dump completed\n")
        return definitions.lines_in(str(tmp_path / "dump"), {"parts": [0, 0], "definitions": [each for each, _line in pairs]})

    return made


def test_a_statement_is_read_when_it_is_made(lines):
    pairs = [view_of("a"), view_of("b")]
    found = lines([(pairs[0][0], definitions.COMMENT + pairs[0][1]), pairs[1]])
    assert [(each["name"], line.read()) for each, line in found] == [(each["name"], line) for each, line in pairs]
    assert found[0][1].sum == found[1][1].sum


def test_a_long_statement_takes_little_more_memory_than_it_has(lines):
    pair = view_of(made=MADE + b" " * (4 << 20))
    tracemalloc.start()
    lines([pair])
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 12 * (4 << 20)


def test_nothing_takes_the_place_of_a_view_that_was_not_shown(lines):
    place = {"kind": definitions.PLACE, "name": "gone", "broken": False}, definitions.line(definitions.place_of("gone", ["a"]))
    assert [each["name"] for each, _line in lines([place, view_of()])] == ["v"]


class Server:
    """Refuses what an account may not do, and keeps what it was asked; `made` is shared by all of its accounts."""

    seconds = None

    def __init__(self, refuses=lambda *_: None, rights=None):
        self.refuses, self.rights, self.sent = refuses, rights, []

    def refused(self, texts, _database):
        found = {}
        for number, text in enumerate(texts):
            self.sent.append((self.rights, text))
            why = self.refuses(self.rights, text)
            if why:
                found[number] = why
        return found


@pytest.fixture(autouse=True)
def accounts(monkeypatch):
    @contextlib.contextmanager
    def holding(server, rights):
        other = Server(server.refuses, tuple(rights))
        other.sent = server.sent
        yield other

    monkeypatch.setattr(definitions.account, "holding", holding)
    monkeypatch.setattr(definitions.account, "inside", lambda _server, database: "`%s`.*" % database)


def may_call(rights):
    return any("EXECUTE" in each for each in rights)


def test_no_account_that_may_see_or_change_more_than_one_database_calls_a_function():
    for rights in definitions.VIEWERS:
        for each in rights:
            privileges, where = each.split(" ON ")
            allowed = {
                "*.*": {"SELECT", "SET USER"},
                "%(database)s": {"CREATE VIEW", "DROP", "SHOW VIEW", "SELECT", "EXECUTE"},
                "%(origin)s": {"EXECUTE"},
            }
            assert set(privileges.split(", ")) <= allowed[where]
        everywhere = {privilege for each in rights if each.endswith("*.*") for privilege in each.split(" ON ")[0].split(", ")}
        assert not (may_call(rights) and "SELECT" in everywhere)


def test_a_view_is_made_by_an_account_that_calls_no_function(lines):
    server = Server()
    assert definitions.Making(server, lines([view_of()]), "d", "d").attempt() == 1
    (rights, _text), *more = server.sent
    assert (rights, may_call(rights), more) == (("CREATE VIEW, DROP, SHOW VIEW ON `d`.*", "SET USER ON *.*", "SELECT ON *.*"), False, [])


def test_a_view_that_calls_one_is_made_by_an_account_of_its_database_or_as_its_definer_and_by_nobody_who_may_more(lines):
    server = Server(lambda rights, _text: ("1142 (42000): SELECT denied" if may_call(rights) else "1370 (42000): no") if rights else None)
    making = definitions.Making(server, lines([view_of()]), "d", "d")
    assert making.attempt() == 1
    assert [rights and may_call(rights) for rights, _text in server.sent] == [False, True, None]
    last = server.sent[-1][1]
    assert last.startswith("SET @made = NULL; ")
    assert "; CREATE DEFINER=`o`@`%` PROCEDURE backup_view_" in last
    assert b"CREATE OR REPLACE".hex() not in last
    assert b"DROP VIEW IF EXISTS `v`".hex() in last
    assert last.count("EXECUTE IMMEDIATE @made; CALL backup_view_") == 1
    assert making.pending == []


def test_in_another_database_a_view_calls_the_functions_of_the_one_that_it_was_in(lines):
    server = Server(lambda rights, _text: "1370 (42000): execute command denied" if rights and not may_call(rights) else None)
    assert definitions.Making(server, lines([view_of()]), "new", "old").attempt() == 1
    assert server.sent[-1][0][-2:] == ("SELECT, EXECUTE ON `new`.*", "EXECUTE ON `old`.*")


def test_what_is_refused_for_another_reason_is_tried_by_nobody_else(lines):
    server = Server(lambda _rights, text: "1146 (42S02): no table" if b"VIEW `w`".hex() in text else None)
    making = definitions.Making(server, lines([view_of(), view_of("w", MADE.replace(b"`v`", b"`w`"))]), "d", "d")
    assert making.attempt() == 1
    assert ([each["name"] for each, _line in making.pending], making.whys) == (["w"], ["1146 (42S02): no table"])
    assert len(server.sent) == 2


def test_views_are_tried_again_as_long_as_one_more_is_made(lines):
    order = ["c", "b", "a"]
    there = set()

    def refuses(_rights, text):
        name = next(each for each in order if ("VIEW `%s`" % each).encode().hex() in text)
        if set(order[order.index(name) + 1 :]) - there:
            return "1054 (42S22): Unknown column"
        there.add(name)
        return None

    pairs = [view_of(each, MADE.replace(b"`v`", b"`%s`" % each.encode())) for each in order]
    makings = [definitions.Making(Server(refuses), [each], "d", "d") for each in lines(pairs)]
    definitions.in_rounds([each.attempt for each in makings])
    assert [(each.pending, each.whys) for each in makings] == [([], [])] * 3


class Showing:
    """A server that shows what it is asked for, but for what is gone."""

    def __init__(self, gone=(), columns=()):
        self.gone, self.columns = gone, columns

    def query(self, sql):
        if "COLUMNS" in sql:
            return [[each.encode().hex() for each in pair] for pair in self.columns]
        objects = [("VIEW", "v"), ("VIEW", "w"), ("EVENT", "e"), ("PROCEDURE", "p"), ("TRIGGER", "t"), ("FUNCTION", "f")]
        return [[kind, name.encode().hex(), "", "0"] for kind, name in objects]

    def rows(self, sql, _database):
        for number, line in [each.split("\n") for each in sql.strip(";\n").split("binary;\nSELECT ")[1].split(";\nSELECT ")]:
            kind, name = line[len("SHOW CREATE ") :].split(" ")
            yield [number.strip(";").encode()]
            made = b"CREATE DEFINER=`o`@`%` " + kind.encode()
            if kind == "VIEW":
                invoker = b"INVOKER" if name == "`w`" else b"DEFINER"
                yield [name.encode(), MADE.replace(b"SECURITY DEFINER", b"SECURITY " + invoker), b"utf8mb4", b"utf8mb4_bin"]
            elif name.strip("`") not in self.gone:
                mode = [b"SYSTEM", made] if kind == "EVENT" else [made]
                yield [name.encode(), b"", *mode, b"utf8mb4", b"utf8mb4_bin", b"utf8mb4_bin", b"now"]


def test_writes_each_object_behind_what_it_needs_and_says_what_is_not_shown(lines):
    file = io.BytesIO()
    found, lacking = definitions.write(Showing(gone=["p", "e"], columns=[("v", "a"), ("w", "b")]), file, "d", "utf8mb4_bin")
    assert [(each["kind"], each["name"]) for each in found] == [
        ("FUNCTION", "f"),
        ("TRIGGER", "t"),
        (definitions.PLACE, "v"),
        (definitions.PLACE, "w"),
        ("VIEW", "v"),
        ("VIEW", "w"),
    ]
    assert lacking == ['procedure "p"', 'event "e"']
    assert len(lines(list(zip(found, (text for text in file.getvalue().decode().split("\n") if text.startswith("SET")))))) == 6


def test_a_view_that_looks_as_whoever_asks_is_not_taken_for_broken():
    file = io.BytesIO()
    found, _lacking = definitions.write(Showing(), file, "d", "utf8mb4_bin")
    assert {each["name"]: each["broken"] for each in found if each["kind"] == "VIEW"} == {"v": True, "w": False}


def test_takes_no_view_for_broken_that_calls_a_function_or_looks_at_one_that_does(monkeypatch):
    texts = {
        "calls": b"select `d`.`f`(1) AS `x`",
        "above": b"select `calls`.`x` AS `x` from `calls`",
        "top": b"select `above`.`x` AS `x` from `above`",
        "lost": b"select `gone`.`x` AS `x` from `gone`",
        "o`dd`": b"select 'it`s',`top`.`x` AS `x` from `top`",
        "above odd": b"select `o``dd`.`x` AS `x` from `o``dd`",
        "beside": b"select `o``d`.`x` AS `x` from `o``d`",
    }
    shown = [("VIEW", name, [b"", text]) for name, text in texts.items()] + [("VIEW", "hidden", None)]
    monkeypatch.setattr(definitions, "shown_by", lambda *_: iter(shown))
    assert definitions.callers(None, "d", [*texts, "hidden"]) == {"calls", "above", "top", "o`dd`", "above odd"}
