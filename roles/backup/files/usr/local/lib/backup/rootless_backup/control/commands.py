# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The commands of `backupctl`: one table, of which its parser, its help, its completion and its man page are made."""

from __future__ import annotations

import argparse

from rootless_backup import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NamedTuple
else:
    from collections import namedtuple

ARCHIVE = "`latest` (the newest archive of files), `latest-dumps`, or a name that `backupctl list` shows"


def no_options(_parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def of_repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repository",
        metavar="REPOSITORY",
        default="1",
        help="a repository, by its number in borg_repositories or by its place; the first if not given",
    )


def of_each(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--repository", metavar="REPOSITORY", help="a repository, by its number in borg_repositories or by its place; all if not given"
    )


def of_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def of_list(parser: argparse.ArgumentParser) -> None:
    of_each(parser)
    parser.add_argument("archive", metavar="ARCHIVE", nargs="?", help="show what is in this archive: " + ARCHIVE)


def of_find(parser: argparse.ArgumentParser) -> None:
    of_each(parser)
    parser.add_argument("--archive", metavar="ARCHIVE", help="look into this archive only: " + ARCHIVE)
    parser.add_argument(
        "pattern", metavar="PATTERN", help="a name, with * and ? for what you do not know; with a slash in it, a whole path"
    )


def of_show(parser: argparse.ArgumentParser) -> None:
    of_repository(parser)
    parser.add_argument("archive", metavar="ARCHIVE", help=ARCHIVE)
    parser.add_argument("path", metavar="PATH", nargs="?", default="/", help="the directory to show; / if not given")


def of_diff(parser: argparse.ArgumentParser) -> None:
    of_repository(parser)
    parser.add_argument("older", metavar="OLDER", help=ARCHIVE)
    parser.add_argument("newer", metavar="NEWER", help="another one, to compare it with")
    parser.add_argument("path", metavar="PATH", nargs="?", default="/", help="compare what is at and below this path; / if not given")


def of_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "task", metavar="TASK", nargs="?", default="run", choices=sorted(host.TASKS), help="run (if not given), check or drill"
    )


