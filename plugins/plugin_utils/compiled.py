# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Jinja compiled, kept for the further hosts and roles of a run of Ansible.

Ansible has each host's process compile each text anew, which takes longer than all else that is done for a host here. As the modules that
are ready to be sent, it lies in the run's own temporary directory, which is only its user's and goes with the run.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import tempfile

from jinja2 import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

# What a text means depends on these.
SYNTAX = ("block_start_string", "block_end_string", "variable_start_string", "variable_end_string", "comment_start_string",
          "comment_end_string", "line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks", "newline_sequence",
          "keep_trailing_newline", "optimized", "autoescape", "sandboxed", "is_async")


@contextlib.contextmanager
def kept(name: str, directory: str) -> Iterator[None]:
    """Meanwhile let Jinja take what was compiled before while the same was rendered, and keep what is new in a file of the directory.

    No text that somebody else wrote, and that may hold a secret, is to be rendered here.
    """
    path = os.path.join(directory, "rootless.backup-%s" % name)
    known = read(path)
    before, compile_anew = len(known), Environment.compile

    def compile_once(self: Environment, source: Any, *args: Any, **options: Any) -> Any:
        if args or options or not isinstance(source, str):
            return compile_anew(self, source, *args, **options)
        key = repr((source, [getattr(self, attribute) for attribute in SYNTAX]))
        if key not in known:
            known[key] = compile_anew(self, source)
        return known[key]

    # Jinja keeps what it compiled of templates with a loader (jinja2.BytecodeCache), which Ansible's have not: so the method is exchanged.
    Environment.compile = compile_once  # type: ignore[method-assign]
    try:
        yield
    finally:
        Environment.compile = compile_anew  # type: ignore[method-assign]
    if len(known) > before:
        write(path, known)


def read(path: str) -> dict[str, CodeType]:
    """What is kept there; nothing yet, where there is no such file."""
    try:
        with open(path, "rb") as file:
            known: dict[str, CodeType] = marshal.load(file)
            return known
    except FileNotFoundError:
        return {}


def write(path: str, known: dict[str, CodeType]) -> None:
    """Keep it there, whole: processes of other hosts read it meanwhile."""
    descriptor, new = tempfile.mkstemp(dir=os.path.dirname(path))
    with open(descriptor, "wb") as file:
        marshal.dump(known, file)
    os.rename(new, path)
