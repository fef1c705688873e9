"""A directory of tar files, and what is done with them."""

import fnmatch
import hashlib
import os
import re
import stat
import subprocess
import tarfile
import time

from rootless_backup import engine, paths, untrusted

SUFFIX = ".tar"
# What an archive's name has of its time that tells one period from another.
PERIODS = {"last": lambda when: when, "daily": lambda when: time.strftime("%F", when), "weekly": lambda when: time.strftime("%G-%V", when),
           "monthly": lambda when: time.strftime("%Y-%m", when)}
WHOLE = ["--same-owner", "--same-permissions", "--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*", "--delay-directory-restore"]


class Repository(engine.Repository):
    """See there."""

    def path(self, archive):
        return os.path.join(self.location, archive + SUFFIX)

    def named(self, series, suffix=""):
        """The archives of a series of this host, oldest first."""
        pattern = engine.name_of(self.prefix, series, engine.UTC_SECONDS) + suffix + SUFFIX
        try:
            return sorted((name[:-len(SUFFIX)] for name in fnmatch.filter(os.listdir(self.location), pattern)), key=engine.age)
        except OSError as error:
            raise engine.Refused("the archives of %s cannot be listed: %s" % (self.location, error.strerror)) from error

    def make(self, archive, _series, roots, excludes, one_file_system, seen):
        begun = time.monotonic()
        walk = Walk(self, excludes, one_file_system)
        names = [name for root in roots for name in walk.below(root)]
        done = self.tar("--create", "--file", self.path(archive) + ".new", "--directory", "/", "--no-recursion", "--acls", "--xattrs",
                        "--sparse", "--format=posix", "--warning=no-file-ignored", names=[path.lstrip("/") or "." for path, _ in names])
        # 1 is a file that changed while it was read.
        made = engine.Made(whole=walk.ok and done in (0, 1), there=done in (0, 1))
        if not made.there:
            return made
        os.rename(self.path(archive) + ".new", self.path(archive))
        for path, is_directory in names:
            seen(path, is_directory)
        made.files = sum(not is_directory for _, is_directory in names)
        made.original_size = made.deduplicated_size = os.path.getsize(self.path(archive))
        made.seconds = time.monotonic() - begun
        return made

    def remove(self, archive):
        os.unlink(self.path(archive))
        return True

    def archives(self, series, incomplete=False):
        return self.named(series, engine.INCOMPLETE if incomplete else "")

    def contents(self, archive, wanted):
        try:
            return [as_item(member) for member in self.members(archive, wanted)]
        except (OSError, tarfile.TarError) as error:
            self.voice.error("archive %s cannot be read: %s" % (archive, untrusted.printable(str(error))))
            return None

    def changes(self, older, newer, wanted):
        try:
            before, after = ({path: described(*each) for path, each in self.read(name, wanted)} for name in (older, newer))
        except (OSError, tarfile.TarError) as error:
            self.voice.error("archives %s and %s cannot be compared: %s" % (older, newer, untrusted.printable(str(error))))
            return None
        return [change for path in sorted({*before, *after}) for change in change_of(path, before.get(path), after.get(path))]

    def read(self, archive, wanted):
        """Yield `(path, (member, SHA-256 of its contents))` of what is wanted."""
        with tarfile.open(self.path(archive)) as file:
            for member in file:
                if is_wanted(member.name, wanted):
                    content = file.extractfile(member) if member.isreg() else None
                    yield member.name, (member, hashlib.sha256(content.read()).hexdigest() if content else "")

    def files(self, archive, wanted):
        items = self.contents(archive, wanted)
        files = engine.Files()
        for item in items or ():
            files.add(item)
        return None if items is None else files

    def size(self, archive):
        try:
            return sum(member.size for member in self.members(archive, engine.Wanted()))
        except (OSError, tarfile.TarError) as error:
            raise engine.Refused("%s: it cannot be told how large it is: %s" % (archive, error)) from error

    def take(self, archive, wanted, plain=False, strip=0, demand=False, progress=None):
        if not os.path.exists(self.path(archive)):
            return engine.Taken(ok=False, begun=False, known=False)
        try:
            names = [member.name for member in self.members(archive, wanted)]
        except (OSError, tarfile.TarError) as error:
            self.voice.error("archive %s cannot be read: %s" % (archive, untrusted.printable(str(error))))
            return engine.Taken(ok=False, begun=False, known=True)
        lacking = [path for path in wanted.below if not any(paths.is_below(name, path) for name in names)] if demand else []
        for path in lacking:
            self.voice.error("archive %s holds no %s" % (archive, path))
        done = self.tar("--extract", "--file", self.path(archive), "--no-recursion", "--no-wildcards", "--anchored",
                        "--strip-components=%d" % strip, *([] if plain else WHOLE), names=names) if names else 0
        if progress is not None:
            progress(1)
        return engine.Taken(ok=done == 0 and not lacking, begun=True, known=True)

    def forget(self, keep, incomplete=False, spare=()):
        kept = []
        for series in engine.SERIES:
            suffix = engine.INCOMPLETE if incomplete else ""
            names = self.named(series, suffix)
            later = {name for name in names if engine.is_to_come(name)}
            due = [name for name in names if name not in later]
            staying = later.union(set(names).intersection(spare),
                                  *(newest_of_each(due, suffix, PERIODS[period], count) for period, count in keep.items()))
            for name in set(names) - staying:
                os.unlink(self.path(name))
            kept += sorted(staying)
        return True, kept

    def compact(self):
        return True

    def removal(self):
        return "rm %s/ARCHIVE%s" % (untrusted.printable(self.location), SUFFIX)

    def verify(self):
        codes = [self.tar("--list", "--file", self.path(name)) for series in engine.SERIES for name in self.named(series)]
        return not any(codes)

    def explain(self):
        pass

    def members(self, archive, wanted):
        """What is in an archive of what is wanted."""
        with tarfile.open(self.path(archive)) as file:
            return [member for member in file if is_wanted(member.name, wanted)]

    def tar(self, *options, names=()):
        """Run tar(1) on files, and tell what it says. Return its exit code."""
        listed = ["--null", "--verbatim-files-from", "--files-from=-"] if names else []
        given = b"".join(os.fsencode(name) + b"\0" for name in names)
        done = subprocess.run(["tar", *options, *listed], input=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        tell = self.voice.warning if done.returncode == 1 else self.voice.error
        for line in done.stderr.decode(errors="backslashreplace").splitlines():
            tell(untrusted.printable(line))
        return done.returncode


class Walk:
    """What is below the roots of an archive."""

    def __init__(self, repository, excludes, one_file_system):
        self.repository, self.one_file_system, self.ok = repository, one_file_system, True
        self.left_out = re.compile("|".join(map(paths.shell_pattern, excludes)) or "(?!)", re.DOTALL)

    def below(self, root):
        """Yield each path, and whether it is a directory."""
        device = os.lstat(root).st_dev
        todo = [root]
        while todo:
            path = todo.pop()
            if self.left_out.fullmatch(path):
                continue
            found = os.lstat(path)
            directory = stat.S_ISDIR(found.st_mode)
            yield path, directory
            if directory and not (self.one_file_system and found.st_dev != device):
                try:
                    todo += sorted((os.path.join(path, name) for name in os.listdir(path)), reverse=True)
                except OSError as error:
                    self.ok = False
                    self.repository.voice.error("%s: %s" % (untrusted.printable(path), error.strerror))


def newest_of_each(names, suffix, period_of, count):
    """The newest archive of each of the newest periods, so many of them; the oldest too, as long as there are fewer."""
    found = {}
    for name in names:
        found[period_of(time.strptime(name.removesuffix(suffix)[-len("2026-01-31T02:00:00Z"):], "%Y-%m-%dT%H:%M:%SZ"))] = name
    if not count:
        return []
    return [*names[:1], *found.values()] if len(found) < count else list(found.values())[-count:]


def is_wanted(path, wanted):
    if any(paths.is_below(path, each) for each in wanted.without):
        return False
    if not (wanted.below or wanted.exactly or wanted.matching):
        return True
    return (path in wanted.exactly or any(paths.is_below(path, each) for each in wanted.below)
            or any(re.fullmatch(paths.shell_pattern(each), path, re.DOTALL) for each in wanted.matching))


def described(member, checksum):
    """What is compared of a member: its size, what is in it, and what belongs to it."""
    return member.size, (member.type, checksum, member.linkname), (stat.filemode(member.mode), "%s:%s" % (member.uname, member.gname))


def change_of(path, before, after):
    """Yield the change of a path, if there is any, as `engine.Repository.changes` gives it."""
    if before == after:
        return
    kind = ("added" if before is None else "removed" if after is None else
            "contents" if before[1] != after[1] else "belongings")
    belongings = [] if None in (before, after) else ["%s -> %s" % pair for pair in zip(before[2], after[2]) if pair[0] != pair[1]]
    counted = kind != "belongings"
    yield {"path": path, "kind": kind, "more": after[0] if after and counted else None, "less": before[0] if before and counted else None,
           "belongings": belongings}


def as_item(member):
    """As `engine.Repository.contents` gives it."""
    kind = "d" if member.isdir() else "l" if member.issym() else "h" if member.islnk() else "-" if member.isreg() else "?"
    return {"type": kind, "mode": kind + stat.filemode(member.mode)[1:], "user": member.uname, "group": member.gname, "size": member.size,
            "mtime": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(member.mtime)), "linktarget": member.linkname, "path": member.name}
