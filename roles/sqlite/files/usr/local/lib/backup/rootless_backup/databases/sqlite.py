# Managed by Ansible (collection rootless.backup, role sqlite): changes made here are overwritten.
"""Live SQLite databases: they are copied into /backup/sqlite-NAME, restored, and proven to be what they were.

  PATH            the database that lives at /PATH, as a database; its pages stay where they are
  manifest.json   for each file its database, size in bytes, SHA-256 and the time it was finished (UTC), and for each of
                  its tables the number of rows and a checksum of their contents, read from the copy: that is the snapshot

SQLite's backup API copies all pages within one read transaction: what others write meanwhile waits (rollback journal)
or is not in the copy (WAL), so the copy is consistent and cannot starve. See https://www.sqlite.org/backup.html

A copy takes the place of the last good one only when it is complete and every table of it can be read: a failure keeps
the old one, and makes the backup fail. What `PRAGMA integrity_check` says beyond that is told, and keeps nothing from being
saved or restored: a program can work for years on a database of which it complains. After a run without a failure, copies of
databases that are gone are removed.

A database is opened read-only, and its directory has to be writable all the same: for the index of a WAL, which SQLite
makes when nobody else has the database open. Only if a crash left a transaction half done is the database opened for
writing: SQLite then rolls it back, as it would for the next program that opens it.

Environment: SETTINGS (JSON) with the keys name, paths (absolute paths or patterns) and busy_timeout (seconds). To restore
and prove: BACKUP_DUMP, a directory that holds what was in /backup/sqlite-NAME. To restore: BACKUP_REQUEST, a JSON file.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import signal
import sqlite3
import stat
import sys

from rootless_backup import untrusted
from rootless_backup.databases import base
from rootless_backup.databases.base import complain, shown
from rootless_backup.databases.request import BEFORE, came_back, note_back, refuse
from rootless_backup.records import manifest as manifests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Optional

    from rootless_backup.records.manifest import Entry

    # `{name: {"rows", "checksum"}}`, or null for what only the program of the database can read.
    Tables = dict[str, Optional[dict[str, Any]]]

# What belongs to a database while it is open.
COMPANIONS = ("-wal", "-shm", "-journal")
# What a copy is called until it takes its place in /backup, and a database until it takes its own.
PARTIAL = "partial"
RESTORING = ".restoring"
# What only the program of the database knows: a collation, a function, a module or a tokenizer.
FOREIGN = "no such (collation|function|module|tokenizer)|unknown (function|tokenizer)"


def main() -> None:
    os.umask(0o077)
    # What is begun is cleaned up when systemd ends it.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + int(number)))
    settings = json.loads(os.environ["SETTINGS"])
    if sys.argv[1:] in (["restore"], ["prove"]):
        ok = {"restore": restore, "prove": prove}[sys.argv[1]](os.environ["BACKUP_DUMP"], int(settings["busy_timeout"]))
        sys.exit(0 if ok else 1)
    try:
        # A templated number is text on ansible-core < 2.19.
        ok = copy_all("/backup/sqlite-" + settings["name"], settings["paths"], int(settings["busy_timeout"]))
    except OSError as error:
        # Such as files of another user, as whom the hook ran before.
        ok = complain("The copies could not be made: %s" % error)
    sys.exit(0 if ok else 1)


def copy_all(target: str, patterns: Iterable[str], busy_timeout: int) -> bool:
    """Return whether each pattern matched something, and everything that matched was copied."""
    ok, databases = True, []
    for pattern in patterns:
        try:
            paths = [path for path in matches(pattern) if not is_companion(path)]
        except OSError as error:
            ok = complain("%s: %s" % (shown(pattern), base.reason(error)))
            continue
        if not paths:
            ok = complain("%s: there is no such file. Correct it in sqlite_databases, or take it out." % shown(pattern))
        databases += [path for path in paths if path not in databases]

    with manifests.Manifest(target) as manifest:
        for path in databases:
            ok = copy(manifest, path, busy_timeout) and ok
        if ok:
            base.keep_only(manifest, {path.lstrip("/") for path in databases})
            untrusted.tell(6, "%d databases, %d bytes" % (len(databases), manifest.size()))
    return ok


def matches(pattern: str) -> list[str]:
    """
    The paths that a pattern matches, sorted: `*`, `?` and `[…]` within a directory, `**` for any number of directories.
    Names that begin with a dot match too, as in the patterns of Borg: what is not copied must not be left out there.
    OSError: a directory cannot be searched; what is in it would be missing without a word.
    """
    return sorted(set(below("/", [part for part in pattern.split("/") if part])))


def below(directory: str, parts: list[str]) -> list[str]:
    if not parts:
        return [directory]
    part, rest = parts[0], parts[1:]
    path = os.path.join(directory, part)
    if part != "**" and not re.search(r"[*?\[]", part):
        return below(path, rest) if kind(path) else []
    if kind(directory) != "directory":
        return []
    paths = [os.path.join(directory, name) for name in os.listdir(directory)]
    if part == "**":
        deeper = [path for path in paths if kind(path) == "directory" and not os.path.islink(path)]
        return below(directory, rest or ["*"]) + [match for path in deeper for match in below(path, parts)]
    return [match for path in paths if fnmatch.fnmatchcase(os.path.basename(path), part) for match in below(path, rest)]


def kind(path: str) -> str | None:
    """`directory`, `other` or, if it is not there, None. OSError: it cannot be told."""
    try:
        return "directory" if stat.S_ISDIR(os.stat(path).st_mode) else "other"
    except (FileNotFoundError, NotADirectoryError):
        return "other" if os.path.islink(path) else None


def is_companion(path: str) -> bool:
    """Whether a file belongs to a database beside it."""
    return any(path.endswith(end) and os.path.lexists(path[: -len(end)]) for end in COMPANIONS)


def copy(manifest: manifests.Manifest, path: str, busy_timeout: int) -> bool:
    """Copy a database to its place by way of PARTIAL. Return whether it is complete."""
    # Beside its place, its name could be too long for one.
    new = base.Dump(manifest, path.lstrip("/"), path, os.path.join(manifest.directory, PARTIAL))

    def make(partial: str) -> Entry:
        remove(partial)
        demand_database(path)
        copy_pages(path, partial, busy_timeout)
        return {"tables": check(partial, shown(path))}

    try:
        new.put_in_place(new.write(make))
        return True
    except (sqlite3.Error, OSError, Unusable) as error:
        remove(new.partial)
        return complain(
            "%s was not copied; the last good copy, if there is one, is still there. The reason: %s" % (shown(path), base.reason(error))
        )


class Unusable(Exception):
    """A database that cannot be saved; the text says why."""


def demand_database(path: str) -> None:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Unusable("it is not a file, so it is no database. Correct the path or pattern in sqlite_databases.")


def copy_pages(path: str, partial: str, busy_timeout: int) -> None:
    try:
        copy_with("ro", path, partial, busy_timeout)
    except sqlite3.OperationalError as error:
        # Read-only, SQLite may not roll back what a crash left half done.
        if getattr(error, "sqlite_errorname", "") not in ("SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY"):
            raise
        untrusted.tell(5, "%s: a crash left a transaction half done; it is rolled back." % shown(path))
        copy_with("rw", path, partial, busy_timeout)


def copy_with(mode: str, path: str, partial: str, busy_timeout: int) -> None:
    source = open_as(path, "mode=" + mode, timeout=busy_timeout, isolation_level=None)
    try:
        # With a transaction open the backup has nothing to wait for; without, it would wait for a lock for ever.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        copied = sqlite3.connect(partial)
        try:
            source.backup(copied, pages=-1)
        finally:
            copied.close()
    finally:
        source.close()


def open_as(path: str, parameters: str, **options: Any) -> sqlite3.Connection:
    opened: sqlite3.Connection = sqlite3.connect("file:%s?%s" % (base.percent_encoded(path), parameters), uri=True, **options)
    return opened


def check(path: str, what: str) -> Tables:
    """The tables, see `tables_of`. Warn of what SQLite finds wrong if they can be read all the same. sqlite3.Error: one of them cannot be
    read, and so it is in what it was copied from.
    """
    database = open_as(path, "mode=ro&immutable=1")
    try:
        tables = tables_of(database)
        wrong = complaints(database)
        if wrong:
            untrusted.tell(
                4,
                "%s: every table of it can be read, but SQLite finds something wrong with it, in the database itself as in this copy; "
                "look at it with PRAGMA integrity_check: %s" % (what, "; ".join(wrong)),
            )
        return tables
    finally:
        database.close()


def complaints(database: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong."""
    database.text_factory = lambda text: text.decode(errors="backslashreplace")
    try:
        lines = [str(row[0]) for row in database.execute("PRAGMA integrity_check(5)")]
    except sqlite3.Error as error:
        if isinstance(error, sqlite3.OperationalError) and re.match(FOREIGN, str(error)):
            # Nothing is wrong with it.
            untrusted.tell(4, "A database could not be checked, since it needs what only its own program has: %s" % base.reason(error))
            return []
        return ["it cannot be checked: %s" % base.reason(error)]
    # There may be any name in it: none of its lines is one of ours.
    return [] if lines == ["ok"] else [line.replace("\n", "\n    ") for line in lines]