def of_restore(parser: argparse.ArgumentParser) -> None:
    of_repository(parser)
    parser.add_argument("--archive", metavar="ARCHIVE", default="latest", help=ARCHIVE + "; latest if not given")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--into", metavar="DIRECTORY", help="an empty directory; a fresh one below /var/tmp if not given")
    where.add_argument("--in-place", action="store_true", help="over what is there, of which a copy is kept until `backupctl remove-kept`")
    parser.add_argument("--damaged", action="store_true", help="in place: also files that a repair filled up with zeros")
    parser.add_argument("--no-room-check", action="store_true", help="in place: begin though there seems to be too little room")
    parser.add_argument(
        "--except",
        metavar="PATH",
        action="append",
        default=[],
        dest="without",
        help="leave this path out, with all below; can be given more often",
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", help="an absolute path of a file or directory, as it was when it was saved")


def of_restore_db(parser: argparse.ArgumentParser) -> None:
    of_repository(parser)
    parser.add_argument("--archive", metavar="ARCHIVE", help="an archive of dumps that `backupctl list` shows; the newest if not given")
    parser.add_argument("--globals", action="store_true", help="first bring back roles, accounts and the like that are missing")
    parser.add_argument("--all", action="store_true", help="all that the hook saved; NAME is left out then")
    parser.add_argument("--once", action="store_true", help="with --all: not what came back before, from the same archive")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--into", metavar="NEW-NAME", help="under another name, beside the one that is there")
    how.add_argument(
        "--over", action="store_true", help="in the place of the one that is there: who uses it is disconnected, and it is gone afterwards"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--strict", action="store_true", help="all of a database, or nothing of it")
    what.add_argument("--partial", action="store_true", help="with --over: also if not all of it can be loaded")
    parser.add_argument(
        "--in-place", action="store_true", help="load it under its own name, for what can be made only there, such as pg_cron"
    )
    parser.add_argument("hook", metavar="HOOK", help="the hook that saved it, such as postgresql, mariadb or sqlite-app")
    parser.add_argument("names", metavar="NAME", nargs="*", default=[], help="a database, as the hook calls it")


def of_files(parser: argparse.ArgumentParser) -> None:
    of_repository(parser)
    parser.add_argument("--archive", metavar="ARCHIVE", default="latest", help="an archive of files; the newest if not given")


def of_accounts(parser: argparse.ArgumentParser) -> None:
    of_files(parser)
    parser.add_argument("--list", action="store_true", help="only tell which are lacking")


def of_packages(parser: argparse.ArgumentParser) -> None:
    of_files(parser)
    parser.add_argument("--install", action="store_true", help="install what is lacking, and mark what was marked")


def of_services(parser: argparse.ArgumentParser) -> None:
    of_files(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--etc", metavar="PATTERN", action="append", help="what comes back of /etc, a shell pattern of a path; can be given more often"
    )
    which.add_argument("--no-etc", action="store_const", dest="etc", const=[], help="nothing of /etc comes back")
    parser.add_argument("--host-keys", action="store_true", help="also the keys of the SSH server")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="only tell what would come back")
    what.add_argument("--keep-stopped", action="store_true", help="leave the services stopped; --start starts them later")
    what.add_argument("--start", action="store_true", help="start what a restore left stopped, and what it has enabled")


def absolute(path: str) -> str:
    if not path.startswith("/"):
        raise argparse.ArgumentTypeError("%s is not allowed. Use absolute paths" % path)
    return path


def of_compare(parser: argparse.ArgumentParser) -> None:
    of_files(parser)
    parser.add_argument("paths", metavar="PATH", nargs="*", type=absolute, help="an absolute path; all that is in the archive if not given")


def of_restored(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", action="store_true", help="only name the repositories that wait for that, a line each")


def of_remove_kept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


if TYPE_CHECKING:

    class Command(NamedTuple):
        """`run` is a function of this package, `module:function`; it gets the options and returns the exit code."""

        run: str
        help: str
        more: str = ""
        options: Callable[[argparse.ArgumentParser], None] = no_options

else:
    Command = namedtuple("Command", "run help more options", defaults=("", no_options))

LOOKING = "restore.program:main"
COMPARING = """A line is a file, a directory or a link: whether it was added, removed or
changed, how many bytes came and went, and its path. What else is different,
such as owner and mode, stands in brackets. Both have to be archives of files,
or both of dumps.

  backupctl diff HOST-files-2026-01-30T02:00:00Z latest /etc
      what was changed in /etc since then"""
RESTORING = """It runs as a user of its own, and can write below the target only. Owners,
modes, ACLs, attributes, capabilities, hard links, holes and times come back.
What does not is named.

  backupctl restore /etc/nginx /srv/www
      into a fresh directory below /var/tmp; it says where
  backupctl restore --archive HOST-files-2026-01-31T02:00:00Z /home/alice
      from an older archive
  backupctl restore --in-place /srv/www
      Each file takes the place of the one that is there, which is kept. What
      the archive does not have stays. Only what came whole is put in place."""
LOADING = """It is taken out of the archive as the user of the backup, held to what was
recorded of it, and only then loaded, by the user of the hook in the sandbox
of the hook. All that can be loaded is. What is not is named, with exit code 1.

  backupctl restore-db postgresql shop
      from the newest archive; there must be no shop with tables in it
  backupctl restore-db --into shop_yesterday postgresql shop
      beside the one that is there, under another name
  backupctl restore-db --over postgresql shop
      loaded beside the one that is there, which goes last
  backupctl restore-db --globals --all postgresql
      all of it, with roles and the like: for a new machine"""

ACCOUNTS = """People have numbers from 1000 to 59999, and come with their passwords. Of
services those come that are not here. A number that is another's by now is not
taken from it: the restores bring files back by name. No home is made."""
PACKAGES = """They are read from /var/lib/dpkg and /var/lib/apt/extended_states in the
archive, which are never put over those of this machine. What no source has is
named, with exit code 1. Settings of packages that are here already stay."""
SERVICES = """The services that hold it are stopped meanwhile, and started again. Of /var
comes what is no state of the new system itself; of /etc what services, cron
and people put there, units, and keys of TLS. What is for a database server
that runs on stays, and comes by `backupctl restore-db`. What was there is kept
until `backupctl remove-kept`."""
COMPARISON = """A line for each directory at the top, and of /etc and /var for each in them.
Compared are owner and group by name, mode, size, time and where a link leads.
Nothing is changed. The exit code is 1 if something is MISSING or DIFFERS.

  back      it is here as it was saved, or was written to since
  beside    it lies in /var/tmp, to be picked from
  left      it is the new machine's own, or comes by another command
  MISSING   it is not here
  DIFFERS   it is here, and not as it was"""

COMMANDS = {
    "status": Command("control.status:main", "the state of the backup; exits with 1 if something is wrong", options=of_status),
    "run": Command("control.task:main", "back up now, and follow the log"),
    "check": Command("control.task:main", "check the repositories for damage now, and follow the log"),
    "drill": Command("control.task:main", "run the restore test now, and follow the log"),
    "log": Command("control.log:main", "what the last run said, with its hooks; or the last check or drill", options=of_log),
    "check-paths": Command("control.selected:main", "what would be saved, and what each pattern leaves out, by size"),
    "list": Command(LOOKING, "the archives, oldest first; or what is in one of them", options=of_list),
    "find": Command(LOOKING, "every version of a file that is in the archives", options=of_find),
    "show": Command(LOOKING, "what is in a directory of an archive", options=of_show),
    "diff": Command(LOOKING, "what is different between two archives", COMPARING, of_diff),
    "restore": Command(LOOKING, "restore files, into a fresh directory or in place", RESTORING, of_restore),
    "restore-db": Command("restore.databases:main", "load a database, or what else a hook saved, from an archive", LOADING, of_restore_db),
    "restore-accounts": Command("restore.accounts:main", "bring users and groups back, by name", ACCOUNTS, of_accounts),
    "restore-packages": Command("restore.packages:main", "the packages that the machine had, to list or install", PACKAGES, of_packages),
    "restore-services": Command("restore.services:main", "bring back what services have in /etc and /var", SERVICES, of_services),
    "compare": Command("restore.comparison:main", "compare what is here with what is in an archive", COMPARISON, of_compare),
    "remove-kept": Command("control.kept:main", "remove what restores put aside, or laid down in /var/tmp", options=of_remove_kept),
    "make-room": Command(LOOKING, "remove what backup_keep_* does not keep, also on a full disk", options=of_repository),
    "restored": Command(LOOKING, "say that all is back on a rebuilt machine: old archives may go again", options=of_restored),
}
