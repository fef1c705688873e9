import pytest
from rootless_backup.databases.postgresql import roles


@pytest.mark.parametrize(
    ("statement", "want"),
    [
        ("ALTER ROLE app WITH LOGIN PASSWORD 'x';", True),
        ('ALTER ROLE "odd "" role" SET search_path TO a;', True),
        ("ALTER ROLE app SET a TO 'two\nlines;\nof it';", True),
        ('ALTER ROLE "app" WITH LOGIN;', False),
        ("ALTER ROLE fresh WITH LOGIN;", False),
        ('GRANT app TO "odd "" role" WITH INHERIT TRUE GRANTED BY postgres;', True),
        ("GRANT app TO fresh GRANTED BY postgres;", False),
        ("CREATE ROLE app;", False),
        ("GRANT SET ON PARAMETER work_mem TO app;", False),
    ],
)
def test_leaves_out_of_the_globals_what_changes_roles_that_are_there(statement, want):
    assert roles.changes(statement.encode(), {b"app", b'"odd "" role"'}) is want


@pytest.mark.parametrize(
    ("statement", "want"),
    [
        ("CREATE TABLESPACE far OWNER app LOCATION '/srv/far';", "CREATE TABLESPACE far OWNER app LOCATION '';"),
        ("CREATE TABLESPACE \"a LOCATION 'x';\" OWNER o LOCATION '/it''s';", "CREATE TABLESPACE \"a LOCATION 'x';\" OWNER o LOCATION '';"),
        ("CREATE ROLE \"x LOCATION '/y';\";", "CREATE ROLE \"x LOCATION '/y';\";"),
    ],
)
def test_a_tablespace_of_a_throwaway_server_lies_within_it(statement, want):
    assert roles.PLACE.sub(rb"\1'';", statement.encode()) == want.encode()


def test_says_how_the_directory_of_a_tablespace_is_made_and_no_other_command():
    assert roles.remedy('directory "/srv/a b; rm -r /" does not exist').endswith(" '/srv/a b; rm -r /'")
    assert roles.remedy('role "x" does not exist') == ""
