# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Each database of a hook by itself: a proof runs what an owner put into a database, who then sees nothing of another."""

from __future__ import annotations

import json
import os

from rootless_backup import statefile, tree, untrusted
from rootless_backup.drill.places import PARTS, STAGED
from rootless_backup.records import manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    # `(directory, manifest, names of files)`
    Part = tuple[str, manifest.Content, list[str]]

# Databases of a hook that are proven each by itself.
MOST = 100_000


def part(hook: str) -> bool:
    """Lay each database of what was restored of a hook down by itself, with what belongs to none. What has no manifest stays together.

    Return True.
    """
    whole = os.path.join(STAGED, hook)
    parts = find(hook, whole)
    # The small ones first: see `proofs.prove_each`.
    parts.sort(key=lambda piece: sum(os.lstat(os.path.join(piece[0], name)).st_size for name in piece[2]))
    for number, (top, content, names) in enumerate(parts, 1):
        lay_down("%s:%d/%s" % (whole, number, os.path.relpath(top, whole)), top, content, names)
    if parts:
        tree.remove(*{top for top, _content, _names in parts})
    together = os.path.isdir(whole) and any(files for _top, files in tree.directories(whole))
    if os.path.isdir(whole) and not together:
        tree.remove(whole)
    tell(hook, len(parts), together)
    return True


def find(hook: str, whole: str) -> list[Part]:
    """The parts of what was restored of a hook: `(directory, manifest, names of files)` each."""
    parts = []
    for top, files in list(tree.directories(whole)) if os.path.isdir(whole) else ():
        if manifest.NAME not in files:
            continue
        try:
            content = manifest.read(os.path.join(top, manifest.NAME))
        except (ValueError, OSError) as trouble:
            untrusted.tell(3, "hook %s: a manifest cannot be used: %s" % (hook, trouble))
            continue
        databases = {name: entry.get("database") for name, entry in sorted(content["files"].items()) if name in files}
        of_none = [name for name, database in databases.items() if database is None]
        parts += [(top, content, names) for names in [[*of_none, name] for name in databases if name not in of_none] or [of_none]]
    return parts


def lay_down(place: str, top: str, content: manifest.Content, names: Collection[str]) -> None:
    """Lay some files of a directory down elsewhere, with a manifest that tells of no other."""
    os.makedirs(place)
    directory = place
    while directory != STAGED:
        # The proof is nobody's; only this is bound into its sight.
        os.chmod(directory, 0o755)
        directory = os.path.dirname(directory)
    for name in names:
        os.link(os.path.join(top, name), os.path.join(place, name), follow_symlinks=False)
    path = os.path.join(place, manifest.NAME)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**content, "files": {name: content["files"][name] for name in names}}, file)
    os.chmod(path, 0o644)


def tell(hook: str, number: int, together: bool) -> None:
    """Write down how many parts there are of a hook, and whether something is together still."""
    statefile.write(os.path.join(PARTS, hook), "%d %d" % (number, together), 0o644)


def are_told(hook: str) -> bool:
    """Whether a hook was laid down in parts."""
    return os.path.exists(os.path.join(PARTS, hook))


def units_of(hook: str) -> list[str]:
    """The units that prove a hook: one for each part, and one for what is together still."""
    try:
        number, together = map(int, untrusted.read_plain(os.path.join(PARTS, hook), 20).split())
    except (OSError, ValueError):
        return [unit_of(hook)]
    parts = [unit_of("%s:%d" % (hook, index)) for index in range(1, min(number, MOST) + 1)]
    return parts + ([unit_of(hook)] if together or not parts else [])


def unit_of(instance: str) -> str:
    return "backup-prove@%s.service" % instance


def instance_of(unit: str) -> str:
    return unit[len("backup-prove@") : -len(".service")]
