# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Bring back which packages a lost machine had: `backupctl restore-packages`."""

from __future__ import annotations

import os
import re
import subprocess

from rootless_backup import engine, untrusted
from rootless_backup.control import codes
from rootless_backup.restore import listing
from rootless_backup.restore.dpkg import NAME, Packages, forms
from rootless_backup.restore.services import former_packages
from rootless_backup.restore.terminal import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

APT = "/var/lib/apt/extended_states"
# A line of dpkg-statoverride(1): user, group, mode, path. A user can be a number, as `#12`.
OVERRIDE = re.compile(r"(#?[A-Za-z0-9_][A-Za-z0-9_.-]*) (#?[A-Za-z0-9_][A-Za-z0-9_.-]*) ([0-7]{3,5}) (/\S+)")
MOST = 64 << 20
QUIET = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def main(options: argparse.Namespace) -> int:
    """List or install the packages that the machine had. Return the exit code."""
    if os.geteuid() != 0:
        untrusted.die("backupctl restore-packages: only root may install packages, and open archives", codes.NOT_ALLOWED)
    try:
        contents = listing.read("restore-packages", engine.in_use(), options.repository, options.archive)
        saved_paths = {"/" + item["path"] for item in contents.items if item["path"].startswith(("var/lib/dpkg/", APT[1:]))}
        with former_packages(options.repository, contents.archive, saved_paths) as former:
            were = former()
            if were is None:
                untrusted.die(
                    "backupctl restore-packages: archive %s does not tell of packages: /var/lib/dpkg is not in it" % contents.archive
                )
            change = Change(were, Packages(), os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(were.directory))), APT[1:]))
        change.tell()
        return 0 if not options.install or change.make() else 1
    except engine.NoSuchRepository as refused:
        untrusted.die("backupctl restore-packages: %s" % refused, codes.WRONG_USE)
    except (engine.Refused, OSError, subprocess.SubprocessError, untrusted.Untrustworthy) as trouble:
        untrusted.die("backupctl restore-packages: %s" % untrusted.printable(str(trouble)))


class Change:
    """What is to be done so that this machine has the packages of another. `states`: what apt knew there, a file."""

    def __init__(self, were: Packages, here: Packages, states: str) -> None:
        auto = automatic(states)
        self.lacking = sorted(were.installed.keys() - here.installed.keys())
        # Those that somebody asked for: the others come along with them, or not at all any more, as a library of an older release, which is
        # marked as asked for if the machine was installed with it.
        self.asked_for = [name for name in self.lacking if name not in auto and not were.installed[name].is_library]
        # Or software that is of no package needs it.
        self.libraries = [name for name in self.lacking if name not in auto and were.installed[name].is_library]
        self.candidates = available(self.lacking)
        self.held = sorted(were.held - here.held)
        self.auto = sorted((auto & were.installed.keys()) - automatic(APT))
        self.overrides = sorted(overrides(were.directory) - overrides(here.directory))

    def unavailable(self) -> list[str]:
        return [name for name in self.asked_for if name not in self.candidates]

    def tell(self) -> None:
        along = [name for name in self.lacking if name not in self.asked_for]
        for title, names in (
            ("to install", [name for name in self.asked_for if name in self.candidates]),
            ("came along with others", along),
            ("in no source of this machine", self.unavailable()),
            ("held", self.held),
            ("marked as automatic", self.auto),
            ("modes set by hand", [" ".join(line) for line in self.overrides]),
        ):
            untrusted.say(untrusted.printable("%s: %s" % (title, " ".join(names) if names else "none")))

    def make(self) -> bool:
        """Return whether all of it succeeded."""
        wanted, libraries = ([name for name in names if name in self.candidates] for names in (self.asked_for, self.libraries))
        along = [name for name in self.lacking if name in self.candidates and name not in wanted]
        ok = not (wanted or libraries) or install(["--no-install-recommends", "--", *wanted, *along], quiet=True)
        if not ok:
            # No more than it had. Where what came along does not fit this release, apt chooses.
            ok = not wanted or install(["--", *wanted])
            ok = (not libraries or install(["--no-install-recommends", "--", *libraries])) and ok
        installed = Packages().installed.keys()
        for state, names in (("auto", self.auto), ("hold", self.held)):
            marked = [name for name in names if name in installed]
            ok = (not marked or run(["apt-mark", state, "--", *marked])) and ok
        for line in self.overrides:
            ok = self.override(*line) and ok
        for name in self.unavailable():
            tell("backupctl restore-packages: %s is in no source of this machine, and was not installed" % untrusted.printable(name))
        for name in self.libraries:
            if name not in installed:
                why = "could not be installed" if name in self.candidates else "is in no source of this machine"
                tell("backupctl restore-packages: %s %s; what is no package's may need this library" % (untrusted.printable(name), why))
        return ok and not self.unavailable()

    def override(self, user: str, group: str, mode: str, path: str) -> bool:
        """Set what somebody had set by hand, unless that gives more than a package did: who broke into the old machine could say it."""
        try:
            raises = int(mode, 8) & 0o6002 & ~os.lstat(path).st_mode
        except OSError:
            raises = 1
        if raises or not Packages().owners(forms(path)):
            tell(
                untrusted.printable(
                    "backupctl restore-packages: not set, see for yourself: dpkg-statoverride --add %s %s %s %s" % (user, group, mode, path)
                )
            )
            return True
        return run(["dpkg-statoverride", "--force-all", "--update", "--add", user, group, mode, path])


def install(arguments: list[str], quiet: bool = False) -> bool:
    # What is there of their settings came out of the archive, or will.
    options = ["Dpkg::Options::=--force-confold", "Dpkg::Options::=--force-confdef"]
    chosen = ["--yes", "--quiet", "--no-remove", *("--option=" + option for option in options)]
    return run(["apt-get", "install", *chosen, *arguments], quiet)


def run(command: list[str], quiet: bool = False) -> bool:
    """Run a program of dpkg's or apt's, which asks no questions. Return whether it succeeded. `quiet`: it is not told why not."""
    process = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=QUIET, check=False)
    if process.returncode != 0 and not quiet:
        tell(untrusted.printable_lines(process.stdout.decode(errors="backslashreplace").rstrip()))
    return process.returncode == 0


def automatic(states: str) -> set[str]:
    """The packages that apt installed for others, as its file says; none: there is no such file."""
    try:
        text = untrusted.read_plain(states, MOST).decode(errors="replace")
    except FileNotFoundError:
        return set()
    packages = set()
    for block in text.split("\n\n"):
        name = re.search(r"^Package: (\S+)$", block, re.MULTILINE)
        if name and NAME.fullmatch(name[1]) and re.search(r"^Auto-Installed: 1$", block, re.MULTILINE):
            packages.add(name[1])
    return packages


def available(names: Iterable[str]) -> set[str]:
    """Those of them that a source of this machine has."""
    wanted = list(names)
    if not wanted:
        return set()
    process = subprocess.run(
        ["apt-cache", "policy", "--", *wanted], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env={**QUIET, "LC_ALL": "C"}, check=True
    )
    pairs = re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (.*)$", process.stdout.decode(errors="replace"), re.MULTILINE)
    return {name for name, candidate in pairs if candidate != "(none)"} & set(wanted)


def overrides(directory: str) -> set[tuple[str, ...]]:
    """What dpkg-statoverride(1) knows: user, group, mode and path."""
    try:
        text = untrusted.read_plain(os.path.join(directory, "statoverride"), MOST).decode(errors="replace")
    except FileNotFoundError:
        return set()
    return {match.groups() for match in map(OVERRIDE.fullmatch, text.splitlines()) if match}
