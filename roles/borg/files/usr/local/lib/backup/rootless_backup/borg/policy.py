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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless_backup.borg.call import Event, Run
    from rootless_backup.borg.repository import Repository

PASSING_MESSAGES = {"FileChangedWarning", "BackupRaceConditionError", "BackupFileNotFoundError"}
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
    found = re.search(r": [a-z_]+: \[Errno 11\] Resource temporarily unavailable: ", event["message"])
    return [LEASE] if found and event["message"].count("[Errno ") == 1 else []


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


def is_full(event: Event) -> bool:
    """Whether an error is of a disk without room."""
    return "No space left on device" in event.get("message", "") or event.get("msgid") == "Repository.InsufficientFreeSpaceError"


def is_damage(text: str) -> bool:
    """Whether an error is of something that is not as it was written."""
    return bool(re.search(r"(?i)integrity (?:check )?(?:error|failed)|Data integrity|checksum", text))


def crash(text: str) -> str | None:
    """The line that people need of what Borg says when it crashes; None: it says something else."""
    if "\nTraceback " not in text:
        return None
    # The last line of the exception; the rest is for who looks closer.
    found = re.findall(r"^\w[\w.]*: .*$", text.split("\nPlatform: ")[0], re.MULTILINE)
    return "Borg: %s" % (found or ["it crashed"])[-1]


def has_warned(code: int) -> bool:
    """Whether an exit code of Borg's says that there were warnings, and nothing worse. See borg(1), "Return codes"."""
    # 1, and with BORG_EXIT_CODES=modern 100 to 127.
    return code == 1 or 100 <= code <= 127


def advice(run: Run, repository: Repository) -> Iterator[str]:
    """What can be done about a failure of Borg, a line each."""
    number, location = repository.number, repository.location
    by_hand = "backup-borg" if number == 1 else "backup-borg --repository %d" % number
    if "LockTimeout" in run.ids:
        yield (
            "Another host, or a command by hand, uses %s. If it is certain that none does any more, run `%s break-lock`."
            % (location, by_hand)
        )
    if run.ids & {"Repository.DoesNotExist", "Repository.InvalidRepository", "PathNotMounted"}:
        yield "%s is not there. Mount its disk, or bring it back: it is never made anew by itself." % location
    if "Cache.RepositoryReplay" in run.ids:
        yield (
            "%s is older than when this machine last used it. If nobody but you put an older copy in its place, make Borg forget what "
            "it knew: `rm /var/lib/borg/.config/borg/security/*/manifest-timestamp; rm -r /var/cache/borg/*`." % location
        )
    if run.ids & {"PassphraseWrong", "PasscommandFailure", "NoPassphraseFailure"}:
        yield "The passphrase of this host does not open %s: set borg_passphrase to the one that it was made with." % location
    if run.full:
        yield "The disk of %s is full. Make room on it, or keep less (backup_keep_*) and run `%s compact`." % (location, by_hand)
    if run.damaged:
        yield (
            "%s is damaged. Check its disk, copy the repository while it can be read, then run `%s check --repair`; the next backup "
            "saves again what is gone of it and still on this machine." % (location, by_hand)
        )
