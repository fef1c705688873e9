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
