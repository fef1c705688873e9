# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What dpkg knows: which packages there are, and whose a path is. Of this machine, or of one that was saved."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess

from rootless_backup import untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = "/var/lib/dpkg"
MOST = 64 << 20
SECONDS = 120
FORMAT = "${Package}\t${db:Status-Abbrev}\t${Priority}\t${source:Package}\t${Section}\t${Provides}\n"
# What each Debian has.
BASE = {"required", "important", "standard"}
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,200}")


def forms(path: str) -> list[str]:
    """What a path can be called in the list of a package: /lib is a link to /usr/lib, and /bin to /usr/bin."""
    plain = path.removeprefix("/usr")
    return [plain, "/usr" + plain] if path else []


class Package:
    """One that is installed."""

    def __init__(self, name: str, priority: str, source: str, section: str, provides: str) -> None:
        self.name, self.source = name, source
        # With the name of its archive before it, if that is not Debian's main one.
        self.is_library = section.split("/")[-1] in ("libs", "oldlibs")
        self.is_base = priority in BASE
        # Without versions.
        self.provides = set(re.findall(r"(?:^|, )([a-z0-9][a-z0-9+.-]*)", provides))


class Packages:
    """Those of a dpkg. `directory`: its own, as `/var/lib/dpkg`."""

    def __init__(self, directory: str = HERE) -> None:
        self.directory = directory
        self.installed: dict[str, Package] = {}
        # What is held is not replaced by another version: its state begins with `h`.
        self.held: set[str] = set()
        os.close(untrusted.open_plain(os.path.join(directory, "status")))
        process = subprocess.run(
            ["dpkg-query", "--admindir=" + directory, "--show", "--showformat=" + FORMAT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
        for line in process.stdout.decode(errors="replace").splitlines():
            name, state, *fields = line.split("\t")
            if state[1:2] == "i" and NAME.fullmatch(name) and len(fields) == 4:
                self.installed[name] = Package(name, *fields)
                if state[:1] == "h":
                    self.held.add(name)

    def owners(self, paths: Iterable[str]) -> dict[str, set[str]]:
        """The packages that each of these paths is of; of one that is nobody's nothing is told."""
        wanted = {path.encode(errors="surrogateescape"): path for path in paths}
        owners: dict[str, set[str]] = {}
        directory = os.path.join(self.directory, "info")
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            if not name.endswith(".list"):
                continue
            package = name[: -len(".list")].partition(":")[0]
            # One that was saved is what somebody made of it.
            with contextlib.suppress(OSError, untrusted.Untrustworthy):
                text = untrusted.read_plain(os.path.join(directory, name), MOST)
                for line in wanted.keys() & set(text.split(b"\n")):
                    owners.setdefault(wanted[line], set()).add(package)
        return owners

    def sources(self, names: Iterable[str]) -> set[str]:
        return {self.installed[name].source for name in names if name in self.installed}
