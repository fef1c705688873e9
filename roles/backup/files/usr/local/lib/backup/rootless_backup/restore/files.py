# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""Files that come back: into an empty directory, or each into its place."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import tempfile

from rootless_backup import engine, untrusted
from rootless_backup.restore.metadata import DEFAULT_ACL
from rootless_backup.restore.search import named
from rootless_backup.restore.staging import STAGING
from rootless_backup.restore.terminal import show_progress, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import SimpleNamespace


def restore(repository: engine.Repository, request: SimpleNamespace) -> bool:
    """Restore the paths. Return whether all of them came back, with all that belongs to them."""
    archive = named(repository, request.archive)
    if request.in_place:
        return restore_in_place(repository, archive, request)
    os.chdir(request.places[0])
    with without_default_acl(request.places[0]):
        ok, _ended = extract(repository, archive, request.paths, request.terminal, request.into, request.without)
    tell_raised(raised_below(request.into))
    outcome = "restored" if ok else "NOT all was restored"
    untrusted.say(untrusted.printable("%s from archive %s into %s" % (outcome, archive, request.into)))
    return ok


def restore_in_place(repository: engine.Repository, archive: str, request: SimpleNamespace) -> bool:
    from rootless_backup.restore.place import Place

    ok = True
    attached = zip(request.bases, request.places, request.trusted)
    places = {base: Place(base, place, trusted, request.kept, request.token) for base, place, trusted in attached}
    for path, base in zip(request.paths, request.bases):
        ok = places[base].restore(repository, archive, path, request) and ok
    return ok


def raised_below(top: str) -> list[str]:
    """The programs below the working directory that run with the rights of somebody else than who starts them."""
    command = ["find", ".", "-type", "f", "-perm", "/6000", "-printf", "%P\\0"]
    output = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False).stdout
    return [os.path.join(top, os.fsdecode(name)) for name in output.split(b"\0") if name]


def tell_raised(paths: Iterable[str]) -> None:
    for path in paths:
        tell("backupctl restore: %s came back with its set-user-id or set-group-id bit, as it was saved" % path)


@contextlib.contextmanager
def without_default_acl(directory: str) -> Iterator[None]:
    """What is made in the directory gets no ACL of it: else a file that had none would come back readable for others."""
    try:
        default = os.getxattr(directory, DEFAULT_ACL)
        os.removexattr(directory, DEFAULT_ACL)
    except OSError:
        # It has none.
        default = None
    try:
        yield
    finally:
        if default is not None:
            os.setxattr(directory, DEFAULT_ACL, default)


def extract(
    repository: engine.Repository, archive: str, paths: list[str], terminal: bool, where: str, without: Iterable[str] = ()
) -> tuple[bool, bool]:
    """Extract into the working directory, which people know as `where`; nothing of what is to be left out.

    Return whether all succeeded, and whether the engine came to its end; its warnings each say what did not succeed.
    """
    lacking = list(unsupported())
    for kind in lacking:
        tell("backupctl restore: the file system of %s cannot hold %s, which do not come back" % (where, kind))
    # The directories above come with their owners and modes, but without what else is in them.
    above = {os.path.dirname(path[:end]) for path in paths for end in range(1, len(path) + 1)} - {"/", ""}
    wanted = engine.Wanted(
        below=[path.lstrip("/") for path in paths],
        exactly=[path.lstrip("/") for path in sorted(above)],
        without=[path.lstrip("/") for path in without],
    )
    taken = repository.take(archive, wanted, progress=(lambda part: show_progress("%3d %%" % (100 * part))) if terminal else None)
    if terminal:
        show_progress("     ")
    if not taken.known:
        tell("backupctl restore: there is no archive %s; see backupctl list" % archive)
    absent = [path for path in paths if not os.path.lexists(path.lstrip("/"))] if taken.begun else []
    for path in absent:
        tell("backupctl restore: archive %s holds no %s; see backupctl find" % (archive, path))
    return taken.ok and not lacking and not absent, taken.begun


def unsupported() -> Iterator[str]:
    """What the file system of the working directory cannot hold, and no engine says anything of."""
    descriptor, path = tempfile.mkstemp(prefix=STAGING, dir=".")
    # Of version 2: owner rw, user 1 r, group r, mask r, others none. See linux/posix_acl_xattr.h
    nobody = 0xFFFFFFFF
    entries = ((0x01, 6, nobody), (0x02, 4, 1), (0x04, 4, nobody), (0x10, 4, nobody), (0x20, 0, nobody))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        attempts: dict[str, Callable[[], None]] = {
            "owners": lambda: os.fchown(descriptor, 1, 1),
            "ACLs": lambda: os.setxattr(descriptor, "system.posix_acl_access", acl),
        }
        for what, attempt in attempts.items():
            try:
                attempt()
            except OSError:
                yield what
    finally:
        os.close(descriptor)
        os.unlink(path)
