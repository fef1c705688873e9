import pytest
from rootless_backup.databases.postgresql import dump


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("plain", "plain.dump"),
        ("my app", "my%20app.dump"),
        ("..", "%2E%2E.dump"),
        ("a/b", "a%2Fb.dump"),
        ("%", "%25.dump"),
        ("é", "%C3%A9.dump"),
        ("globals.sql", "globals%2Esql.dump"),
    ],
)
def test_names_the_dump_of_any_name(name, want):
    assert dump.file_name(name) == want
