# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The dumps of a hook, taken out of an archive and held to their manifests.

What is not as its manifest says is never handed on. The hook's user makes all of it, so it may be anything.
"""

from __future__ import annotations

import os
import re

from rootless_backup import tree, untrusted
from rootless_backup.engine import Refused, Wanted
from rootless_backup.records import manifest
from rootless_backup.restore.arrivals import Arrivals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypedDict

    from rootless_backup.engine import Repository

    class Choice(TypedDict):
        """What is to be restored: a file, the name that it has there, and the one that it gets."""

        file: str
        name: str
        into: str


# Below it, as an archive has it, are the directories of hooks.
DUMPS = "backup"


class Dumps:
    """What an archive of a repository holds of a hook; `directory`, which is made, becomes what `/backup/HOOK` was."""

    def __init__(self, repository: Repository, archive: str, hook: str, directory: str) -> None:
        self.repository, self.archive, self.hook, self.directory = repository, archive, hook, directory
        # Whether all that the hook left is taken out.
        self.all = False
        self.arrivals = Arrivals()

    def take_manifests(self) -> None:
        """Take out the manifests, of which there need not be any."""
        self._take(Wanted(matching=[self._in_archive("**", manifest.NAME)]))

    def take_likely(self, names: list[str]) -> None:
        """Take out the manifests, and beside them what has one of these names; all if there are none.

        A dump that is called otherwise is taken out by `take`.
        """
        if not names:
            self.all = True
            self._take(Wanted(below=[self._in_archive()]), demand=True)
            return
        wanted = [re.sub(r"([*?\[])", r"[\1]", name) + end for name in names for end in ("", ".*")]
        self._take(Wanted(matching=[self._in_archive("**", name) for name in [manifest.NAME, *wanted]]))
        chosen = {item["file"] for item in self.choose(names)}
        for file in set(self.known()) - chosen:
            # Another's, of a name that begins alike.
            if tree.is_plain(self.directory, file):
                os.unlink(os.path.join(self.directory, file))

    def take(self, files: list[str]) -> None:
        """Take out these files, or all if there are none; what is there already stays. Refused: there is no room for them."""
        entries = self.known()
        lacking = [file for file in files if file not in entries or not tree.is_plain(self.directory, file)]
        if self.all or (files and not lacking):
            return
        size = sum(entries[file].get("size", 0) for file in lacking or entries if file in entries)
        tree.make_sure_of_room(os.path.dirname(os.path.abspath(self.directory)), size, self.archive)
        self._take(Wanted(below=[self._in_archive(file) for file in lacking] or [self._in_archive()]), demand=True)

    def _in_archive(self, *parts: str) -> str:
        return "/".join([DUMPS, self.hook, *parts])

    def _take(self, wanted: Wanted, demand: bool = False) -> None:
        before = os.getcwd()
        os.chdir(self.directory)
        try:
            with self.arrivals:
                taken = self.repository.take(self.archive, wanted, plain=True, strip=2, demand=demand)
            if not taken.ok:
                raise Refused("archive %s: not all that is asked for of hook %s could be taken out" % (self.archive, self.hook))
        finally:
            os.chdir(before)
        tree.open_up(self.directory)

    def manifests(self) -> dict[str, manifest.Content]:
        """`{directory: manifest}`; the directory is relative, with a slash at its end, and the hook's own is the empty text.

        Refused: one of them is not what a manifest has to be.
        """
        manifests = {}
        for top, files in tree.directories(self.directory):
            if manifest.NAME not in files:
                continue
            below = os.path.relpath(top, self.directory)
            try:
                manifests["" if below == "." else below + "/"] = manifest.read(os.path.join(top, manifest.NAME))
            except (ValueError, OSError) as error:
                where = untrusted.printable("%s/%s" % (self.hook, below))
                raise Refused("archive %s: the manifest in %s cannot be used: %s" % (self.archive, where, error)) from None
        return manifests

    def choose(self, names: list[str]) -> list[Choice]:
        """What to restore for these names: `{"file", "name", "into"}` each. Refused: a name is not there, or there twice."""
        manifests = self.manifests()
        if not manifests:
            return [{"file": name, "name": name, "into": name} for name in names]
        choices: list[Choice] = [
            {"file": place + file, "name": entry["database"], "into": entry["database"]}
            for place, content in sorted(manifests.items())
            for file, entry in sorted(content["files"].items())
            if entry.get("database") is not None
        ]
        chosen = [[item for item in choices if name in (item["name"], item["file"])] for name in names]
        problems = []
        for name, items in zip(names, chosen):
            if len(items) > 1:
                there_are = untrusted.printable(", ".join(item["file"] for item in items))
                problems.append("%s is there more than once: name one of %s" % (name, there_are))
            elif not items:
                held = untrusted.printable(", ".join(sorted(item["name"] for item in choices)))
                problems.append("archive %s holds no %s of hook %s; it holds: %s" % (self.archive, name, self.hook, held))
        if problems:
            raise Refused("\n".join(problems))
        return [items[0] for items in chosen] if names else choices

    def known(self) -> dict[str, manifest.Entry]:
        """What the manifests tell of: `{file: entry}`."""
        return {place + name: entry for place, content in self.manifests().items() for name, entry in content["files"].items()}

    def globals(self) -> list[str]:
        """The files that belong to no database: roles and the like."""
        return [file for file, entry in self.known().items() if entry.get("database") is None]

    def problems(self) -> Iterator[str]:
        """Say where a file that was taken out is not what its manifest says."""
        for name, entry in self._sorted():
            try:
                with open(tree.plain_below(self.directory, name), "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    if size != entry.get("size", size):
                        yield "%s has %d bytes, but the manifest says %d" % (untrusted.printable(name), size, entry["size"])
                    elif self.arrivals.checksum(os.path.join(self.directory, name), file) != entry["sha256"]:
                        yield "%s has another checksum than the manifest says" % untrusted.printable(name)
            except FileNotFoundError:
                # It was not taken out; see `absent`.
                continue
            except (untrusted.Untrustworthy, OSError) as error:
                yield "%s cannot be read: %s" % (untrusted.printable(name), untrusted.printable(str(error)))

    def finished(self) -> list[tuple[str, str]]:
        """When each file was finished that is of the run which the archive is of: `(file, UTC time)`."""
        return [(name, entry["finished"]) for name, entry in self._sorted() if "finished" in entry and not entry.get("kept")]

    def absent(self) -> list[str]:
        """The files of the manifests that were not taken out."""
        return [name for name in self.known() if not tree.is_plain(self.directory, name)]

    def _sorted(self) -> list[tuple[str, manifest.Entry]]:
        """What each manifest tells of, sorted: `(file, entry)`."""
        return [(place + name, entry) for place, content in self.manifests().items() for name, entry in sorted(content["files"].items())]
