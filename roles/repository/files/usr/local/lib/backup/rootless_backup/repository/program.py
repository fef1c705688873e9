# Managed by Ansible (collection rootless.backup, role repository): changes made here are overwritten.
"""repositoryctl: look after the repositories of other machines.

repositoryctl status [--json]                        how all of them do, and what is wrong
repositoryctl list CLIENT                            the generations of one
repositoryctl restore CLIENT [--at TIME]             lay one down beside, for root alone
repositoryctl restore CLIENT [--at TIME] --in-place  put one in the place of what the client has
repositoryctl check [CLIENT]                         verify the checksums of the newest generations
"""

from __future__ import annotations

import argparse
import os
import sys

from rootless_backup import untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless_backup.repository.accounts import Account

REFUSED = "this server lets this machine in no more, since it takes more room than it may; `repositoryctl status` there says more"


def main() -> None:
    parser = argparse.ArgumentParser(prog="repositoryctl", description="Look after the repositories of other machines.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="how all of them do").add_argument("--json", action="store_true")
    commands.add_parser("list", help="the generations of one").add_argument("client")
    restore = commands.add_parser("restore", help="bring a generation back")
    restore.add_argument("client")
    restore.add_argument("--at", default="", metavar="TIME", help="the newest that is no younger, in UTC")
    restore.add_argument("--in-place", action="store_true", help="in the place of what the client has")
    commands.add_parser("check", help="verify the checksums of the newest generations").add_argument("client", nargs="?")
    for name in ("accounts", "keep", "watch", "refused"):
        # For units, and for sshd.
        commands.add_parser(name)
    args = parser.parse_args()
    if args.command == "refused":
        untrusted.die(REFUSED)
    if os.geteuid() != 0:
        untrusted.die("repositoryctl: this is for root")
    run(args)


def run(args: argparse.Namespace) -> None:
    """Run a command of root's."""
    from rootless_backup.repository import accounts, generations, keeping

    if args.command in ("status", "watch"):
        from rootless_backup.repository import status

        sys.exit(0 if (status.show(args.json) if args.command == "status" else status.watch()) else 1)
    elif args.command == "accounts":
        sys.exit(0 if admit() else 1)
    elif args.command == "keep":
        with accounts.alone():
            good = keeping.keep()
        sys.exit(0 if good else 1)
    elif args.command == "check":
        from rootless_backup.repository import checking

        sys.exit(0 if checking.check(accounts.read(), named(args.client) if args.client else None) else 1)
    elif args.command == "list":
        for name in generations.names(keeping.path_of(named(args.client))):
            untrusted.say(name)
    else:
        restore(named(args.client), args.at, args.in_place)


def admit() -> bool:
    """Let in who may come, and end the sessions of who may not. Return whether nothing is wrong with an account."""
    from rootless_backup.repository import accounts, sessions

    troubles = accounts.let_in()
    try:
        for line in sessions.end_unwanted():
            untrusted.say(line)
    except Exception as trouble:  # whatever it is
        # It keeps none of the others out. It is tried again, and told, whenever it is looked what to keep.
        untrusted.tell(3, "sessions that are to end could not be ended: %s" % untrusted.reason(trouble))
    for line in troubles:
        untrusted.say(line, file=sys.stderr)
    return not troubles


def restore(account: Account, at: str, in_place: bool) -> None:
    """Bring a generation back."""
    from rootless_backup.repository import accounts, generations, sessions, undelete

    try:
        with accounts.alone():
            name = undelete.chosen(account, at)
            if in_place:
                undelete.in_place(account, name)
                untrusted.say("%s: its repository is that of %s again" % (account["name"], name))
            else:
                untrusted.say(undelete.beside(account, name))
    except (undelete.Impossible, generations.Restless, sessions.Unending, OSError) as error:
        untrusted.die("repositoryctl: %s" % error)


def named(client: str) -> Account:
    """The account of a machine."""
    from rootless_backup.repository import accounts

    known = {account["name"]: account for account in accounts.read()["accounts"]}
    if client not in known:
        untrusted.die("repositoryctl: there is no client %s; there are %s" % (client, ", ".join(sorted(known)) or "none"))
    return known[client]
