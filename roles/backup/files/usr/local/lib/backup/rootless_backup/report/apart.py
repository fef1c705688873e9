# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What others may have spoiled is read in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import signal

from rootless_backup.untrusted import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What reads the journal may take so much memory and so long. The report itself has more of both.
READER_MEMORY = 256 << 20
READER_TIME = 180


def apart(action: Callable[..., Any], *arguments: object) -> Any:
    """What an action gives, as JSON, by a process of its own with bounds of its own.

    What others write into the journal may at worst end that process: who tells of it goes on.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            signal.alarm(READER_TIME)
            resource.setrlimit(resource.RLIMIT_DATA, (READER_MEMORY, READER_MEMORY))
            with open(writing, "w", encoding="ascii") as pipe:
                try:
                    answer = json.dumps({"found": action(*arguments)})
                except Exception as trouble:
                    answer = json.dumps({"trouble": reason(trouble)})
                pipe.write(answer)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, "rb") as pipe:
        output = pipe.read(READER_MEMORY)
    status = os.waitpid(child, 0)[1]
    if status != 0:
        raise RuntimeError("what read it ended with status %d" % status)
    outcome = json.loads(output)
    if "trouble" in outcome:
        raise RuntimeError(outcome["trouble"])
    return outcome["found"]
