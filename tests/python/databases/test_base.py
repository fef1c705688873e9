import pytest
from rootless_backup.databases import base


@pytest.mark.parametrize(
    ("pattern", "path", "want"),
    [
        ("/var/lib/postgresql/*/*", "/var/lib/postgresql/15/main", True),
        ("/var/lib/postgresql/*/*", "/var/lib/postgresql/15/main/base", True),
        ("/var/lib/postgresql/*/*", "/var/lib/postgresql/15", False),
        ("/data", "/database", False),
        ("/data/**", "/mnt/pg", False),
        ("/var/lib/postgresql/[0-9]*/*", "/var/lib/postgresql/.ssh/id_ed25519", False),
        ("/data", "/data/pg", True),
    ],
)
def test_knows_whether_a_pattern_covers_a_path(pattern, path, want):
    assert base.covers(pattern, path) is want
