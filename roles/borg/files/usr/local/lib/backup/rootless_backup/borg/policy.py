# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""What becomes of what Borg says, and what can be done about it.

a file changed, was replaced or vanished while it was read   reported; the run goes on (the next one has it again)
the same of a directory that is there                        an error: all that is below is not in the archive
Borg removed a stale lock, rebuilt a cache or an index        reported; the run goes on
a file that is leased (EAGAIN), a directory that was skipped  as what follows, and it is tried once more
anything else: unreadable, input/output error, unknown        an error; the run goes on with the rest, then fails
"""

from __future__ import annotations

import os
import re
import stat

from rootless_backup import engine, host, untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless_backup.borg.call import Event, Run
    from rootless_backup.borg.repository import Repository

# How errors begin that are no damage of a cache, wherever they are met.
UNREADABLE = "borg.helpers.msgpack."
OF_OTHERS = ("borg.", "KeyboardInterrupt", "SystemExit", "OSError: [Errno ")
PASSING_MESSAGES = {"FileChangedWarning", "BackupRaceConditionError", "BackupFileNotFoundError"}
UNAUTHENTIC = {"ArchiveTAMInvalid", "ArchiveTAMRequiredError"}
LEASE = 46
HOUSEKEEPING_LOGGERS = {"borg.locking", "borg.cache", "borg.repository"}


def is_passing(event: Event) -> bool:
    """Whether a warning is of a file that changed, was replaced or vanished while it was read."""
    if event.get("msgid"):
        return event["msgid"] in PASSING_MESSAGES
    # Borg 1.2 has no ids. A name can hold anything, so only what stands behind it counts, and nothing else beside it.
    text: str = event["message"]
    if "[Errno " in text:
        return text.count("[Errno ") == 1 and bool(re.search(r": [a-z_]+: \[Errno 2\] No such file or directory: ", text))
    return text.endswith((": file changed while we backed it up", " (race condition), skipping file"))


def is_of_directory(event: Event) -> bool:
    """Whether a warning that may pass is of a directory: by what is there now, since Borg calls everything a file."""
    text: str = event["message"]
    # A name can hold the same words: wherever the path ends, it must not be that of a directory.
    ends = re.finditer(r": (?:[a-z_]+: \[Errno 2\] |file (?:type|inode) changed \(race condition\), skipping file$)", text)
    return any(is_directory(text[: end.start()]) for end in ends)


def passes_after(event: Event) -> list[float]:
    """After how many seconds what was not saved may be, as a list of one; an empty one if by nothing that passes."""
    if is_passing(event):
        # A directory that was replaced while it was opened.
        return [0]
    # Who has a file leased gives it up when somebody comes, or the kernel takes it after /proc/sys/fs/lease-break-time.
    match = re.search(r": [a-z_]+: \[Errno 11\] Resource temporarily unavailable: ", event["message"])
    return [LEASE] if match and event["message"].count("[Errno ") == 1 else []


def is_directory(path: str) -> bool:
    """Whether there is a directory, or it cannot be told what there is."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True


def is_housekeeping(event: Event) -> bool:
    """Whether a warning is of what Borg put right by itself."""
    return event.get("name") in HOUSEKEEPING_LOGGERS


def is_of_missing_cache(text: str) -> bool:
    """Whether it says only that files were never saved before."""
    return text.startswith(("The files cache can't be read. [[Errno 2]", "Continuing without files cache"))


def explained(command: str, text: str) -> str:
    """What Borg says of an item; 1.4 leaves out what is wrong with one that it cannot take out whole."""
    bare = command == "extract" and text.endswith(": backup error")
    return text + ": what the repository has of it is damaged" if bare else text


def is_full(event: Event) -> bool:
    """Whether an error is of a disk without room."""
    return "No space left on device" in event.get("message", "") or event.get("msgid") == "Repository.InsufficientFreeSpaceError"


def is_of_memory(text: str) -> bool:
    """Whether an error is that there was no memory left."""
    return "MemoryError" in text


def is_damage(text: str) -> bool:
    """Whether an error is of something that is not as it was written."""
    gone = r"index object count mismatch|object with key \S+ not found in repository|FileNotFoundError: .*/data/\d+/\d+'$"
    return bool(re.search(r"(?i)integrity (?:check )?(?:error|failed)|Data integrity|checksum|" + gone, text))


