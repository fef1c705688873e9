# Managed by Ansible (collection rootless.backup, role backup): changes made here are overwritten.
"""The manifest of dumps, `manifest.json` in a directory of a hook or below it.

It tells of each file beside or below it its database, its size in bytes, its SHA-256, when it was finished, and whatever else is known of
it. Hooks write it, and everybody else reads it as the word of somebody who may say anything: a link, a FIFO, another schema.

Shape: `{"files": {path: {"sha256": hex, "size": bytes, "finished": UTC time, "database": text or null, …}}, …}`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time

from rootless_backup import untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import IO, Any, TypedDict

    from typing_extensions import NotRequired

    # What is told of a file: `database` (null: it is of none), `size` in bytes, `sha256`, `finished`, `kept`, and what its hook adds.
    Entry = dict[str, Any]

    class Content(TypedDict):
        """The whole of it, by the paths of the files."""

        files: dict[str, Entry]
        # Of PostgreSQL: `version`, `superuser`, `shared_preload_libraries`.
        server: NotRequired[dict[str, Any]]


NAME = "manifest.json"
# What a file is called until it takes its place.
PARTIAL = ".partial"
# What a manifest may have at the most, in bytes: that of a server with many thousand tables is large.
MOST = 256 << 20
# How many directories deep a manifest is looked for, and a file of it may lie; Linux itself allows paths of 4096 bytes.
DEEPEST = 100
TIME = "%Y-%m-%dT%H:%M:%SZ"
# As TIME writes it: such texts are compared.
UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
# What every entry has.
NEEDED = {"database", "finished", "kept", "sha256", "size"}
SHA256 = re.compile("[0-9a-f]{64}", re.ASCII)


class Manifest:
    """What is in a directory, for whoever fills it. Written anew, by rename: now and then while files come, and at the end of a `with`."""

    # What readers are told of one file, and of all, in bytes. The owner of a database makes as many tables as he likes, and that is not to
    # keep those of others from being read.
    MOST_OF_ONE, MOST_OF_ALL = 16 << 20, 128 << 20

    def __init__(self, directory: str, every: float = 0, **more: Any) -> None:
        """`every`: how many seconds apart it is written while files come. `more`: what it says beside `files`."""
        self.directory, self.every = directory, every
        self.more = more
        self.path = os.path.join(directory, NAME)
        self.written = 0.0
        # Threads put files into it.
        self.lock = threading.Lock()
        try:
            self.files = read(self.path)["files"]
        except (FileNotFoundError, ValueError):
            self.files = {}
        # Each entry as it stands in the file.
        self.texts = {name: text_of(entry) for name, entry in self.files.items()}

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self.write()

    def put(self, name: str, entry: Entry, optional: Collection[str] = frozenset()) -> bool:
        """Tell of a file; what is `optional` of its entry is left out where that is too large. Return whether all of it is told."""
        with self.lock:
            return self.put_by_itself(name, entry, optional)

    def put_by_itself(self, name: str, entry: Entry, optional: Collection[str]) -> bool:
        """What `put` does, for who holds the lock."""
        text = text_of(entry)
        other_length = sum(len(entry_text) for other, entry_text in self.texts.items() if other != name)
        whole = True
        # What has no end and is not optional goes too: else nothing of the others could be read.
        for left_out in (optional, entry.keys() - NEEDED):
            if len(text) > self.MOST_OF_ONE or other_length + len(text) > self.MOST_OF_ALL:
                whole = False
                entry = {key: value for key, value in entry.items() if key not in left_out}
                text = text_of(entry)
        self.files[name], self.texts[name] = entry, text
        if time.monotonic() >= self.written + self.every:
            self.write()
        return whole

    def keep(self, names: Collection[str], earlier: Collection[str] = frozenset()) -> None:
        """Forget every file but these; those of `earlier` are of an earlier run, and the manifest says so."""
        self.files = {
            name: {**entry, "kept": True} if name in earlier else entry
            for name, entry in self.files.items()
            if name in names or name in earlier
        }
        self.texts = {name: text_of(entry) if name in earlier else self.texts[name] for name, entry in self.files.items()}
        self.write()

    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(entry.get("size", 0) for entry in self.files.values())

    def write(self) -> None:
        entries = ",\n".join("%s: %s" % (json.dumps(name), text) for name, text in sorted(self.texts.items()))
        members = ["%s: %s" % (json.dumps(name), text_of(value)) for name, value in sorted(self.more.items())]
        with open(self.path + PARTIAL, "w", encoding="utf-8") as file:
            file.write("{%s}\n" % ", ".join([*members, '"files": {\n%s\n}' % entries]))
            file.flush()
            os.fsync(file.fileno())
        os.rename(self.path + PARTIAL, self.path)
        self.written = time.monotonic()


def text_of(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def read(path: str, dir_fd: int | None = None) -> Content:
    """What a manifest says, see above. Untrustworthy: it is no regular file, too large, or says something else than a manifest does."""
    manifest: Content = untrusted.read_json(path, MOST, dir_fd)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict):
        raise untrusted.Untrustworthy("it has no `files`")
    for name, entry in files.items():
        if not leads_below(name):
            raise untrusted.Untrustworthy("it leads elsewhere: %s" % untrusted.printable(name))
        if not isinstance(entry, dict):
            raise untrusted.Untrustworthy("what it says of %s is no object" % untrusted.printable(name))
        size = entry.get("size", 0)
        for key, right in (
            ("sha256", fits(SHA256, entry.get("sha256"))),
            ("size", isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 1 << 63),
            ("finished", "finished" not in entry or fits(UTC, entry["finished"])),
            ("database", isinstance(entry.get("database"), (str, type(None)))),
        ):
            if not right:
                raise untrusted.Untrustworthy("%s of %s is none" % (key, untrusted.printable(name)))
    return manifest


def fits(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def leads_below(name: str) -> bool:
    """Whether the path of a file, as a manifest has it, is one below the manifest's directory."""
    parts = name.split("/")
    return len(parts) < DEEPEST and len(os.fsencode(name)) < 4096 and "\0" not in name and not {"", ".", ".."} & set(parts)


def checksum(path: str) -> str:
    """SHA-256 of a file of ours."""
    with open(path, "rb") as file:
        return checksum_of(file)


def checksum_of(file: IO[bytes]) -> str:
    """SHA-256 of an open file, from its beginning."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
