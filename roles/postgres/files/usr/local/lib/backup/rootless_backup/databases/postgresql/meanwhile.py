# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Threads with a result."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Meanwhile(threading.Thread):
    """What is done while others go on."""

    def __init__(self, action: Callable[..., Any], *arguments: object) -> None:
        super().__init__()
        self.action, self.arguments = action, arguments
        self.found: Any = None
        self.trouble: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.found = self.action(*self.arguments)
        except BaseException as trouble:
            self.trouble = trouble

    def result(self) -> Any:
        """What came of it, or the exception that it ended with, when it has ended."""
        self.join()
        if self.trouble is not None:
            raise self.trouble
        return self.found
