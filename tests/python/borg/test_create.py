import pytest
from rootless_backup.borg import create

FINE, MIDDLE, COARSE = "fine", "middle", "coarse"
RULES = [(16 << 30, FINE), (64 << 30, MIDDLE), (None, COARSE)]


@pytest.mark.parametrize(
    ("size", "before", "want"),
    [
        (0, None, FINE),
        (15, None, FINE),
        (16, None, MIDDLE),
        (63, FINE, MIDDLE),
        (64, FINE, COARSE),
        (10_000, MIDDLE, COARSE),
        (15, MIDDLE, MIDDLE),
        (5, MIDDLE, MIDDLE),
        (3, MIDDLE, FINE),
        (17, COARSE, COARSE),
        (15, COARSE, MIDDLE),
        (1, COARSE, FINE),
        (15, "fixed,8192", FINE),
        (30, "", MIDDLE),
    ],
)
def test_cuts_so_many_gib_of_dumps_that_were_cut_so_before(size, before, want):
    assert create.chunks_for(RULES, size << 30, before) == want
