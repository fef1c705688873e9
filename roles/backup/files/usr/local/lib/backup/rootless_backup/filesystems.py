# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is mounted, of which type, and where the same directory is seen a second time. See proc(5), mountinfo."""

from __future__ import annotations

import os
import re

from rootless_backup import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    # `{place: (device, directory in its file system, whether it came from the host)}`
    Mounts = dict[str, tuple[str, str, bool]]
    # `{place: type}`
    Kinds = dict[str, str]

# What the kernel makes up as it is read. Of FUSE the type is a word of whoever mounts it.
PSEUDO = {
    *("proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "cpuset", "mqueue", "hugetlbfs", "debugfs", "tracefs", "securityfs"),
    *("pstore", "bpf", "configfs", "efivarfs", "fusectl", "binfmt_misc", "selinuxfs", "smackfs", "resctrl", "rpc_pipefs", "nfsd"),
    "nsfs",
}
# What is gone with the next boot. Somebody may want it saved, but for that of the running system.
MEMORY = {"tmpfs", "ramfs"}
RUNNING = ("/run", "/dev")
AUTOMOUNT = "autofs"


def read(path: str = "/proc/self/mountinfo") -> str:
    # Of what ends a line the kernel escapes the line feed alone, and anybody may mount on a name with another.
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return file.read()


def lines(mountinfo: str) -> list[list[str]]:
    """The fields of each line."""
    return [line.split(" ") for line in mountinfo.split("\n") if line]


def mounts(mountinfo: str) -> Mounts:
    """What is mounted on each place: `{place: (device, directory in its file system, whether it came from the host)}`.

    A mount that the sandbox made itself receives nothing from the host: it has no master.
    """
    result = {}
    for fields in lines(mountinfo):
        device, root, place = (unescape(field) for field in fields[2:5])
        result[place] = (device, root, any(field.startswith("master:") for field in fields[6 : fields.index("-")]))
    return result


def kinds(mountinfo: str) -> Kinds:
    """The type of what one sees at each place: what was mounted there last."""
    return {unescape(fields[4]): fields[fields.index("-") + 1] for fields in lines(mountinfo)}


def unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def at(table: Mounts, path: str) -> tuple[str, str]:
    """The file system and the directory in it that one sees at `path`."""
    place = path
    while place not in table:
        place = os.path.dirname(place)
    device, root, _shared = table[place]
    return device, os.path.normpath(os.path.join(root, os.path.relpath(path, place)))


def unreal(mountinfo: str, roots: Collection[str]) -> Kinds:
    """The places that nothing is saved of, by the type of what is mounted there, wherever that is.

    The memory of the running system is known by its device, as in a chroot where it is bound; who wants it names it as a root.
    """
    table, types = mounts(mountinfo), kinds(mountinfo)
    memory = {table[place][0] for place, kind in types.items() if kind in MEMORY and any(paths.is_below(place, top) for top in RUNNING)}
    return {
        place: kind
        for place, kind in types.items()
        if kind in PSEUDO or (kind in MEMORY and table[place][0] in memory and place not in roots)
    }


def layers(mountinfo: str) -> list[str]:
    """The directories of overlays that are written to: what they hold is in `trusted.*` attributes too, unless they are a user's own."""
    directories: set[str] = set()
    for fields in lines(mountinfo):
        end = fields.index("-")
        options = unescape(fields[end + 3]).split(",")
        if fields[end + 1] == "overlay" and "userxattr" not in options:
            directories.update(option[len("upperdir=") :] for option in options if option.startswith("upperdir=/"))
    return sorted(directories)


def automounts(mountinfo: str) -> list[str]:
    """The places where something is mounted when somebody comes, whether it is or not."""
    return sorted({unescape(fields[4]) for fields in lines(mountinfo) if fields[fields.index("-") + 1] == AUTOMOUNT})


def elsewhere(table: Mounts, path: str) -> Iterator[str]:
    """The other places at which one sees the same directory as at a path."""
    here = at(table, path)
    for mounted, (device, top, _shared) in table.items():
        if device == here[0] and paths.is_below(here[1], top):
            place = os.path.normpath(os.path.join(mounted, os.path.relpath(here[1], top)))
            # Something else may be mounted over it.
            if place != path and at(table, place) == here:
                yield place
