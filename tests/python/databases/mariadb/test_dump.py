import pytest
from rootless_backup.databases.mariadb import contents, dump


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
