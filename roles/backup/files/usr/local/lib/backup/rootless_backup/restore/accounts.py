# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Bring back the accounts of a lost machine, by name: `backupctl restore-accounts`.

Of /etc/passwd, /etc/group and /etc/shadow in the archive, which are never put over those of this machine, a line that is none is told
and left out.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import subprocess
import tempfile

from rootless_backup import untrusted
from rootless_backup.control import codes
from rootless_backup.restore.terminal import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

CONTROL = "/usr/local/sbin/backupctl"
FILES = "/etc/passwd", "/etc/group", "/etc/shadow"
MOST = 16 << 20
# See passwd(5), group(5) and shadow(5). What is in an archive may have been written by who broke into the machine: of a line that is of
# another form nothing becomes an argument of a program.
NAME = r"([A-Za-z_][A-Za-z0-9_.-]{0,31}[$]?)"
USER = re.compile(
    NAME + r":[^:]*:(0|[1-9][0-9]{0,8}):(0|[1-9][0-9]{0,8}):([^:\x00-\x1f\x7f]*):(/[^:\x00-\x1f\x7f]*):(|/[^:\x00-\x1f\x7f]*)"
)
GROUP = re.compile(NAME + r":[^:]*:(0|[1-9][0-9]{0,8}):([^:\x00-\x1f\x7f]*)")
PASSWORD = re.compile(NAME + r":([!-9;-~]*):.*")
# Each machine has these by itself.
EVERYWHERE = {0, 65534}


class User:
    def __init__(self, name: str, uid: str, gid: str, comment: str, home: str, shell: str) -> None:
        self.name, self.uid, self.gid, self.comment, self.home, self.shell = name, int(uid), int(gid), comment, home, shell

    def is_person(self) -> bool:
        return 1000 <= self.uid <= 59999


class Group:
    def __init__(self, name: str, gid: str, members: str) -> None:
        self.name, self.gid, self.members = name, int(gid), [member for member in members.split(",") if member]


class Accounts:
    """Those of a machine, as its files say. `odd`: lines that are none."""

    def __init__(self, passwd: str, group: str, shadow: str) -> None:
        self.odd = [line for form, text in ((USER, passwd), (GROUP, group)) for line in text.splitlines() if not form.fullmatch(line)]
        self.users = [User(*match.groups()) for match in map(USER.fullmatch, passwd.splitlines()) if match]
        self.groups = [Group(*match.groups()) for match in map(GROUP.fullmatch, group.splitlines()) if match]
        self.users = [entry for entry in self.users if entry.uid not in EVERYWHERE]
        self.groups = [entry for entry in self.groups if entry.gid not in EVERYWHERE]
        self.passwords = {match[1]: match[2] for match in map(PASSWORD.fullmatch, shadow.splitlines()) if match}


