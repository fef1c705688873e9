# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Paths of files, and patterns of them."""

from __future__ import annotations

import os
import re


def is_below(path: str, directory: str) -> bool:
    """Whether a path is that of a directory, or of something below it."""
    return directory == "/" or path == directory or path.startswith(directory + "/")


def shell_pattern(pattern: str, below: bool = True) -> str:
    """A regular expression of what a pattern of an exclude matches, with all that is `below` it or without.

    `*` and `?` are of a name, `**/` is any number of directories, and `[…]` a character.
    """
    parts = re.split(r"(\*\*/|\*|\?|\[!?[^\]]+\])", os.path.normpath(pattern))
    special = {"**/": "(?:[^/]*/)*", "*": "[^/]*", "?": "[^/]"}
    regular = (special.get(part) or (part.replace("[!", "[^", 1) if part.startswith("[") else re.escape(part)) for part in parts)
    return "".join(regular) + ("(?:/.*)?" if below else "")


def literal(path: str) -> str:
    """A pattern that matches this path and no other."""
    return re.sub(r"([*?\[])", r"[\1]", path)
