import time

import pytest
from rootless_backup.report import program


class State:
    def __init__(self, days_ago):
        self.days_ago = days_ago

    def last_success_told(self):
        return time.time() - self.days_ago * 86400


@pytest.mark.parametrize(
    ("policy", "days_ago", "want"),
    [
        ("never", 400, False),
        ("always", 0, True),
        ("weekly", 3, False),
        ("weekly", 7, True),
        ("weekly", 400, True),
        # The clock was set back: better one mail too many.
        ("weekly", -3, True),
    ],
)
def test_tells_of_a_success_so_long_after_it_last_did(policy, days_ago, want):
    assert program.due(policy, State(days_ago)) is want