def main(options: argparse.Namespace) -> int:
    """Bring users and groups back. Return the exit code."""
    if os.geteuid() != 0:
        untrusted.die("backupctl restore-accounts: only root may make accounts", codes.NOT_ALLOWED)
    directory = tempfile.mkdtemp(prefix="backup-accounts-", dir=os.path.realpath("/var/tmp"))
    try:
        command = [CONTROL, "restore", "--repository", str(options.repository), "--archive", options.archive, "--into", directory]
        process = subprocess.run([*command, "--", *FILES], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        if process.returncode != 0:
            # What went wrong has been told, and its code means the same here.
            return process.returncode if process.returncode in codes.MEANING else codes.FAILED
        saved = Accounts(*(untrusted.read_plain(directory + path, MOST).decode(errors="surrogateescape") for path in FILES))
    except (OSError, untrusted.Untrustworthy) as trouble:
        untrusted.die("backupctl restore-accounts: %s" % untrusted.reason(trouble))
    finally:
        # Where nothing came it is gone already.
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if Making(saved, options.list).all() else 1


class Making:
    """Accounts on their way. `only_tell`: none is made."""

    def __init__(self, saved: Accounts, only_tell: bool = False) -> None:
        self.saved, self.only_tell, self.ok = saved, only_tell, True
        self.users = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
        self.groups = {entry.gr_name: entry.gr_gid for entry in grp.getgrall()}

    def all(self) -> bool:
        """Make the groups and users that are lacking. Return whether all of them are there then."""
        made = [group.name for group in self.saved.groups if group.name not in self.groups and self.make_group(group)]
        new = [user for user in self.saved.users if user.name not in self.users]
        made_users = [user.name for user in new if self.make_user(user)]
        for user in self.saved.users:
            # Who is here already may be whom the administrator comes as.
            if user.is_person() and user.name in made_users:
                self.liken(user)
        self.tell("groups", made)
        self.tell("users", made_users)
        self.join()
        if self.saved.odd:
            tell(
                untrusted.printable(
                    "backupctl restore-accounts: left out, since they are no lines of such a file: " + "; ".join(self.saved.odd)
                )
            )
        return self.ok

    def tell(self, what: str, names: Iterable[str]) -> None:
        untrusted.say(untrusted.printable("%s %s: %s" % (what, "lacking" if self.only_tell else "made", " ".join(names) or "none")))

    def run(self, *command: str, given: str | None = None) -> bool:
        """Run a program, unless it is only told. Return whether it succeeded; if not, what it said is told."""
        if self.only_tell:
            return True
        process = subprocess.run(command, input=(given or "").encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if process.returncode != 0:
            self.ok = False
            tell(untrusted.printable_lines("backupctl restore-accounts: " + process.stdout.decode(errors="backslashreplace").strip()))
        return process.returncode == 0

    def number(self, option: str, number: int, taken: Iterable[int], saved: Iterable[int]) -> list[str]:
        """The number as it was, unless it is another's by now; several may have had it."""
        if number in taken:
            return []
        return [option, str(number), *(["--non-unique"] if list(saved).count(number) > 1 else [])]

    def make_group(self, group: Group) -> bool:
        # Of those that had one number the first has it here by now.
        twins = {other.name for other in self.saved.groups if other.gid == group.gid}
        taken = {gid for name, gid in self.groups.items() if name not in twins}
        options = self.number("--gid", group.gid, taken, (other.gid for other in self.saved.groups))
        succeeded = self.run("groupadd", *(["--system"] if group.gid < 1000 else []), *options, "--", group.name)
        if succeeded:
            self.groups[group.name] = group.gid if self.only_tell else grp.getgrnam(group.name).gr_gid
        return succeeded

    def make_user(self, user: User) -> bool:
        twins = {other.name for other in self.saved.users if other.uid == user.uid}
        taken = {uid for name, uid in self.users.items() if name not in twins}
        options = self.number("--uid", user.uid, taken, (other.uid for other in self.saved.users))
        own = next((group.name for group in self.saved.groups if group.gid == user.gid and group.name in self.groups), "")
        own = own or (user.name if user.name in self.groups else "")
        options += ["--gid", own] if own else []
        options += [] if user.is_person() else ["--system"]
        shell = ["--shell", user.shell] if user.shell else []
        succeeded = self.run(
            "useradd",
            "--badname",
            "--no-create-home",
            "--comment",
            user.comment,
            "--home-dir",
            user.home,
            *shell,
            *options,
            "--",
            user.name,
        )
        if succeeded:
            self.users[user.name] = user.uid if self.only_tell else pwd.getpwnam(user.name).pw_uid
        return succeeded

    def liken(self, user: User) -> None:
        """Give a person what it had: its password by a pipe, since everybody sees arguments."""
        account = None if self.only_tell else pwd.getpwnam(user.name)
        if account and (account.pw_gecos, account.pw_dir, account.pw_shell) != (user.comment, user.home, user.shell):
            self.run("usermod", "--comment", user.comment, "--home", user.home, "--shell", user.shell, "--", user.name)
        self.run("chpasswd", "--encrypted", given="%s:%s\n" % (user.name, self.saved.passwords.get(user.name, "!")))

    def join(self) -> None:
        """Have users be in the groups that they were in, of those that there are."""
        members = {entry.gr_name: set(entry.gr_mem) for entry in grp.getgrall()}
        for user in self.saved.users:
            groups = {group.name for group in self.saved.groups if user.name in group.members}
            new = sorted(name for name in groups & members.keys() if user.name not in members[name])
            if new and user.name in self.users:
                untrusted.say(untrusted.printable("groups of %s: %s" % (user.name, " ".join(new))))
                self.run("usermod", "--append", "--groups", ",".join(new), "--", user.name)
