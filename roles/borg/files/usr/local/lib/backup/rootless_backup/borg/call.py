# Managed by Ansible (collection rootless.backup, role borg): changes made here are overwritten.
"""The calls of Borg: nothing else starts it."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import threading
import time

from rootless_backup import credentials, engine, untrusted
from rootless_backup.borg import policy, ssh, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import IO, Any, NoReturn

    from rootless_backup.borg.repository import Repository
    from rootless_backup.voice import Voice

    # What Borg says at once; see `parse`.
    Event = dict[str, Any]

# Of one level, from one call of Borg, so many lines are told. Who has files to be saved can make as many warnings as he likes, and
# journald drops what comes too fast, whoever said it.
MOST_TOLD = 500
# By these signals a program ends that reads what it should not.
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}
# How often it is told how far it got, in seconds.
OFTEN = 10
# What is used of what Borg says; a server's Borg has its words put through.
WORDS = "type", "message", "levelname", "name", "msgid", "status", "path"
NUMBERS = "nfiles", "original_size", "current", "total"
# Each time it starts, Borg tests its parts in C. That takes half of its memory and a quarter of the time of a short call, and a run
# calls it five times. It does so where a repository is made, and in the weekly check.
SELF_TESTED = {"init", "check"}
# Borg calls itself for each directory in a directory, and Python ends what does so a thousand times: one user with directories that
# deep would keep the files of all others from being saved. Deeper than files can be opened at once it does not come, and says so.
# O_NOATIME is for whose file it is. Borg asks for it, is refused, and opens each file a second time, but not where Python does not know it.
# A new passphrase Borg takes from its environment alone, which is seen from outside, and which ssh would inherit: it is answered here.
DEEP = """import os, resource, runpy, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096) if hard >= 0 else 4096, hard))
sys.setrecursionlimit(30_000)
vars(os).pop("O_NOATIME", None)
told = os.environ.pop("BACKUP_NEW_PASSPHRASE", None)
if told:
    line, path = told.split(" ", 1)
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        new = file.read().split("\\n")[int(line) - 1]
    get = os.environ.get
    os.environ.get = lambda name, default=None: new if name == "BORG_NEW_PASSPHRASE" else get(name, default)
with open("/proc/self/comm", "w") as name:
    name.write("borg")
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Run:
    """What became of one call of Borg."""

    def __init__(self) -> None:
        self.ok = False
        # Borg leaves nothing of an archive behind when it ends with an error, and all of it when it ends with warnings.
        self.made = False
        self.reachable = True
        self.output = ""
        self.quieted = False
        # What prune did with each archive: `(verb, name)`.
        self.pruned: list[tuple[str, str]] = []
        self.full = self.damaged = self.starved = False
        # Whether it failed of what it keeps on this machine to be faster.
        self.cache = False
        self.code = 0
        # If all that was not saved may be by trying again, after how many seconds.
        self.again: float | None = None
        # Borg's names of what it said. See borg-internals-frontends, "Message IDs".
        self.ids: set[str | None] = set()


def borg(
    repository: Repository,
    command: str,
    *arguments: str,
    seen: Callable[[Event], object] | None = None,
    suffix: str | None = None,
    quiet: Collection[str] = frozenset(),
    line: Callable[[bytes], object] | None = None,
    more: Mapping[str, str] | None = None,
) -> Run:
    """Call Borg on a repository, report what it says, and judge it by the policy.

    `seen` is called with each file status and percentage, `line` with each line of what is asked for, in place of `output`; a message with
    an id in `quiet` is expected and not reported. `more`: what Borg is told by its environment.
    """
    call = [*deep_borg(), "--log-json", *common_options(repository), command, *arguments]
    env = {**environment(repository.location), **(more or {})}
    if command not in SELF_TESTED:
        env["BORG_SELFTEST"] = "disabled"
    if suffix is not None:
        # Each series has a cache of its own, so that neither ages or loads the other's.
        env["BORG_FILES_CACHE_SUFFIX"] = suffix
    run = attempt(call, env, Log(repository.voice, command, seen, quiet), line)
    # A cache that is damaged would fail every run from now on. It is made anew, once.
    if run.cache and not run.ok and state.drop_cache(repository.location, repository.voice):
        repository.voice.warning(
            "%s: Borg's cache of it on this machine was damaged. It was dropped and is made anew, which takes longer" % repository.location
        )
        run = attempt(call, env, Log(repository.voice, command, seen, quiet, again=True), line)
    if not run.ok and not run.quieted:
        repository.voice.error("%s: borg %s failed with exit code %d" % (repository.location, command, run.code))
        for text in policy.advice(run, repository):
            repository.voice.advise(text)
    return run


