# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of the control node, in which each file stands where it lands on the host."""

from __future__ import annotations

import functools
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

# How a collection has to name the interpreter of a program (ansible-test's `shebang`), and what Debian calls it. Isolated: neither the
# environment, nor the working directory, nor a home (site-packages, .pth) brings code into it; and it writes none (__pycache__).
PORTABLE, DEBIAN = "#!/usr/bin/env python\n", "#!/usr/bin/python3 -IB\n"


def walk(root: str | None) -> Iterator[tuple[str, str]]:
    """Yield `(root, path)` for each file below `root`, sorted."""
    if not root:
        return
    for directory, names, files in os.walk(root):
        # What Python makes of a module that a test imports is none of the tree's.
        names[:] = sorted(set(names) - {"__pycache__"})
        for name in sorted(files):
            yield root, os.path.relpath(os.path.join(directory, name), root)


def entry(path: str, content: str, sensitive: Collection[str] = ()) -> dict[str, Any]:
    """A file as a plan has it; `path` is relative to the root of the tree."""
    path = "/" + path
    # What a role forgets to name is a secret all the same where credentials lie.
    secret = path in sensitive or path.startswith("/etc/credstore/")
    mode = 0o600 if secret else 0o755 if content.startswith("#!") else 0o644
    return {"path": path, "content": str(content), "mode": mode, "sensitive": secret}


def static(root: str | None, sensitive: Collection[str] = ()) -> list[dict[str, Any]]:
    """The files of a tree that are laid down as they are."""
    return [entry(path, content, sensitive) for path, content in contents(root)]


@functools.lru_cache(maxsize=None)
def contents(root: str | None) -> list[tuple[str, str]]:
    """The path below `root` of each of these files, and what is in it. A process of Ansible reads it once, those that it forks never."""
    files = []
    for top, path in walk(root):
        with open(os.path.join(top, path), encoding="utf-8") as file:
            content = file.read()
        files.append((path, DEBIAN + content[len(PORTABLE):] if content.startswith(PORTABLE) else content))
    return files
