# Managed by Ansible (collection rootless.backup, role postgres): changes made here are overwritten.
"""Threads with a result."""

import threading


class Meanwhile(threading.Thread):
    """What is done while others go on."""

    def __init__(self, action, *arguments):
        super().__init__()
        self.action, self.arguments = action, arguments
        self.found = self.trouble = None
        self.start()

    def run(self):
        try:
            self.found = self.action(*self.arguments)
        except BaseException as trouble:
            self.trouble = trouble

    def result(self):
        """What came of it, or the exception that it ended with, when it has ended."""
        self.join()
        if self.trouble is not None:
            raise self.trouble
        return self.found