def attempt(call: list[str], env: dict[str, str], log: Log, line: Callable[[bytes], object] | None) -> Run:
    """Call Borg once, and judge what it did."""
    run = log.run
    with subprocess.Popen(call, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        lines: list[bytes] = []
        troubles: list[Exception] = []
        # Beside the log: a list of an archive fills the pipe long before the log ends, and Borg would wait for ever.
        output = threading.Thread(target=read_lines, args=[process.stdout, line or lines.append, troubles])
        output.start()
        for raw in iter(functools.partial(process.stderr.readline, engine.LONGEST_LINE), b""):
            log.take(parse(raw))
        output.join()
        log.end()
        if troubles:
            raise troubles[0]
        run.output = b"".join(lines).decode(errors="surrogateescape")
    run.code = process.returncode
    warned = policy.has_warned(run.code)
    run.made = run.code == 0 or warned
    run.ok = log.errors == 0 and (run.code == 0 or (warned and log.explained > 0 and log.unexplained == 0))
    # Its parts in C read the index of chunks as it is.
    run.cache = run.cache or -run.code in CRASHES
    if log.errors == 0 and warned and log.unexplained == len(log.passing) > 0:
        run.again = max(log.passing)
    return run


def read_lines(pipe: IO[bytes], take: Callable[[bytes], object], troubles: list[Exception]) -> None:
    """Have each line taken; after a trouble, which is kept, none, but they are read: Borg would wait for ever."""
    for raw in pipe:
        try:
            if not troubles:
                take(raw)
        except Exception as trouble:  # raised by who waits for this
            troubles.append(trouble)


def become(directory: str, *arguments: str) -> NoReturn:
    """Become a command of Borg's own, in a directory. Its words come through as they are, for programs that read them."""
    # Here, and not by WorkingDirectory=: systemd would enter it before the capabilities are there to.
    os.chdir(directory)
    os.execvpe("borg", ["borg", *arguments], environment())


def common_options(repository: Repository) -> list[str]:
    """What every call is told."""
    settings = repository.settings
    return [
        "--lock-wait",
        str(settings["lock_wait"]),
        *(["--bypass-lock"] if repository.reading and is_local(repository.location) else []),
        *([] if settings["upload_limit"] == 0 else ["--upload-ratelimit", str(settings["upload_limit"])]),
    ]


def environment(location: str | None = None) -> dict[str, str]:
    """What Borg is told beside the unit's own environment; the passphrase stays in its file."""
    env = dict(os.environ)
    env["BORG_PASSCOMMAND"] = "cat " + credentials.path("borg.passphrase")
    env["BORG_RSH"] = " ".join(ssh.command())
    if location is not None:
        env["BORG_REPO"] = location
    return env


def new_passphrase(path: str, line: int) -> dict[str, str]:
    """What has Borg take a line of a file, counted from 1, for the new passphrase: `more` of `borg`."""
    if deep_borg() != ["borg"]:
        return {"BACKUP_NEW_PASSPHRASE": "%d %s" % (line, path)}
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return {"BORG_NEW_PASSPHRASE": file.read().split("\n")[line - 1]}


def is_local(location: str) -> bool:
    return location.startswith("/")


def deep_borg() -> list[str]:
    """The command that runs Borg, however deep directories are; Borg as it is where it is no program in Python, such as one in one file."""
    program = shutil.which("borg")
    if program is None:
        return ["borg"]
    with open(program, "rb") as file:
        interpreter = re.match(rb"#!\s*(/\S*python[\d.]*)[^\n]*\n", file.read(1000))
    return [os.fsdecode(interpreter[1]), "-I", "-c", DEEP, program] if interpreter else ["borg"]


class Log:
    """What Borg says while it is at work, told and counted."""

    def __init__(
        self, voice: Voice, command: str, seen: Callable[[Event], object] | None, quiet: Collection[str], again: bool = False
    ) -> None:
        self.run, self.command, self.seen, self.quiet = Run(), command, seen, quiet
        # Whether the cache has been made anew already.
        self.again = again
        # Warnings that may be, others, and errors.
        self.explained = self.unexplained = self.errors = 0
        # Of those of the others that may not come again, after how many seconds.
        self.passing: list[float] = []
        # When progress was last told, by the monotonic clock.
        self.told = time.monotonic()
        self.inform, self.warn, self.complain = Teller(voice.info), Teller(voice.warning), Teller(voice.error)

    def take(self, event: Event) -> None:
        """Take one thing that Borg said, as `parse` gives it."""
        kind = event.get("type", "")
        if kind in ("file_status", "progress_percent"):
            if self.seen is not None:
                self.seen(event)
        elif kind == "archive_progress":
            self.progress(event)
        elif not kind.startswith(("archive_progress", "progress_")):
            self.message(event)

    def end(self) -> None:
        for teller in (self.inform, self.warn, self.complain):
            teller.end()

    def progress(self, event: Event) -> None:
        """Tell now and then how far it got: who follows the log sees that it lives."""
        if not event.get("finished") and time.monotonic() > self.told + OFTEN:
            self.told = time.monotonic()
            self.inform.tell("%d files, %.1f MB so far" % (event.get("nfiles", 0), event.get("original_size", 0) / 1e6))

    def message(self, event: Event) -> None:
        run, text, level = self.run, event.get("message", ""), event.get("levelname", "")
        if event.get("name") == "borg.output.list" and self.command == "prune":
            # Beside the name stand its rule, its time and its id, none of which has its form.
            run.pruned += re.findall(r"^(\w+) .*?\s(\S+-%s(?:%s)?)\s" % (engine.UTC_SECONDS, re.escape(engine.INCOMPLETE)), text)
            return
        # Of ssh, on a line of its own.
        if not level and "Connection closed by remote host" in text:
            run.reachable = False
        # A server's words, which Borg marks so, are no reason for advice of ours.
        if not text.startswith("Remote: "):
            run.ids.add(event.get("msgid"))
        if event.get("msgid") in self.quiet:
            run.quieted = True
        elif policy.is_of_missing_cache(text):
            self.inform("There is no cache of files yet, so every file is read.")
        elif level == "WARNING":
            self.warning(event, text)
        elif level in ("ERROR", "CRITICAL"):
            self.errors += 1
            if text != "Local Exception":
                self.error(event, text)
        elif text:
            self.inform(text)

    def warning(self, event: Event, text: str) -> None:
        if policy.is_passing(event) and not policy.is_of_directory(event):
            self.explained += 1
            self.warn(text)
        elif policy.is_housekeeping(event):
            self.warn(text)
        else:
            self.unexplained += 1
            self.passing += policy.passes_after(event)
            self.complain(policy.explained(self.command, text))

    def error(self, event: Event, text: str) -> None:
        # A server's words, which Borg marks so, are no reason for advice of ours.
        ours = not text.startswith("Remote: ")
        self.run.full = self.run.full or (ours and policy.is_full(event))
        self.run.starved = self.run.starved or (ours and policy.is_of_memory(text))
        crash = policy.crash(text)
        if not self.again and not self.run.full and policy.is_of_cache(event):
            self.run.cache = True
            self.warn(crash or text)
            return
        if crash is not None:
            # A part of the repository that is gone ends Borg so.
            self.run.damaged = self.run.damaged or (ours and policy.is_damage(crash))
            self.complain(crash)
            self.inform(text, lines=True)
            return
        self.run.damaged = self.run.damaged or (ours and policy.is_damage(text))
        if text:
            self.complain(text)


class Teller:
    """Tells what Borg says, at one level, until it is too much: names of files and a server's words are in it."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self.tell, self.count = tell, 0

    def __call__(self, text: str, lines: bool = False) -> None:
        self.count += 1
        if self.count <= MOST_TOLD:
            self.tell(text if lines else untrusted.printable(text))

    def end(self) -> None:
        if self.count > MOST_TOLD:
            self.tell("and %d more like these" % (self.count - MOST_TOLD))


def parse(raw: bytes) -> Event:
    """What a line of Borg's log says, as `{key: value}`, of which only these keys and types are taken."""
    text = raw.decode(errors="surrogateescape").rstrip("\n")
    try:
        event = untrusted.parse_json(text)
    except untrusted.Untrustworthy:
        event = None
    # ssh, and Borg when it crashes, do not speak JSON.
    if not isinstance(event, dict):
        return {"message": text}
    return {
        **{key: event[key] for key in WORDS if isinstance(event.get(key), str)},
        **{key: event[key] for key in NUMBERS if type(event.get(key)) in (int, float)},
        **({"finished": True} if event.get("finished") is True else {}),
    }
