"""Write what is made of the commands of `backupctl`, below a directory: completion for bash, zsh and fish, the man page, the page of docs/.

command_line.py DIRECTORY. What is written lies in `FILES` below it, as in the repository.
"""

import argparse
import pathlib
import re
import sys

import shtab

ROOT = pathlib.Path(__file__).parents[2]
LIBRARY = "usr/local/lib/backup"
HOST = "roles/backup/files/"
sys.path.insert(0, str(ROOT / HOST / LIBRARY))
sys.dont_write_bytecode = True

from rootless_backup.control import codes, parser  # the path has to be set first
from rootless_backup.control.commands import COMMANDS

MANAGED = "Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten."
MADE = "Made of rootless_backup/control/commands.py by `npm run commands`."
# What is completed by what people call it.
COMPLETED = {"PATH": shtab.FILE, "DIRECTORY": shtab.DIRECTORY}
CHOICES = {"ARCHIVE": ["latest", "latest-dumps"], "OLDER": ["latest", "latest-dumps"], "NEWER": ["latest", "latest-dumps"]}
SUMMARY = "see how the backup of this machine does, run it, and restore from it"


def completion(shell):
    """A shell's file. What it completes comes from a parser of its own: that of the host knows nothing of shells."""
    top, commands = parser.parser()
    for command in commands.values():
        for action in command._actions:
            if action.metavar in COMPLETED:
                action.complete = COMPLETED[action.metavar]
            elif action.metavar in CHOICES:
                action.choices = CHOICES[action.metavar]
    first, rest = shtab.complete(top, shell=shell).split("\n", 1)
    # The first line of a file for zsh says which command it is of.
    above, below = ([first], []) if first.startswith("#compdef") else ([], [first])
    return "\n".join([*above, "# " + MANAGED, "# " + MADE, *below, rest]).rstrip("\n") + "\n"


def synopsis(command):
    """The words behind a command: `[--json]`, `PATH...`."""
    groups = [group._group_actions for group in command._mutually_exclusive_groups]
    alone = [[action] for action in arguments(command) if not any(action in group for group in groups)]
    order = command._actions
    return [
        "[%s]" % " | ".join(map(word, each)) if each[0].option_strings else positional(each[0])
        for each in sorted([*groups, *alone], key=lambda each: (not each[0].option_strings, order.index(each[0])))
    ]


def arguments(command):
    return [action for action in command._actions if not isinstance(action, argparse._HelpAction)]


def word(action):
    return " ".join([*action.option_strings[-1:], *([action.metavar] if action.metavar else [])])


def positional(action):
    shown = {None: "%s", "?": "[%s]", "+": "%s...", "*": "[%s...]"}
    return shown[action.nargs] % action.metavar


def troff(text):
    """A line as troff takes it."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped


def man_page():
    _top, commands = parser.parser()
    lines = ['.\\" ' + MANAGED, '.\\" ' + MADE, '.TH BACKUPCTL 8 "" rootless.backup', ".SH NAME", "backupctl \\- " + SUMMARY]
    lines += [".SH SYNOPSIS", ".B backupctl", ".I COMMAND", "[argument...]", ".br", ".B backupctl", "\\-\\-help | \\-\\-version"]
    lines += [".SH DESCRIPTION", *map(troff, parser.WHO.split("\n"))]
    lines += [".SH COMMANDS"]
    for name, command in commands.items():
        lines += [".SS " + troff(" ".join([name, *synopsis(command)])), troff(command.description)]
        for action in arguments(command):
            lines += [".TP", ".B " + troff(word(action)), troff(action.help)]
        if COMMANDS[name].more:
            lines += [".PP", ".nf", *map(troff, COMMANDS[name].more.split("\n")), ".fi"]
    lines += [".SH EXIT STATUS"]
    for code, meaning in codes.MEANING.items():
        lines += [".TP", ".B %d" % code, troff(meaning)]
    lines += [".SH ENVIRONMENT", ".TP", ".B NO_COLOR", "No colours, if it is set to anything."]
    lines += [".SH SEE ALSO", ".BR borg (1),", ".BR journalctl (1),", ".BR systemctl (1)"]
    return "\n".join(lines) + "\n"


def markdown():
    """The page of docs/. A table cannot hold a bar as it is."""
    _top, commands = parser.parser()
    lines = [
        "<!-- %s -->" % MADE,
        "# The commands",
        "",
        "`backupctl` on a host; `man backupctl` and `backupctl COMMAND --help` say the same there.",
    ]
    lines += [parser.WHO.replace("\n", " "), "", "| Command | What it does |", "| --- | --- |"]
    for name, command in commands.items():
        shown = " ".join([name, *synopsis(command)]).replace("|", "\\|")
        lines.append("| `backupctl %s` | %s |" % (shown, command.description))
    lines += ["", "## Exit codes", "", "| Code | Meaning |", "| --- | --- |"]
    lines += ["| %d | %s |" % each for each in codes.MEANING.items()]
    lines += ["", "## Options", ""]
    for name, command in commands.items():
        for action in arguments(command):
            if action.option_strings:
                lines.append("- `%s %s`: %s" % (name, word(action), action.help))
    return "\n".join(lines) + "\n"


FILES = {
    HOST + "usr/share/bash-completion/completions/backupctl": lambda: completion("bash"),
    HOST + "usr/share/zsh/vendor-completions/_backupctl": lambda: completion("zsh"),
    HOST + "usr/share/fish/vendor_completions.d/backupctl.fish": lambda: completion("fish"),
    HOST + "usr/local/share/man/man8/backupctl.8": man_page,
    "docs/commands.md": markdown,
}


def main():
    for name, make in FILES.items():
        path = pathlib.Path(sys.argv[1]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r"[ \t]+$", "", make(), flags=re.MULTILINE), encoding="utf-8")
        sys.stdout.write(name + "\n")


if __name__ == "__main__":
    main()
