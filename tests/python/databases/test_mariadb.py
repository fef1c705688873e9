import pytest
from rootless_backup.databases.mariadb import client, contents, dump


@pytest.mark.parametrize(
    ("name", "want"),
    [("plain", "plain"), ("my app", "my%20app"), ("..", "%2E%2E"), ("a/b", "a%2Fb"), ("%", "%25"), ("é", "é"), ("\x1f\x7f`", "%1F%7F%60")],
)
def test_names_the_dump_of_any_name(name, want):
    assert dump.file_name(name) == "databases/%s.sql" % want


@pytest.mark.parametrize("letter", ["あ", "/", "ü"])
def test_names_the_longest_name_so_that_a_file_may_have_it(letter):
    assert len((dump.file_name(letter * 64).split("/")[1] + ".partial").encode()) <= 255


def test_quotes_what_an_option_file_holds():
    want = '[client]\nprotocol="socket"\nsocket="/s"\nuser="a"\npassword="#1 \\"x\\" \\\\n \'y\' ;"\n'
    assert client.client_options("a", "/s", "#1 \"x\" \\n 'y' ;") == want


def test_reads_a_field_as_it_was():
    assert client.unescaped("a\\nb\\\\n\\tc") == "a\nb\\n\tc"


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
    assert dump.is_complete(str(tmp_path / "dump")) is want


TRIGGER = b"/*!50003 CREATE*/ /*!50017 DEFINER=`o`@`localhost`*/ /*!50003 trigger tr %s */;;\n"


@pytest.mark.parametrize(
    ("body", "want"),
    [
        (b"SET NEW.c = 1", True),
        (b"SELECT definer FROM x", True),
        (b"x;; CREATE DEFINER=`root`@`localhost` PROCEDURE p() SELECT 1", False),
        (b"x;; CREATE definer = root@localhost PROCEDURE p() SELECT 1", False),
        (b"x;; CREATE DEFINER/**/=root@localhost PROCEDURE p() SELECT 1", False),
        (b"x;; CREATE DEFINER=`o`@`localhost` PROCEDURE p() SELECT 1", False),
    ],
)
def test_what_is_to_run_as_others_than_were_recorded_is_noticed(body, want):
    assert contents.runs_as_recorded(TRIGGER % body, {"o@localhost": 1}) is want


def test_counts_and_sums_the_rows_of_a_dump_in_any_order(tmp_path):
    head = b"CREATE TABLE `empty` (\n  `a` int\n) ENGINE=InnoDB;\nCREATE TABLE `a``b` (\n"
    (tmp_path / "1").write_bytes(head + b"INSERT INTO `a``b` VALUES\n(1,'x'),\n(2,'y');\nUNLOCK TABLES;\n(9);\n")
    (tmp_path / "2").write_bytes(head + b"INSERT INTO `a``b` (`n`, row_start) VALUES (2,'y'),\n(1,'x');\n")
    first, second = (contents.tables_in(str(tmp_path / name), 0, (tmp_path / name).stat().st_size) for name in "12")
    assert first == second
    assert {name: table["rows"] for name, table in first.items()} == {"empty": 0, "a`b": 2}