def tables_of(database: sqlite3.Connection) -> Tables:
    """
    Each table with its number of rows and a checksum of them, in the order in which they lie in the file, which no copy
    changes. A virtual table has no rows of its own: they are in tables beside it. Null: only the program of the database can
    read it.
    """
    # Text need not be UTF-8, and is something else than a blob of the same bytes.
    database.text_factory = lambda text: ("text", text)
    names = [text for ((_type, text),) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0")]
    tables: Tables = {}
    for name in sorted(names):
        rows, digest = 0, hashlib.sha256()
        try:
            # SQL is UTF-8, so a table whose name is not cannot be named.
            for row in database.execute('SELECT * FROM "%s" NOT INDEXED' % name.decode().replace('"', '""')):
                rows += 1
                digest.update(repr(row).encode())
            tables[name.decode()] = {"rows": rows, "checksum": digest.hexdigest()}
        except (sqlite3.OperationalError, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and not re.match(FOREIGN, str(error)):
                raise
            tables[os.fsdecode(name)] = None
    return tables


def restore(dump: str, busy_timeout: int) -> bool:
    """Return whether every file was put where it was asked for."""
    with open(os.environ["BACKUP_REQUEST"], encoding="utf-8") as file:
        request = json.load(file)
    items = []
    for item in request["items"]:
        if came_back(item["file"], request) and os.path.lexists(item["into"]):
            untrusted.tell(6, "%s %s, and is left as it is." % (shown(item["into"]), BEFORE))
        else:
            # A link stays, and what it leads to is replaced.
            items.append({**item, "into": os.path.realpath(item["into"])})
    places = [item["into"] for item in items]
    free = [item for item in items if not refuse(problems(item["into"], places, request["over"]))]
    ok = len(free) == len(items)
    # Of all that there is, the others do not wait for that.
    for item in free if ok or request.get("all") else ():
        if restore_one(os.path.join(dump, item["file"]), item["into"], request["over"], busy_timeout):
            note_back(item["file"], request)
        else:
            ok = False
    return ok


def problems(place: str, places: list[str], over: bool) -> Iterator[str]:
    """What stands in the way of a database that is to come back, for people. `places`: of all that are to."""
    if not os.path.isdir(os.path.dirname(place)):
        yield (
            "%s: its directory is not there, or the hook may not see it: it writes only in the directories of "
            "sqlite_databases. Make it, or choose another place with --into PATH." % shown(place)
        )
    elif places.count(place) > 1:
        yield "%s: more than one database would go there. Restore them one by one, with --into PATH." % shown(place)
    elif os.path.isdir(place):
        yield "%s is a directory. Choose the path of a file with --into PATH." % shown(place)
    elif os.path.lexists(place) and not over:
        yield "%s exists already. Choose another place with --into PATH, or replace it with --over." % shown(place)


def restore_one(source: str, place: str, over: bool, busy_timeout: int) -> bool:
    # Late: the hook itself needs none of it.
    import shutil

    new, replaced = place + RESTORING, os.path.lexists(place)
    try:
        remove(new)
        shutil.copyfile(source, new)
        check(new, shown(place))
        if replaced:
            old = os.stat(place)
            os.chmod(new, stat.S_IMODE(old.st_mode))
            if old.st_gid != os.stat(new).st_gid:
                os.chown(new, -1, old.st_gid)
        sync(new)
        if replaced and over:
            replace(new, place, busy_timeout)
        else:
            # Unlike a rename, it never takes the place of what somebody made meanwhile.
            os.link(new, place)
        sync(os.path.dirname(place))
        untrusted.tell(
            6,
            "%s is restored, %d bytes.%s"
            % (shown(place), os.path.getsize(place), " Restart what had the old one open." if replaced else ""),
        )
        return True
    except (sqlite3.Error, OSError, Unusable) as error:
        return complain("%s was not restored, and what is there stays as it was. The reason: %s" % (shown(place), base.reason(error)))
    finally:
        remove(new)


def replace(new: str, place: str, busy_timeout: int) -> None:
    """
    Rename the new one over the old one, while the old one is locked and has no WAL, which would be played into the new one. A
    program that has the old one open with a WAL, or works on it, is an error; one that merely has it open cannot be seen.
    """
    old = None
    try:
        old = open_as(place, "mode=rw", timeout=busy_timeout, isolation_level=None)
        old.execute("PRAGMA locking_mode=EXCLUSIVE")
        mode = old.execute("PRAGMA journal_mode").fetchone()[0]
        old.execute("PRAGMA journal_mode=DELETE")
        old.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if old is not None:
            old.close()
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Unusable("a program has it open. Stop that program, and try again.") from error
        if not name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise
        untrusted.tell(5, "%s is damaged (%s) and replaced all the same." % (shown(place), base.reason(error)))
        old = None
    try:
        # Empty by now, or of a database that nobody can read.
        for end in COMPANIONS:
            if os.path.lexists(place + end):
                os.unlink(place + end)
        os.rename(new, place)
    except OSError:
        if old is not None:
            old.execute("ROLLBACK")
            old.execute("PRAGMA journal_mode=" + mode)
        raise
    finally:
        if old is not None:
            old.close()


def prove(dump: str, _busy_timeout: int) -> bool:
    """Compare everything with what was recorded when it was copied. Return whether nothing differs."""
    try:
        files = manifests.read(os.path.join(dump, manifests.NAME))["files"]
    except (OSError, ValueError) as error:
        return complain("manifest.json cannot be read, so nothing is proven: %s" % base.reason(error))
    ok = True
    for directory, _directories, names in os.walk(dump):
        for name in names:
            path = os.path.relpath(os.path.join(directory, name), dump)
            if path not in files and path not in (manifests.NAME, PARTIAL):
                ok = complain("%s is not in manifest.json, so nothing is known of it." % shown(path))
    for name in sorted(files):
        ok = prove_one(os.path.join(dump, name), files[name]) and ok
    recorded = [table for entry in files.values() for table in (entry.get("tables") or {}).values()]
    untrusted.tell(
        6 if ok else 5,
        "%ssqlite: %d databases, %d tables, %d rows%s"
        % (
            "" if ok else "Not proven: ",
            len(files),
            len(recorded),
            sum(table["rows"] for table in recorded if table),
            "; %d tables only their own program can read" % recorded.count(None) if None in recorded else "",
        ),
    )
    return ok


def prove_one(path: str, entry: Entry) -> bool:
    what = shown(entry["database"])
    try:
        tables, ok = check(path, what), True
    except (sqlite3.Error, OSError, Unusable) as error:
        return complain("%s cannot be restored: %s" % (what, base.reason(error)))
    if "tables" not in entry:
        untrusted.tell(
            5,
            "%s: nothing was recorded of its tables, since an older version of the role copied it, so all that is known is that they can "
            "be read. The next backup will record them." % what,
        )
        return True
    for table in sorted({*tables, *entry["tables"]}):
        ok = same(what, table, entry["tables"].get(table, "missing"), tables.get(table, "missing")) and ok
    return ok


def same(what: str, table: str, recorded: Any, actual: Any) -> bool:
    if recorded == actual:
        return True
    if "missing" in (recorded, actual):
        return complain("%s, table %s: it is %s." % (what, shown(table), "missing" if actual == "missing" else "not in manifest.json"))
    if recorded is None or actual is None:
        return complain("%s, table %s: it can be read only here, or only where it was copied." % (what, shown(table)))
    if recorded["rows"] != actual["rows"]:
        return complain("%s, table %s: it has %d rows; it had %d." % (what, shown(table), actual["rows"], recorded["rows"]))
    return complain("%s, table %s: a value is not what it was." % (what, shown(table)))


def remove(path: str) -> None:
    for end in ("", *COMPANIONS):
        if os.path.lexists(path + end):
            os.unlink(path + end)


def sync(path: str) -> None:
    """See that what was written is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
