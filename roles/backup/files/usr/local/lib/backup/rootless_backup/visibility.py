# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What a sandbox hides from the backup. An archive of it would lack that without a word."""

from __future__ import annotations

import os
import re

from rootless_backup import credentials, filesystems, paths
from rootless_backup.filesystems import at, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rootless_backup.filesystems import Mounts


def mounted() -> str:
    """What the host has mounted, as it was when this unit was started. See proc(5), mountinfo."""
    return filesystems.read(credentials.path("host.mounts"))


def hidden(saved: Collection[str], excludes: Collection[str], awake: Iterable[str] = ()) -> list[str]:
    """Messages for what this process does not see of the saved paths, or not as it is. `awake`: automount points that were mounted."""
    with open("/proc/self/uid_map", encoding="ascii") as ours, open(credentials.path("host.users"), encoding="ascii") as hosts:
        if ours.read().split() != hosts.read().split():
            return ["the sandbox has a user namespace (PrivateUsers=): every owner would be saved as nobody"]
    host, here = mounts(mounted()), mounts(filesystems.read())
    # Mounted since the table of the host was read.
    host.update({place: mount for place, mount in here.items() if mount[2] and any(paths.is_below(place, point) for point in awake)})
    return differences(host, here, {*saved, *map(os.path.realpath, saved)}, excludes)


def differences(host: Mounts, here: Mounts, saved: Collection[str], excludes: Iterable[str]) -> list[str]:
    """Messages for the places at, above or below the saved paths where `here` shows something else than `host` has."""
    literal = [exclude for exclude in excludes if not re.search(r"[*?\[]", exclude)]
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
