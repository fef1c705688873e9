# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Restoring from each repository, and comparing with what was recorded when the archives were made."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile

from rootless_backup import engine, host, statefile, tree, untrusted
from rootless_backup.drill.places import FOUND, PROOFS, STAGED, STATE
from rootless_backup.engine import Refused, Wanted
from rootless_backup.records import archive as records
from rootless_backup.records import manifest
from rootless_backup.restore.dumps import Dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless_backup.records.archive import Record

# A directory that a member of the group put into /backup has whatever name; that of a hook is the name of a unit.
HOOK = re.compile("[a-z0-9][a-z0-9_-]*")
UNKNOWN: Record = {"begun": "", "roots": [], "hooks": [], "files": {}}


def stage() -> bool:
    """Compare what needs no program of a hook, lay the rest down for the proofs. Return True: `judge` tells what was wrong."""
    tree.open_up(STATE)
    tree.remove(*(os.path.join(STATE, name) for name in os.listdir(STATE)))
    drill = Drill()
    used = engine.in_use()
    with used.alone():
        for number, location in enumerate(used.repositories, 1):
            try:
                drill.repository(used.repository(number), number)
            except Exception as trouble:  # told, and made a failure of the drill: the other repositories are proven all the same
                drill.wrong("%s: %s" % (location, told(trouble)))
    with open(FOUND, "w", encoding="utf-8") as file:
        json.dump({"ok": drill.ok, "hooks": sorted(drill.hooks)}, file)
    return True


def told(trouble: BaseException) -> str:
    """What went wrong, for people: what is no refusal of ours is named by its type too."""
    return str(trouble) if isinstance(trouble, Refused) else "%s: %s" % (type(trouble).__name__, trouble)


