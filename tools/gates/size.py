"""The gate `python-size`: no function of the files that are named is longer than MOST lines, no program than MOST_OF_PROGRAM."""

import ast
import pathlib
import sys

MOST, MOST_OF_PROGRAM = 60, 30


def problems(path):
    """What is too long in a file, a line each. A function is counted with its decorators, and with what is defined in it."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    length = len(text.splitlines())
    if text.startswith("#!") and length > MOST_OF_PROGRAM:
        yield "%s: the program has %d lines, and at the most %d are allowed" % (path, length, MOST_OF_PROGRAM)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            begin = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            length = node.end_lineno - begin + 1
            if length > MOST:
                yield "%s:%d: %s has %d lines, and at the most %d are allowed" % (path, begin, node.name, length, MOST)


found = [problem for path in sys.argv[1:] for problem in problems(path)]
print("\n".join(found))
sys.exit(1 if found else 0)