def crash(text: str) -> str | None:
    """The line that people need of what Borg says when it crashes; None: it says something else."""
    gist = untrusted.without_traces(text.split("\nPlatform: ")[0].rstrip("\n"))
    # The last line of the exception; the rest is for who looks closer.
    if gist == text.split("\nPlatform: ")[0].rstrip("\n"):
        return None
    # Some have more lines behind it.
    messages = re.findall(r"^\w[\w.]*: .*$", gist, re.MULTILINE) or [gist.rsplit("\n", 1)[-1].strip() or "it crashed"]
    return "Borg: %s" % messages[-1]


def is_of_cache(event: Event) -> bool:
    """Whether an error is of what Borg keeps on this machine to be faster: it names a file of it, or crashed while it read one."""
    text: str = event["message"]
    if event.get("msgid") not in (None, "FileIntegrityError") or text.startswith("Remote: ") or is_of_memory(text):
        return False
    if os.environ.get("BORG_CACHE_DIR", host.CACHE) + "/" in text:
        return True
    frames = re.findall(r'^  File "[^"\n]*/borg/([^"\n]*)", line \d+', text, re.MULTILINE)
    # What only reads for who asked it.
    while frames and re.match(r"helpers/|(?:.*/)?(?:file_integrity\.py|hashindex\.pyx)$", frames[-1]):
        frames.pop()
    last = (crash(text) or "").partition("Borg: ")[2]
    return frames[-1:] == ["cache.py"] and (last.startswith(UNREADABLE) or not last.startswith(OF_OTHERS))


def has_warned(code: int) -> bool:
    """Whether an exit code of Borg's says that there were warnings, and nothing worse. See borg(1), "Return codes"."""
    # 1, and with BORG_EXIT_CODES=modern 100 to 127.
    return code == 1 or 100 <= code <= 127


def by_hand(repository: Repository) -> str:
    """The command that has Borg do something with a repository."""
    return "backup-borg" if repository.number == 1 else "backup-borg --repository %d" % repository.number


def advice(run: Run, repository: Repository) -> Iterator[str]:
    """What can be done about a failure of Borg, a line each."""
    number, location, command = repository.number, repository.location, by_hand(repository)
    if "LockTimeout" in run.ids:
        yield (
            "Another host, or a command by hand, uses %s. If it is certain that none does any more, run `%s break-lock`."
            % (location, command)
        )
    if run.ids & {"Repository.DoesNotExist", "Repository.InvalidRepository", "PathNotMounted"}:
        yield "%s is not there. Mount its disk, or bring it back: it is never made anew by itself." % location
    if "Cache.RepositoryReplay" in run.ids:
        yield (
            "%s is older than when this machine last used it. If nobody but you put an older copy in its place, make Borg forget what "
            "it knew: `rm /var/lib/borg/.config/borg/security/*/manifest-timestamp; rm -r /var/cache/borg/*`." % location
        )
    if "Archive.DoesNotExist" in run.ids:
        yield "`backupctl list` shows the archives that are there."
    if run.ids & {"PassphraseWrong", "PasscommandFailure", "NoPassphraseFailure"}:
        yield (
            "A change of the passphrase was broken off. Run your playbook again: it goes on where that ended."
            if os.path.lexists("/etc/credstore/borg.passphrase-next")
            else "The passphrase of this host does not open %s. Set borg_passphrase to the one that does. Earlier ones are in "
            "backup_secrets_dir on the control node, with their dates." % location
        )
    if "Cache.RepositoryAccessAborted" in run.ids:
        yield (
            "To Borg %s is a repository that it knows from another place, or one that nobody else used. Run `systemctl start "
            "borg-init.service`: that accepts it if it is the one that this host had." % location
        )
    if run.starved:
        yield "Borg had too little memory. Give this machine more, or its unit, if that has a limit (`MemoryMax=`, `LimitAS=`)."
    if run.full:
        yield (
            "The disk of %s is full. Make room on it; or keep less (backup_keep_*, and apply the role), and have what is not kept by that "
            "taken away at once: run `backupctl make-room%s`." % (location, "" if number == 1 else " --repository %d" % number)
        )
    if run.ids & UNAUTHENTIC:
        yield (
            "An archive in %s is not authentic. Borg 1.2.4, as Debian 12 has it, leaves such ones where it renames: those whose names "
            "end in %s, of an older version of this collection, and what was renamed by hand. `%s upgrade --check-archives-tam` names "
            "them. If it is these alone, and none that somebody else could have written, have them authenticated: run `%s upgrade "
            "--archives-tam`; never `check --repair`, which deletes them." % (location, engine.INCOMPLETE, command, command)
        )
    elif run.damaged:
        yield (
            "%s is damaged. Check its disk, copy the repository while it can be read, then run `%s check --repair`; the next backup "
            "saves again what is gone of it and still on this machine." % (location, command)
        )