class Drill:
    """What is found by restoring."""

    def __init__(self) -> None:
        self.ok = True
        # The hooks that something was laid down of.
        self.hooks: set[str] = set()

    def wrong(self, text: object) -> None:
        self.ok = False
        # One line, whatever names are in it.
        untrusted.tell(3, untrusted.printable(str(text)))

    def repository(self, repository: engine.Repository, number: int) -> None:
        """Prove one repository."""
        if not repository.verify():
            self.wrong("%s: the check of the repository failed" % repository.location)
        files, dumps = (repository.whole(series) for series in engine.SERIES)
        if not files and not dumps:
            raise Refused("there is no archive to prove")
        for archive in chosen(files, turn(number, engine.FILES)):
            self.files(repository, archive)
        for archive in chosen(dumps, turn(number, engine.DUMPS)):
            self.dumps(repository, number, archive)

    def files(self, repository: engine.Repository, archive: str) -> None:
        """Restore the files that were taken at random when the archive was made, and compare."""
        record = record_of(repository, archive)
        wanted = [*record["roots"], *record["files"]]
        if not wanted:
            return
        with room_below() as directory:
            complete = repository.take(archive, Wanted(exactly=[path.lstrip("/") for path in wanted]), plain=True).ok
            tree.open_up(directory)
            self.compare(archive, record, wanted, directory, complete)

    def compare(self, archive: str, record: Record, wanted: list[str], directory: str, complete: bool) -> None:
        """Hold what was restored into a directory to its record; `complete`: whether all of it could be restored."""
        problems = [path for path in wanted if not tree.is_there(directory, path.strip("/") or ".")]
        if not complete and problems:
            self.wrong("%s: %d of %d paths could not be restored, such as %s" % (archive, len(problems), len(wanted), problems[0]))
        for path in problems if complete else ():
            self.wrong("%s: %s is missing" % (archive, path))
        for path, checksum in record["files"].items():
            if path in problems:
                continue
            try:
                # A link on the way would lead to what is on this machine, and did not come from the archive.
                with open(tree.plain_below(directory, path.strip("/")), "rb") as file:
                    if manifest.checksum_of(file) != checksum:
                        self.wrong("%s: %s has another content than when it was saved" % (archive, path))
                        problems.append(path)
            except (OSError, untrusted.Untrustworthy) as error:
                self.wrong("%s: %s cannot be read: %s" % (archive, path, error))
                problems.append(path)
        if not complete and not problems:
            self.wrong("%s: not all of the sample could be restored" % archive)
        if complete and not problems:
            untrusted.tell(6, "%s: %d files restored, each as it was" % (archive, len(record["files"])))

    def dumps(self, repository: engine.Repository, number: int, archive: str) -> None:
        """Restore all dumps of an archive, hold them to their manifests, and leave them to the proofs of the hooks."""
        record = record_of(repository, archive)
        os.makedirs(STAGED, exist_ok=True)
        # Twice: as dumps, and as what a proof makes of them. A full disk would stop the servers of the machine itself.
        tree.make_sure_of_room(STATE, 2 * repository.size(archive), archive)
        with room_below() as directory:
            complete = repository.take(archive, Wanted(below=[host.DUMPS.lstrip("/")]), plain=True, demand=True).ok
            tree.open_up(directory)
            if not complete:
                self.wrong("%s: not all of the dumps could be restored" % archive)
            top = directory + host.DUMPS
            # A link would lead to the dumps of this machine, which did not come from the archive.
            came = os.path.isdir(top) and not os.path.islink(top)
            hooks = {entry.name for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False)} if came else set()
            if not came:
                self.wrong("%s: what it has as %s is no directory" % (archive, host.DUMPS))
            for hook in sorted(set(record["hooks"]) - hooks):
                self.wrong("%s: /backup/%s is missing" % (archive, hook))
            for hook in sorted(hooks):
                try:
                    self.hook(Dumps(repository, archive, hook, "%s/%s" % (top, hook)), record["begun"], "%d-%s" % (number, archive))
                except Exception as trouble:  # told, and made a failure of the drill: one hook's trouble is never another's
                    self.wrong("%s: hook %s: %s" % (archive, hook, told(trouble)))

    def hook(self, dumps: Dumps, begun: str, name: str) -> None:
        """Hold what was restored of a hook to its manifests, and leave it to the hook's proof under a name."""
        hook, archive = dumps.hook, dumps.archive
        problems = list(dumps.problems()) + ["%s is missing" % file for file in dumps.absent()]
        problems += [
            "%s is of %s, before the run of the backup began, at %s" % (file, finished, begun)
            for file, finished in dumps.finished()
            if finished < begun
        ]
        for problem in problems:
            self.wrong("%s: hook %s: %s" % (archive, hook, problem))
        if not HOOK.fullmatch(hook) or not os.path.exists("%s/%s.json" % (PROOFS, hook)):
            untrusted.tell(5, "%s: hook %s brings no proof; its dump was compared with its manifest only, if it has one" % (archive, hook))
            return
        # For the proof, which is nobody's; only that is bound into its sight.
        subprocess.run(["chmod", "--recursive", "--silent", "u=rwX,go=rX", "--", dumps.directory], stdin=subprocess.DEVNULL, check=False)
        os.makedirs(os.path.join(STAGED, hook), exist_ok=True)
        os.chmod(os.path.join(STAGED, hook), 0o755)
        os.rename(dumps.directory, os.path.join(STAGED, hook, name))
        self.hooks.add(hook)


@contextlib.contextmanager
def room_below() -> Iterator[str]:
    """A directory to restore into, which goes with all that came, however deep and with whatever modes; it is the working directory."""
    directory = tempfile.mkdtemp(dir=STATE)
    os.chdir(directory)
    try:
        yield directory
    finally:
        os.chdir(STATE)
        tree.open_up(directory)
        tree.remove(directory)


def record_of(repository: engine.Repository, archive: str) -> Record:
    """What was recorded when the archive was made; nothing if that was before this machine did, or on another one."""
    record = records.read(repository.location, archive)
    if record is None:
        untrusted.tell(4, "%s: nothing was recorded here when it was made, so it is not proven to be whole" % archive)
    return record or UNKNOWN


def turn(number: int, series: str) -> str:
    """Where it is kept which older archive of a repository had its turn."""
    return "%s/drilled-%d-%s" % (host.STATE, number, series)


def chosen(names: list[str], turn: str) -> list[str]:
    """The newest, and of the older ones the next in turn."""
    older = names[:-1]
    if not older:
        return names
    try:
        last = untrusted.read_plain(turn).decode(errors="replace").strip()
    except (OSError, untrusted.Untrustworthy):
        # None had its turn, or that is not known any more.
        last = ""
    # Backwards in time, and again from the newest of them.
    due = max((name for name in older if last and engine.age(name) < engine.age(last)), key=engine.age, default=older[-1])
    statefile.write(turn, due + "\n")
    return [names[-1], due]
