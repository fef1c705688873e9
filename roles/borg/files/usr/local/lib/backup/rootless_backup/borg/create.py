# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""Making an archive."""

from __future__ import annotations

import json
import os
import re
import subprocess

from rootless_backup import engine, host, statefile
from rootless_backup.borg import state
from rootless_backup.borg.call import borg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Optional

    from rootless_backup.borg.call import Event
    from rootless_backup.borg.repository import Repository
    from rootless_backup.voice import Voice

    # `[below, parameters]`, smallest first; the last has no limit.
    Rules = Sequence[tuple[Optional[int], str]]

CHUNKER_PARAMS = host.STATE + "/dump-chunker-params"
# Directories and the like are few, so listing them costs little.
LISTED = "dsbcf"
LISTED_FILES = "hAMUC"
# Of what Borg has these signs for nothing, or not all, is in the archive.
NOT_SAVED = ("E", "x", "?")


def make(
    repository: Repository,
    archive: str,
    series: str,
    roots: list[str],
    excludes: list[str],
    one_file_system: bool,
    seen: Callable[[str, bool], object],
) -> engine.Made:
    """See `engine.Repository.make`."""
    settings = repository.settings
    # Regular files are listed only if one is a root.
    regular = any(os.path.isfile(root) and not os.path.islink(root) for root in roots)
    options = [
        "--compression",
        settings["compression"],
        "--files-cache",
        "ctime,size,inode",
        *(["--one-file-system"] if one_file_system else []),
        *(word for exclude in excludes for word in ("--exclude", "sh:" + exclude)),
        *(["--chunker-params", repository.engine.dump_chunks()] if series == engine.DUMPS else []),
    ]

    def seen_by_borg(event: Event) -> None:
        # Borg's own word. What a server says comes by the same way, but of other types, which Borg lets through.
        if event.get("type") == "file_status" and event.get("status") not in NOT_SAVED:
            seen(event.get("path", ""), event.get("status") == "d")

    run = borg(
        repository,
        "create",
        "--json",
        "--progress",
        "--list",
        "--filter",
        LISTED + (LISTED_FILES if regular else ""),
        *options,
        repository.named(archive),
        *roots,
        seen=seen_by_borg,
        suffix=series,
    )
    # By how it ended, and not by words alone: a server, or the name of a file, can say them too.
    made = engine.Made(there=run.made, reachable=run.made or run.reachable, again=run.again)
    if not run.ok:
        repository.voice.error("%s: archive %s is not whole" % (repository.location, archive))
        return made
    result = json.loads(run.output)
    stats = result["archive"]["stats"]
    made.files, made.original_size, made.deduplicated_size = (stats[key] for key in ("nfiles", "original_size", "deduplicated_size"))
    made.seconds = result["archive"]["duration"]
    # Compressed, each chunk once. See borg-internals-frontends, "Cache".
    made.repository_size = result["cache"]["stats"]["unique_csize"]
    made.whole = is_the_one(repository, result["repository"]["id"])
    made.foreign = not made.whole
    return made


def is_the_one(repository: Repository, repository_id: str) -> bool:
    """Whether a repository is the one that was initialised there. If it is not known any more which that was, note this one."""
    known = state.read_stamp(repository.location, repository.voice)
    if known is None:
        state.write_stamp(repository.location, repository_id)
    elif known != repository_id:
        repository.voice.error(
            "%s: this is another repository (%s) than the one that was initialised (%s)" % (repository.location, repository_id, known)
        )
    return known in (None, repository_id)


def dump_chunks(rules: Rules, voice: Voice) -> str:
    """The parameters of Borg's chunker for the dumps. See borg-create(1)."""
    before = state.read(CHUNKER_PARAMS, re.compile(r"[a-z]+(,\d+)+"), voice)
    # What it is a link to, if it is one.
    size = size_of(host.DUMPS + "/.")
    chunks = chunks_for(rules, size, before)
    if chunks != before:
        statefile.write(CHUNKER_PARAMS, chunks + "\n")
        if before is not None:
            voice.info(
                "There are %.0f GB of dumps: from now on they are cut into chunks by %s, which saves all anew" % (size / 1e9, chunks)
            )
    return chunks


def size_of(directory: str) -> int:
    """How many bytes are in a directory, as far as they can be seen: Borg tells what cannot be read.

    By du(1): it follows no link, and goes as deep as a hook's user may make directories. A function that calls itself does not.
    """
    call = ["du", "--summarize", "--apparent-size", "--block-size=1", "--null", "--", directory]
    output = subprocess.run(call, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    match = re.match(rb"\d+", output)
    return int(match[0]) if match else 0


def chunks_for(rules: Rules, size: int, before: str | None) -> str:
    """How to cut so many bytes of dumps into chunks, if they were cut as `before` says until now. Other chunks save everything anew, so it
    goes back to those for fewer bytes only below a quarter of their limit.

    `rules`: `[below, parameters]`, smallest first; the last has no limit.
    """
    known = [chunks for _below, chunks in rules]
    now = next(index for index, (below, _chunks) in enumerate(rules) if below is None or size < below)
    last = known.index(before) if before in known else now
    while last > now and size < (rules[last - 1][0] or 0) / 4:
        last -= 1
    return known[max(now, last)]
