import re

import pytest
from rootless_backup import paths


@pytest.mark.parametrize(
    ("pattern", "path", "want"),
    [
        ("/var/cache", "/var/cache/apt/x", True),
        ("/var/cache", "/var/cached", False),
        ("/home/*/.cache", "/home/a/.cache/x", True),
        ("/home/*/.cache", "/home/a/b/.cache/x", False),
        ("/srv/**/*.log", "/srv/a/b/x.log", True),
        ("/srv/**/*.log", "/srv/x.log", True),
        ("/srv/**/*.log", "/srv/x.logs", False),
        ("/d/[0-9]?", "/d/1x", True),
        ("/d/[!0-9]", "/d/1", False),
        ("/a.b", "/axb", False),
    ],
)
def test_knows_what_an_exclude_leaves_out(pattern, path, want):
    assert bool(re.compile(paths.shell_pattern(pattern), re.DOTALL).fullmatch(path)) is want
