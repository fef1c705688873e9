"""The server's own check begins where the server says, comes to every machine, and is one at a time."""

import os

import pytest
from rootless_backup.repository import checking


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "data/0").mkdir(parents=True)
    (tmp_path / "data/0/1").write_bytes(b"segment")
    return tmp_path


@pytest.mark.parametrize(
    "config",
    [
        "[repository]\nlast_segment_checked = 999999\n",
        "[DEFAULT]\nlast_segment_checked = 999999\n[repository]\nversion = 1\n",
        "[DEFAULT]\nLast_Segment_Checked: 999999\n[repository]\nlast_segment_checked = 888888\n",
    ],
)
def test_where_it_begins_the_machine_does_not_say(tree, config):
    (tree / "config").write_text(config)
    checking.give(str(tree), os.getuid(), -1)
    assert checking.reached(str(tree)) == -1
    checking.give(str(tree), os.getuid(), 5)
    assert checking.reached(str(tree)) == 5
