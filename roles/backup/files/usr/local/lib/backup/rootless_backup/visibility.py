# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What a sandbox hides from the backup. An archive of it would lack that without a word."""

from __future__ import annotations

import os
import re

from rootless_backup import credentials, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    # `{place: (device, directory in its file system, whether it came from the host)}`
    Mounts = dict[str, tuple[str, str, bool]]


def hidden(saved: Collection[str], excludes: Collection[str]) -> list[str]:
    """Messages for what this process does not see of the saved paths, or not as it is."""
    with open("/proc/self/uid_map", encoding="ascii") as ours, open(credentials.path("host.users"), encoding="ascii") as hosts:
        if ours.read().split() != hosts.read().split():
            return ["the sandbox has a user namespace (PrivateUsers=): every owner would be saved as nobody"]
    host, here = map(read_mounts, (credentials.path("host.mounts"), "/proc/self/mountinfo"))
    return differences(host, here, {*saved, *map(os.path.realpath, saved)}, excludes)


def differences(host: Mounts, here: Mounts, saved: Collection[str], excludes: Iterable[str]) -> list[str]:
    """Messages for the places at, above or below the saved paths where `here` shows something else than `host` has."""
    literal = [e for e in excludes if not re.search(r"[*?\[]", e)]
    devices = {device for device, _root, _shared in host.values()}
    return [
        "the sandbox hides %s from the backup: there is %s of %s in its place" % (place, *at(here, place)[::-1])
        for place in sorted({*here, *host})
        if any(paths.is_below(place, path) or paths.is_below(path, place) for path in saved)
        and not any(paths.is_below(place, exclude) for exclude in literal)
        and at(here, place) != at(host, place)
        # The host mounted it in the instant between systemd's reading of the table and the closing of the sandbox.
        and not (place in here and here[place][2] and here[place][0] not in devices)
    ]


def read_mounts(path: str) -> Mounts:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return mounts(file.read())


def mounts(mountinfo: str) -> Mounts:
    """What is mounted on each place: `{place: (device, directory in its file system, whether it came from the host)}`.

    A mount that the sandbox made itself receives nothing from the host: it has no master. See proc(5), mountinfo.
    """
    result = {}
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        device, root, place = (unescape(field) for field in fields[2:5])
        result[place] = (device, root, any(field.startswith("master:") for field in fields[6 : fields.index("-")]))
    return result


def unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def at(table: Mounts, path: str) -> tuple[str, str]:
    """The file system and the directory in it that one sees at `path`."""
    place = path
    while place not in table:
        place = os.path.dirname(place)
    device, root, _shared = table[place]
    return device, os.path.normpath(os.path.join(root, os.path.relpath(path, place)))
