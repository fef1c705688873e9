import pytest
from rootless_backup.databases.postgresql.script import Script

PARTS = [
    "SET a = b;",
    "ALTER ROLE app SET a TO 'it''s;\n\nodd';",
    'CREATE ROLE "a;\n;b";',
    'CREATE ROLE "o\'brien";',
    "COMMENT ON ROLE bob IS 'the 3.5\" disk';",
    'CREATE ROLE "x\n\\! touch /tmp/x\n--";',
    "CREATE ROLE carol;",
]


@pytest.mark.parametrize("length", [1, 2, 3, 7, 1000])
def test_takes_what_pg_dumpall_writes_apart_into_statements_whatever_stands_in_a_name_or_a_text(pieces, length):
    script = '-- User "it\'s"\n\n\\restrict abc\n%s\n\n\\unrestrict abc\n-- end\n' % "\n".join(PARTS)
    assert [part.decode() for part in Script(pieces(script, length)).statements()] == PARTS


@pytest.mark.parametrize("length", [7, 1000, 1 << 20])
def test_a_statement_that_is_too_long_is_cut_and_said_to_be_and_those_around_it_are_whole(pieces, length, monkeypatch):
    monkeypatch.setattr(Script, "LONGEST", 2000)
    long = "ALTER ROLE a SET b TO '%s; it''s ''\";%s';" % ("x;" * 5000, "y" * 5000)
    script = Script(pieces("SET a = b;\n%s\nSET c = d;\n" % long, min(length, 1 << 20)))
    found = [(part.decode(), script.cut) for part in script.statements()]
    assert [found[0], found[-1]] == [("SET a = b;", False), ("SET c = d;", False)]
    assert len(found) == 3
    if length < 2000:
        assert found[1][1]
        assert found[1][0].startswith("ALTER ROLE a SET b")
        assert len(found[1][0]) < 5000
