# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages dpkg knows to be there: it answers in milliseconds, a package manager reads its lists for seconds.

Only a plain yes counts. What else a name can mean to a package manager, such as a virtual package, is left to it.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Where apt keeps which packages nobody asked for, so that it may take them away again.
AUTOMATIC = "/var/lib/apt/extended_states"
# The name, perhaps an architecture, perhaps the version that it has to have.
PACKAGE = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::([a-z0-9-]+))?(?:=([A-Za-z0-9.+:~-]+))?")
# dpkg itself is of the architecture of the host.
ITSELF = "dpkg"


def query(program: str, packages: Iterable[str]) -> list[str]:
    """The command that asks for all of them; of what it does not know it says nothing."""
    names = [match[1] + (":" + match[2] if match[2] else "") for match in map(PACKAGE.fullmatch, packages) if match]
    return [program, "--show", "--showformat=${Package}\\t${Architecture}\\t${Version}\\t${db:Status-Status}\\t${db:Status-Eflag}\\n",
            ITSELF, *names]


def lacking(packages: Iterable[str], answer: str, states: str) -> list[str]:
    """Those that are not plainly there: installed whole, of the host's architecture unless another is named, in the version that is named,
    and because somebody asked for them. `answer` is that of the command, `states` what is in `AUTOMATIC`.
    """
    lines = [line.split("\t") for line in answer.splitlines()]
    whole = [line[:3] for line in lines if len(line) == 5 and line[3:] == ["installed", "ok"]]
    native = {arch for name, arch, _version in whole if name == ITSELF}
    stanzas = [dict(re.findall(r"^([\w-]+): *(\S+)", stanza, re.MULTILINE)) for stanza in states.split("\n\n")]
    automatic = {stanza.get("Package") for stanza in stanzas if stanza.get("Auto-Installed") == "1"}

    def is_there(package: str) -> bool:
        match = PACKAGE.fullmatch(package)
        if match is None or match[1] in automatic:
            return False
        name, wanted, exact = match.groups()
        arches = {wanted} if wanted else native | {"all"}
        return any(installed == name and arch in arches and exact in (None, version) for installed, arch, version in whole)

    return [package for package in packages if not is_there(package)]
