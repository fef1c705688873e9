# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What somebody types behind `backupctl`, understood or refused."""

from __future__ import annotations

import argparse
import difflib
import re
import sys

from rootless_backup import host, untrusted
from rootless_backup.control import codes
from rootless_backup.control.commands import COMMANDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, NoReturn

NAME = "backupctl"
WHO = """Members of the group backup_status_group may use status, run, drill, check,
and list without an archive. They need no other privilege, and never get what
opens a repository. All other commands are for root; log is also for those who
may read the journal."""
MORE = WHO + "\n\nexit codes:\n" + "\n".join("  %-4d %s" % meaning for meaning in codes.MEANING.items())
# What argparse says, and how it is said here.
SAID = (
    (re.compile("the following arguments are required: (.*)"), r"\1 is missing"),
    (re.compile("argument (.*): not allowed with argument (.*)"), r"\1 and \2 exclude each other"),
    (re.compile("argument (.*): expected one argument"), r"\1 needs a value"),
    (re.compile(r"argument (.*): invalid choice: (.*) \(choose from (.*)\)"), r"\1: \2 is not allowed. Use \3"),
    (re.compile("argument (.*): ignored explicit argument (.*)"), r"\1 takes no value, and \2 was given"),
    (re.compile("argument ([^:]*): "), r"\1: "),
)


class Parser(argparse.ArgumentParser):
    """As argparse has it, but no option can be cut short, it says what to do, and its words cannot move a terminal."""

    def __init__(self, **more: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **more)

    def error(self, message: str) -> NoReturn:
        for pattern, text in SAID:
            message = pattern.sub(text, message)
        untrusted.die("%s: %s. See `%s --help`." % (self.prog, untrusted.printable(message), self.prog), codes.WRONG_USE)

    def _print_message(self, message: str, file: Any = None) -> None:
        untrusted.say(message, end="", file=file or sys.stderr)

    def options(self) -> list[str]:
        """All that begin with a dash."""
        return [word for action in self._actions for word in action.option_strings]


def parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser, and those of the commands by their names."""
    top = Parser(prog=NAME, description="See how the backup of this machine does, run it, and restore from it.", epilog=MORE)
    top.add_argument("--version", action="version", version="%s %s" % (NAME, host.VERSION))
    below = top.add_subparsers(dest="action", metavar="COMMAND", title="commands", required=True)
    commands = {}
    for name, command in COMMANDS.items():
        text = command.help[0].upper() + command.help[1:] + "."
        commands[name] = below.add_parser(name, help=command.help, description=text, epilog=command.more or None)
        command.options(commands[name])
    return top, commands


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What is asked for: `action`, and the options of that command. Ends with `codes.WRONG_USE` if that cannot be understood."""
    top, commands = parser()
    command = next((word for word in words if not word.startswith("-")), None)
    if not words:
        top.print_help(sys.stderr)
        sys.exit(int(codes.WRONG_USE))
    if command is not None and words[0] == command and command not in commands:
        top.error("there is no command %s%s" % (command, meant(command, commands)))
    options, rest = top.parse_known_args(words)
    if rest:
        mine = commands[options.action]
        if rest[0].startswith("-"):
            mine.error("there is no option %s%s" % (rest[0].partition("=")[0], meant(rest[0].partition("=")[0], mine.options())))
        mine.error("%s is one word too many" % rest[0])
    return options


def meant(word: str, choices: Iterable[str]) -> str:
    """What somebody may have meant, to stand behind what he said."""
    close = difflib.get_close_matches(word, list(choices), n=1)
    return " (did you mean %s?)" % close[0] if close else ""
