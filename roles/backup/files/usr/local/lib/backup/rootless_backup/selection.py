# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What is saved of this machine, what is left out of it, and why."""

from __future__ import annotations

import os
import re
import stat

from rootless_backup import filesystems, host, paths, roots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from rootless_backup.voice import Voice

# What the unit's own sandbox has in place of the host's (PrivateTmp=, PrivateDevices=): else every run would fail.
SANDBOXED = ("/dev", "/tmp", "/var/tmp")


class Selection:
    """The roots of the archive of files, and the patterns of what is left out below them.

    `mounted`: what the host has mounted, where this process sees that through a sandbox, as proc(5) has it in mountinfo. What the sandbox
    has in its place is no reason to leave anything out.
    """

    def __init__(self, settings: dict[str, Any], own: Iterable[str], voice: Voice, mounted: str | None = None) -> None:
        from rootless_backup.restore import leftovers

        self.mounted = mounted
        self.paths = roots.what_to_save(settings["paths"], voice)
        self.one_file_system: bool = settings["one_file_system"]
        # `{pattern: why}`
        self.patterns = {
            **dict.fromkeys(settings["exclude"], "backup_exclude, backup_exclude_default"),
            **roots.injected_excludes(),
            **dict.fromkeys(map(paths.literal, own), "the engine's own"),
            **dict.fromkeys(map(paths.literal, leftovers.kept_paths()), "put aside by a restore, see `backupctl remove-kept`"),
            **dict.fromkeys(dumps(self.paths), "dumps are in an archive of their own"),
        }
        self.unreal: dict[str, str] = {}
        self.look()

    def look(self) -> None:
        """See anew what is mounted."""
        table = filesystems.read()
        from_host = filesystems.mounts(table)
        self.unreal = {
            **dict.fromkeys((place for place in SANDBOXED if not any_below(self.paths, place)), "hidden by the sandbox of the backup"),
            # Also of what the host mounted since.
            **{place: kind for place, kind in filesystems.kinds(table).items() if kind in filesystems.PSEUDO and from_host[place][2]},
            **filesystems.unreal(self.mounted or table, self.paths),
        }
        self.order, self.troubles = roots.ordered(self.paths, from_host, self.one_file_system)

    def excludes(self) -> dict[str, str]:
        """All patterns of what is left out, and why; of what is no real file system the directory stays that it is mounted on."""
        unreal = {pattern: kind for place, kind in self.unreal.items() for pattern in contents(place, kind, self.paths)}
        return {**self.patterns, **unreal}

    def left_out(self) -> re.Pattern[str]:
        """What of the paths is left out."""
        return re.compile("|".join(map(paths.shell_pattern, self.excludes())) or "(?!)", re.DOTALL)

    def is_saved(self, path: str) -> bool:
        """Whether a path is one of the roots or below one."""
        return any(paths.is_below(path, root) for root in self.paths)

    def layers(self) -> list[str]:
        """The directories of overlays that are saved, without what only a privileged process sees of them."""
        left_out = self.left_out()
        return [
            path
            for path in filesystems.layers(filesystems.read())
            if self.is_saved(path) and not left_out.fullmatch(path) and os.path.isdir(path)
        ]

    def wake(self) -> Awake:
        """Have what is mounted when somebody comes be mounted."""
        awake, left_out = Awake(), self.left_out()
        for place in filesystems.automounts(filesystems.read()):
            for path in [root for root in self.paths if paths.is_below(root, place)]:
                awake.open(place, path if os.path.isdir(path) else os.path.dirname(path))
            if not self.one_file_system and self.is_saved(place) and not left_out.fullmatch(place):
                awake.open(place, place)
                for path in indirect(place):
                    if not left_out.fullmatch(path):
                        awake.open(place, path)
        self.look()
        return awake


class Awake:
    """What was mounted because somebody came, and stays so for as long as this process has it open.

    An engine would meet one directory when it comes, another when it looks, and skip what is below.
    """

    def __init__(self) -> None:
        self.places: set[str] = set()
        self.problems: list[str] = []
        self._opened: list[int] = []

    def open(self, place: str, path: str) -> None:
        self.places.add(place)
        try:
            self._opened.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError as error:
            self.problems.append("%s could not be mounted: %s" % (path, error.strerror))


def indirect(place: str) -> list[str]:
    """The directories of an automount point that is the parent of what is mounted; none if something is mounted on itself."""
    try:
        if filesystems.kinds(filesystems.read()).get(place) != filesystems.AUTOMOUNT:
            return []
        entries = [os.path.join(place, name) for name in sorted(os.listdir(place))]
        return [path for path in entries if stat.S_ISDIR(os.lstat(path).st_mode)]
    except OSError:
        # That it could not be mounted has been told.
        return []


def dumps(saved: Sequence[str]) -> Iterator[str]:
    """The patterns of the dumps, as they are named and as what they are."""
    yield host.DUMPS
    real = os.path.realpath(host.DUMPS)
    if real != host.DUMPS and not any_below(saved, real):
        yield paths.literal(real)


def any_below(saved: Iterable[str], place: str) -> bool:
    return any(paths.is_below(path, place) for path in saved)


def contents(place: str, kind: str, saved: Sequence[str]) -> Iterator[str]:
    """The patterns of all that is in a place, but for what is to be saved in it: somebody can have a disk mounted below /run."""
    within = [path for path in saved if paths.is_below(path, place) and path != place]
    if not within or kind in filesystems.PSEUDO:
        yield paths.literal(place.rstrip("/")) + "/*"
        return
    for name in sorted(os.listdir(place)):
        path = os.path.join(place, name)
        if path not in within and any_below(within, path):
            yield from contents(path, kind, within)
        elif path not in within:
            yield paths.literal(path)
