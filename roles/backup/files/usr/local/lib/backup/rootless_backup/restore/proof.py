# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""What a file that came out of an archive is held to, before it takes the place of one that is there."""

from __future__ import annotations

import stat

from rootless_backup.engine import Files, Wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from rootless_backup.engine import Repository


class Proof:
    """What the archive says of the files below a path. `damaged`: those are wanted too that a repair filled up with zeros."""

    def __init__(self, files: Files, damaged: bool) -> None:
        self.files, self.damaged = files, damaged

    @classmethod
    def of(cls, repository: Repository, archive: str, path: str, damaged: bool, without: Iterable[str] = ()) -> Proof | None:
        """None: it cannot be told. `without`: paths that are left out, with all below them."""
        parts = path.strip("/").split("/")
        # Directories above come too, where they are gone.
        above = ["/".join(parts[:count]) for count in range(1, len(parts))]
        wanted = Wanted(below=[path.lstrip("/")], exactly=above, without=[excluded.lstrip("/") for excluded in without])
        files = repository.files(archive, wanted)
        if files is None:
            return None
        # The first name of a file may be elsewhere in the archive.
        elsewhere = {first for first in files.links.values() if first not in files.sizes}
        if elsewhere:
            linked = repository.files(archive, Wanted(exactly=sorted(elsewhere)))
            if linked is None:
                return None
            for name in [name for name, first in files.links.items() if first in elsewhere]:
                first = files.links.pop(name)
                files.sizes[name] = linked.sizes.get(first)
                if first in linked.damaged:
                    files.damaged.add(name)
        return cls(files, damaged)

    def name_of(self, path: str) -> str:
        """The first name of a file, as the archive tells names, which are not all UTF-8."""
        name = path.lstrip("/").encode("utf-8", "replace").decode()
        return self.files.links.get(name, name)

    def tells_of_directory(self, path: str) -> bool:
        """Whether a directory was saved; one above what was saved the engine makes as it likes."""
        return path.lstrip("/").encode("utf-8", "replace").decode() in self.files.directories

    def is_damaged(self, path: str) -> bool:
        """Whether a repair filled it up with zeros."""
        return self.name_of(path) in self.files.damaged

    def doubt(self, path: str, file_stat: os.stat_result) -> str | None:
        """Why what came of a path is not what it has to be; None: it is."""
        if not stat.S_ISREG(file_stat.st_mode):
            return None
        name = self.name_of(path)
        if self.is_damaged(path) and not self.damaged:
            return (
                "the repository lost a part of it, in the place of which there are zeros (an older archive may have it whole; --damaged "
                "takes it as it is)"
            )
        if name not in self.files.sizes:
            return "the archive does not tell of it"
        size = self.files.sizes[name]
        return None if size is None or size == file_stat.st_size else "%d of its %d bytes came" % (file_stat.st_size, size)
