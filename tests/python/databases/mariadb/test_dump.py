import pytest
from rootless_backup.databases import mariadb


@pytest.mark.parametrize(
    ("name", "want"),
    [("plain", "plain"), ("my app", "my%20app"), ("..", "%2E%2E"), ("a/b", "a%2Fb"), ("%", "%25"), ("é", "é"), ("\x1f\x7f`", "%1F%7F%60")],
)
def test_names_the_dump_of_any_name(name, want):
    assert mariadb.file_name(name) == "databases/%s.sql" % want


@pytest.mark.parametrize("letter", ["あ", "/", "ü"])
def test_names_the_longest_name_so_that_a_file_may_have_it(letter):
    assert len((mariadb.file_name(letter * 64).split("/")[1] + ".partial").encode()) <= 255


def test_quotes_what_an_option_file_holds():
    want = '[client]\nprotocol="socket"\nsocket="/s"\nuser="a"\npassword="#1 \\"x\\" \\\\n \'y\' ;"\n'
    assert mariadb.client_options("a", "/s", "#1 \"x\" \\n 'y' ;") == want


def test_reads_a_field_as_it_was():
    assert mariadb.unescaped("a\\nb\\\\n\\tc") == "a\nb\\n\tc"


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
    assert mariadb.is_complete(str(tmp_path / "dump")) is want
