import pytest
from rootless_backup.databases.postgresql import sql


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("public", ["public"]),
        ("", []),
        ('"a""b", "C d", e, pg_temp', ['a"b', "C d", "e", "pg_temp"]),
        ('"$user", public', ["$user", "public"]),
        ('""', [""]),
        ("public;ALTER/**/ROLE/**/mallory/**/SUPERUSER;--", ["public;ALTER/**/ROLE/**/mallory/**/SUPERUSER;--"]),
        ("'; DROP", None),
        ("a,", None),
        ("a b", None),
        ('"a', None),
        ('a"b"', None),
    ],
)
def test_splits_a_setting_that_is_a_list_of_names_as_pg_dump_does(value, want):
    assert sql.split_list(value) == want


def test_a_connection_string_leads_to_a_database_of_any_name():
    assert sql.connection_string("a' host=x \\") == "dbname='a\\' host=x \\\\'"
