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
