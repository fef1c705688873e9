#!/usr/bin/python
# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: transaction
short_description: The host's side of rootless.backup.deploy
version_added: 0.1.0
description:
  - Makes a host equal to a plan, or leaves it as it was. Not meant to be called by itself; use
    M(rootless.backup.deploy).
author:
  - rootless.backup contributors (@rootless-backup)
options:
  plan:
    description: The plan, as JSON.
    type: str
    required: true
attributes:
  check_mode:
    description: Shows what would change without changing anything.
    support: full
  diff_mode:
    description: Shows the changes of files, except of sensitive ones.
    support: full
"""

EXAMPLES = r"""
- name: Lay the units down
  rootless.backup.deploy:
    name: example
    templates: "{{ role_path }}/templates"
"""

RETURN = r"""
lacking:
  description: The packages of the plan that dpkg does not know to be there. But in check mode, nothing was done then.
  returned: always
  type: list
  elements: str
  sample: [borgbackup]
dpkg:
  description: Whether the host has dpkg.
  returned: always
  type: bool
  sample: true
paths:
  description: The files that were, or in check mode would be, written or removed.
  returned: always
  type: list
  elements: str
  sample: [/etc/systemd/system/backup.service]
started:
  description: The services that were, or in check mode would be, run.
  returned: always
  type: list
  elements: str
  sample: [example.service]
new:
  description: Whether nothing was done, since the plan is for a host that is not new, and there is nothing beside what its starts create.
  returned: always
  type: bool
  sample: false
wants:
  description: Whether nothing was done, since the plan only says checksums of files that differ.
  returned: always
  type: bool
  sample: false
exposure:
  description: The exposure level of the service that the plan names.
  returned: when it was changed, not in check mode
  type: float
  sample: 0.2
handed:
  description: The secrets of the plan that are another than the host has, which what they open has to follow.
  returned: always
  type: list
  elements: str
  sample: [/etc/credstore/example]
differs:
  description: The files that are another than what is saved of them.
  returned: always
  type: list
  elements: str
  sample: [/etc/credstore/example]
created:
  description: Those paths of the plan's starts that exist at the end.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/example/made]
"""

import contextlib
import glob
import grp
import hashlib
import hmac
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import stat
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rootless.backup.plugins.module_utils import dpkg, places

OLDEST_SYSTEMD = 252
UNITS = "/etc/systemd/system/"
# What was laid down by which name, so that it can be taken away again without its tree.
MEMORY = "/var/lib/rootless.backup"
# Directories that several names put something into. The last of them to go takes along what is empty.
SHARED = (UNITS + "backup.service.d", UNITS + "backup-drill.service.d", "/usr/local/lib/backup", "/etc/backup/exclude.d",
          "/etc/backup/prove.d", "/etc/backup", "/backup", MEMORY)
# Below these, what becomes empty goes with what was in it.
PROGRAMS = "/usr/local/lib/backup/"
# What the programs begin with.
PYTHON = "/usr/bin/python3"
# Beside a secret that changes, until what it opens has followed: the new one; of passphrases also those before it, a line each.
NEXT = "-next"
# No secret is larger, in bytes.
LARGEST_SECRET = 64 << 10
# Each directory above is open meanwhile.
DEEPEST = 400


class Failure(Exception):
    """A step that failed; its text is for the administrator."""


class Host:
    """The host's files, and every change made to them so that it can be undone."""

    def __init__(self, module):
        self.module = module
        self.undo = []
        # Apart, because a directory can only go when all that was put into it is gone.
        self.directories = []

    def run(self, *command, **options):
        """Run a command. Failure: it exits with anything but 0."""
        code, out, err = self.module.run_command(list(command), **options)
        if code != 0:
            raise Failure("%s failed (exit code %d):\n%s" % (" ".join(command), code, (err or out).strip()))
        return out

    def write(self, path, content, mode):
        """Swap the file in by rename, with its final mode; the directories above it are made."""
        self._remember(path)
        self._make_directory(os.path.dirname(path), 0o755 if mode & 0o044 else 0o700)
        descriptor, temporary = tempfile.mkstemp(dir=self.module.tmpdir)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        self.module.atomic_move(temporary, path)
        self.module.set_fs_attributes_if_different(
            {"path": path, "mode": mode, "owner": "root", "group": "root", "attributes": None,
             "secontext": self.module.selinux_default_context(path)}, False)

    def remove(self, path):
        self._remember(path)
        os.unlink(path)

    def roll_back(self):
        """Undo everything, newest first, whatever happens. Returns what could not be undone."""
        failed = []
        removals = [lambda path=path: os.path.isdir(path) and not os.listdir(path) and os.rmdir(path)
                    for path in sorted(self.directories, key=len)]
        for step in self.undo[::-1] + removals[::-1]:
            try:
                step()
            except Exception as error:  # the rest has to be undone all the same
                failed.append(str(error))
        return failed

    def _remember(self, path):
        if not os.path.lexists(path):
            self.undo.append(lambda: os.path.lexists(path) and os.unlink(path))
            return
        before = os.lstat(path)
        with open(path, "rb") as file:
            content = file.read()

        def put_back():
            descriptor, temporary = tempfile.mkstemp(dir=self.module.tmpdir)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            self.module.atomic_move(temporary, path)
            os.chown(path, before.st_uid, before.st_gid)
            os.chmod(path, stat.S_IMODE(before.st_mode))

        self.undo.append(put_back)

    def _make_directory(self, path, mode):
        if os.path.isdir(path):
            return
        self._make_directory(os.path.dirname(path), 0o755)
        os.mkdir(path)
        os.chmod(path, mode)
        self.directories.append(path)


class Transaction:
    """One plan and one host."""

    def __init__(self, module, plan):
        self.module = module
        self.plan = {"enable": [], "start": [], "users": [], "remove": [], "disown": [], "needs": [], "exposure": None,
                     "keep": [], "former": [], "expect": {}, "covers": {}, "calendars": {}, "version": None, "packages": [],
                     "unless_new": False, "opens": [], "handover": {}, "saved": {}, "ask": False, **plan}
        self.host = Host(module)
        self.files = {file["path"]: file for file in plan["files"]}
        self.memory_path = os.path.join(MEMORY, plan["name"] + ".json")
        self.memory = remembered(self.memory_path)
        names = sorted(os.listdir(MEMORY)) if os.path.isdir(MEMORY) else []
        self.others = {name[:-len(".json")]: remembered(os.path.join(MEMORY, name)) for name in names
                       if name.endswith(".json") and name[:-len(".json")] != plan["name"]}
        self.diff = []
        self.changed_paths = []
        self.changed = False
        self.started = []
        self.created = []
        self.told = []
        self.lacking = []
        self.handed = []
        self.differs = []
        self.new = False
        self.wants = False
        self.uncovered = []

    def warn(self, text):
        """Tell the administrator; by a key of our own, since no other part of the answer is taken for words of this module."""
        self.told.append(text)

    def result(self):
        result = {"diff": self.diff, "paths": self.changed_paths, "started": self.started, "created": self.created, "told": self.told,
                  "lacking": self.lacking, "dpkg": dpkg_query(self.module) is not None, "new": self.new, "handed": self.handed,
                  "differs": self.differs, "wants": self.wants}
        if self.plan["exposure"] and self.changed and not self.module.check_mode:
            out = self.module.run_command(["systemd-analyze", "security", "--no-pager", self.plan["exposure"]])[1]
            level = re.search(r"exposure level for \S+ ([0-9.]+)", out)
            if level:
                result["exposure"] = float(level.group(1))
        return result

    # -- present ------------------------------------------------------------------------------------------------------

    def present(self):
        self._refuse_older()
        self.new = self.plan["unless_new"] and self._is_new()
        if self.new:
            # Whoever called finds out first whether it is a machine that was rebuilt, and calls again.
            return
        self.handed = [path for path in self.files if self._changes_hands(path)]
        if self.handed and self.plan["ask"] and not self.module.check_mode:
            # Whoever called sees first that the old one is not lost, and calls again.
            return
        self.lacking = self._lacking()
        if self.lacking and not self.module.check_mode:
            # Nothing else is done before they are there: who called installs them, and calls again.
            return
        self.wants = any("content" not in file and self._differs(path) for path, file in self.files.items())
        if self.wants:
            # Nor before it is known what is in them: who called says it, and calls again.
            return
        for need in self.plan["needs"]:
            if need["kind"] == "hook" and not os.path.exists("%sbackup-%s.service" % (UNITS, need["value"])):
                self.warn("%s: the host has no hook %s. Until it has, this one waits for nothing."
                          % (need["option"], json.dumps(need["value"])))
        if self.plan["exposure"] is not None and not os.path.exists(UNITS + "backup.service"):
            self.warn("this host has no backup.service, so nothing runs the hook yet; the role of an engine, such as borg, makes it")
        for setting, paths in self.plan["expect"].items():
            for path in paths:
                if not os.path.lexists(path) and not self._comes(path):
                    self.warn("%s: the host has no path %s. Every backup fails until it has. Make it, or take it out."
                              % (setting, json.dumps(path)))
        self._tell_uncovered()
        lacking = [message for message in map(self._unmet, self.plan["needs"]) if message]
        if lacking and not self.module.check_mode:
            raise Failure("The host lacks what the options name; nothing was changed:\n- " + "\n- ".join(lacking))
        for message in lacking:
            # An earlier task of the same play would make it, if this were not check mode.
            self.warn(message)
        self._refuse_what_is_anothers()
        different = [path for path in self.files if self._differs(path) or path in self.handed]
        kept = set(self.files) | set(self._kept())
        obsolete = [path for path in self._ours() if path not in kept and os.path.lexists(path)]
        # They go with the files they were of. What is of that name without them is somebody else's.
        former = [path for path in self.plan["former"] if os.path.lexists(path)] if obsolete else []
        self.changed_paths = different + obsolete + former
        if not lacking and any(path.startswith(UNITS) for path in different):
            self._verify()
        for path in different:
            self._show(path, self.files[path]["content"])
        for path in obsolete:
            self._show(path, None)
        for path in former:
            self._show_removal(path)
        for path in obsolete:
            if path.startswith(UNITS) and set(files_in(path + ".d")) - set(obsolete):
                self.warn("%s.d: its unit is gone, so what is in it has no effect; move it to where it is needed" % path)
        self.changed = bool(self.changed_paths)
        if self.module.check_mode:
            self._predict()
            return
        try:
            self._commit(different, obsolete)
        except BaseException as error:
            # Ansible's own file functions end the module with SystemExit when they fail.
            failed = self._take_back()
            cause = "" if isinstance(error, SystemExit) else "%s\n" % error
            if failed:
                raise Failure("%sThis could not be put back: %s" % (cause, "; ".join(failed))) from error
            if isinstance(error, SystemExit):
                raise
            raise Failure("%sEverything was put back as it was." % cause) from error
        try:
            remove_empty_above(obsolete)
        except OSError as error:
            self.warn("what Python made of modules that are gone is still there: %s" % error)
        for path in former:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self._compile(different)
        self._start()
        self.differs = [path for path, (salt, digest) in self.plan["saved"].items() if self._is_other(path, salt, digest)]

    def _is_new(self):
        """Whether nothing that the plan starts was ever started here, whatever the settings were then; or whether what it made is still
        here, on a disk that was not lost, and what opens it is gone.
        """
        marks = {os.path.dirname(path) for starter in self.plan["start"] for path in starter["creates"]}
        opens = self.plan["opens"]
        return bool(marks) and (not any(map(files_in, marks)) or (bool(opens) and not any(map(os.path.lexists, opens))))

    def _lacking(self):
        """The packages of the plan that dpkg does not know to be there."""
        packages, program = self.plan["packages"], dpkg_query(self.module)
        if not packages or program is None:
            return packages
        states = ""
        if os.path.exists(dpkg.AUTOMATIC):
            with open(dpkg.AUTOMATIC, encoding="utf-8", errors="replace") as file:
                states = file.read()
        # It fails if it does not know one of them.
        return dpkg.lacking(packages, self.module.run_command(dpkg.query(program, packages))[1], states)

    def _changes_hands(self, path):
        """Whether a secret differs from the host's, and the host's opens something already, which has to follow first."""
        handover = self.plan["handover"].get(path)
        if handover is None or not any(map(os.path.exists, handover["opens"])):
            return False
        content, wanted = secret_in(path), self.files[path]["content"].encode()
        # An earlier change may have been broken off.
        return bool(content) and (content.rstrip(b"\n") != wanted.rstrip(b"\n") or os.path.exists(path + NEXT))

    def _hand(self, path):
        """Lay a secret down beside the one that it is to take the place of."""
        content = self.files[path]["content"]
        if self.plan["handover"][path]["lines"]:
            try:
                known = [(secret_in(place) or b"").decode().rstrip("\n").split("\n") for place in (path + NEXT, path)]
            except UnicodeDecodeError:
                raise Failure("%s is no text: put the passphrase into it that opens the repositories" % path) from None
            if len(known[1]) > 1:
                raise Failure("%s has several lines: put the passphrase alone into it that opens the repositories" % path)
            new = content.rstrip("\n")
            before = dict.fromkeys(line for line in known[1] + known[0] if line not in ("", new))
            content = "".join(line + "\n" for line in [*before, new])
        self.host.write(path + NEXT, content, 0o600)
        for place in (path + NEXT, os.path.dirname(path)):
            descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            os.fsync(descriptor)
            os.close(descriptor)

    def _is_other(self, path, salt, digest):
        """Whether there is a secret that is another than the one with that digest, which is of no use without the plan."""
        content = secret_in(path)
        return content is not None and not hmac.compare_digest(keyed(salt, content), digest)

    def _compile(self, different):
        """Have Python keep the modules of the programs compiled, for its version here: else each start compiles what it imports anew. What
        is kept is of no use without its source, whose checksum it has.
        """
        modules = [path for path in self.files if path.startswith(PROGRAMS) and path.endswith(".py")]
        wanted = sorted({os.path.dirname(path) for path in modules if path in different or not cached(path)})
        if wanted:
            command = [PYTHON, "-IBm", "compileall", "-q", "-l", "--invalidation-mode", "checked-hash", "--", *wanted]
            code, out, err = self.module.run_command(command, umask=0o022)
            if code != 0:
                self.warn("the programs are not compiled, and start more slowly: %s" % (err or out).strip())

    def _tell_uncovered(self):
        """Warn, once of each, of what stands at the top and would not come back after a loss."""
        for setting, paths in self.plan["covers"].items():
            self.uncovered = places.uncovered(paths)
            new = [path for path in self.uncovered if path not in self.memory["uncovered"]]
            if new:
                self.warn("%s: nothing of %s is saved; name there what is to come back after a loss (this is told once)"
                          % (setting, ", ".join(new)))

    def _comes(self, path):
        """Whether the plan itself makes the path, or something below it."""
        return any((made + "/").startswith(path.rstrip("/") + "/") for made in [*self.files, *self._directories()])

    def _unmet(self, need):
        """What is missing of a need of the plan, for the administrator; None if nothing is."""
        kind, value = need["kind"], need["value"]
        option, given = need["option"], json.dumps(value)
        lacking = "%s: the host has no %s %s. " % (option, "file" if kind == "credential" else kind, given)
        if kind == "user":
            return None if exists(value) else lacking + "Make it first."
        if kind == "group":
            return None if any(entry.gr_name == value for entry in grp.getgrall()) else lacking + "Make it first."
        if kind == "program":
            if self.files.get(value, {}).get("mode", 0) & 0o111:
                # It comes with the same plan.
                return None
            if not os.path.isfile(value):
                return lacking + "Install it first."
            # Whoever it runs as has to reach it and run it.
            attempt = ["runuser", "-u", need["user"], "--", "test", "-x", value]
            if not exists(need["user"]) or self.module.run_command(attempt)[0] == 0:
                return None
            return "%s: user %s may not run %s. See the modes of the file and of the directories above it." % (option, need["user"], given)
        if kind == "credential" and os.path.lexists(value):
            loose = replaceable(value)
            return None if loose is None else (
                "%s: by %s somebody other than root can put another file in the place of %s, which systemd reads as root. Keep it in a "
                "directory of root." % (option, loose, given))
        return None if kind == "hook" or os.path.lexists(value) else lacking + "Make it first."

    def _refuse_older(self):
        """What several names share is of the newest of them: an older one under it would be another program's than its own."""
        wanted = self.plan["version"]
        for name, memory in [(self.plan["name"], self.memory), *self.others.items()]:
            if wanted is not None and memory["version"] is not None and numbers(memory["version"]) > numbers(wanted):
                raise Failure("%s was laid down on this host by version %s of the collection, and this is version %s: install that one or "
                              "a later one on the control node, or take away what it laid down (state absent). Nothing was changed."
                              % (name, memory["version"], wanted))
        for name, memory in self.others.items():
            if wanted is not None and memory["version"] is not None and numbers(memory["version"]) < numbers(wanted):
                self.warn("%s was laid down by version %s of the collection, and what its programs share is of version %s now: lay it down "
                          "anew too" % (name, memory["version"], wanted))

    def _refuse_what_is_anothers(self):
        """Two names, such as those of a role and of a hook, would overwrite each other's files for ever."""
        for name, memory in self.others.items():
            # What several names share comes from one place, such as a role: else it would change hands at each run.
            shared = memory["shared"]
            taken = sorted(path for path, file in self.files.items()
                           if path in memory["paths"] or (path in shared and not same_source(shared[path], file.get("shared"))))
            if taken:
                raise Failure("name: %s is not allowed, since %s is laid down by %s already. Use a name that nobody else uses. Nothing "
                              "was changed." % (self.plan["name"], ", ".join(taken), name))

    def _ours(self):
        """What this name laid down and no other one needs."""
        needed = {path for memory in self.others.values() for path in memory["shared"]}
        return self.memory["paths"] + sorted(set(self.memory["shared"]) - needed)

    def _kept(self):
        """What stays although it left the plan: what only this host knows goes only by name."""
        return [path for path in self.plan["keep"] if path in self.memory["paths"]]

    def _differs(self, path):
        if os.path.islink(path):
            raise Failure("%s is a symbolic link to %s (a masked unit?): remove it, then run this again"
                          % (path, os.readlink(path)))
        wanted = self.files[path]
        try:
            status = os.lstat(path)
            with open(path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return True
        same = content == wanted["content"].encode() if "content" in wanted else hashlib.sha256(content).hexdigest() == wanted["sha256"]
        return not same or (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) != (wanted["mode"], 0, 0)

    def _show_removal(self, path):
        """What goes with a path that is none of the tree's, in numbers: what is in a dump is nobody else's to see."""
        count = sum(not stat.S_ISDIR(status.st_mode) for _name, _descriptor, status in walk(path, [])) \
            if os.path.isdir(path) and not os.path.islink(path) else 1
        self.diff.append({"before_header": path, "after_header": path, "before": "(%d files)\n" % count, "after": ""})

    def _show(self, path, after):
        """A file's entry of the diff; what a sensitive file holds stays out of it."""
        before = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                before = file.read()
        if path in self.memory["sensitive"] or self.files.get(path, {}).get("sensitive"):
            before, after = ("(sensitive)\n" if before else ""), "(sensitive, %s)\n" % ("removed" if after is None else "new")
        self.diff.append({"before_header": path, "after_header": path, "before": before, "after": after or ""})

    def _verify(self):
        """Ask systemd what it thinks of the units before they go live."""
        version = self.host.run("systemctl", "--version").split()[1]
        if int(version.split(".")[0].split("~")[0]) < OLDEST_SYSTEMD:
            raise Failure("this host has systemd %s; the units need %d or later" % (version, OLDEST_SYSTEMD))
        self._verify_calendars()
        stage = tempfile.mkdtemp(dir=self.module.tmpdir)
        try:
            self._verify_in(stage)
        finally:
            # With become, who cleans the temporary directory up afterwards may not be root.
            shutil.rmtree(stage)

    def _verify_calendars(self):
        """Refuse times that never come: systemd takes a date that is over, and its timer waits for ever."""
        wrong = []
        for setting, event in self.plan["calendars"].items():
            prefix = "%s: %s " % (setting, json.dumps(str(event)))
            code, out, err = self.module.run_command(["systemd-analyze", "calendar", "--", str(event)])
            if code != 0:
                wrong.append("%sis not allowed, since systemd does not take it: %s" % (prefix, (err or out).strip()))
            elif re.search(r"^ *Next elapse: never$", out, re.MULTILINE):
                wrong.append(prefix + "never comes. Use a calendar event that is still to come.")
        if wrong:
            raise Failure("Not all timers would start something; nothing was changed:\n- " + "\n- ".join(wrong))

    def _verify_in(self, stage):
        programs = [path for path, file in self.files.items() if file["mode"] & 0o111]
        names = set()
        for path, entry in self.files.items():
            if not path.startswith(UNITS):
                continue
            content = entry["content"]
            for program in programs:
                # It comes with the same plan, so it need not be there yet.
                content = content.replace(program, "/bin/true")
            staged = os.path.join(stage, path[len(UNITS):])
            os.makedirs(os.path.dirname(staged), exist_ok=True)
            with open(staged, "w", encoding="utf-8") as file:
                file.write(content)
            name = path[len(UNITS):].split("/")[0]
            names.add(name.removesuffix(".d"))
        known = [os.path.join(place, name) for name in sorted(names) for place in (stage, UNITS.rstrip("/"))
                 if os.path.exists(os.path.join(place, name))]
        first = {}
        for path in known:
            first.setdefault(os.path.basename(path), path)
        if not first:
            return

        def verify(depth):
            return self.module.run_command(
                ["systemd-analyze", "verify", "--man=no", "--recursive-errors=" + depth, *first.values()],
                environ_update={"SYSTEMD_UNIT_PATH": stage + ":", "SYSTEMD_LOG_LEVEL": "warning"})

        code, out, err = verify("no")
        if code == 0:
            # A circle is no error to systemd, which starts something too early then. It is seen from one unit further on,
            # where the faults of other software's units are none of ours.
            output = verify("one")[2]
            code = int(any("ordering cycle" in line and any(name in line for name in names) for line in output.splitlines()))
            err = output
        if code != 0:
            raise Failure("systemd does not accept the units; nothing was changed:\n%s"
                          % (err or out).replace(stage, UNITS.rstrip("/")).strip())

    def _commit(self, different, obsolete):
        # First: what a transaction leaves that is cut off is known to the next one, which goes on with it or takes it away.
        self._remember(ahead=True)
        # While systemd still knows what they are.
        self._disable_dropped()
        for path in different:
            if path in self.handed:
                self._hand(path)
            else:
                self.host.write(path, self.files[path]["content"], self.files[path]["mode"])
        for path in obsolete:
            self.host.remove(path)
        self._make_users()
        self._make_directories()
        stale = self._stale()
        if stale or any(path.startswith(UNITS) for path in self.changed_paths):
            self.changed = True
            self.host.run("systemctl", "daemon-reload")
        self._enable(different + [UNITS + unit for unit in stale])
        self._remember()

    def _disable_dropped(self):
        dropped = [unit for unit in self.memory["enable"] if unit not in self.plan["enable"]]
        if dropped:
            self.host.undo.append(lambda: self.module.run_command(["systemctl", "enable", "--now", *dropped]))
            self.module.run_command(["systemctl", "disable", "--now", *dropped])

    def _stale(self):
        """Units that systemd has not read since they were written, by a transaction that was cut off."""
        # A template is no unit by itself.
        units = [path[len(UNITS):] for path in self.files
                 if path.startswith(UNITS) and "/" not in path[len(UNITS):] and "@." not in path]
        if not units:
            return []
        answers = self.host.run("systemctl", "show", "-p", "NeedDaemonReload", "--value", *units).split()
        return [unit for unit, answer in zip(units, answers) if answer == "yes"]

    def _make_users(self):
        made = [user for user in self.plan["users"] if not exists(user)]
        if not made:
            return
        self.changed = True
        self.host.run("systemd-sysusers", *self._below("/etc/sysusers.d/"))
        for user in made:
            self.memory["users"].append(user)
            self.host.undo.append(lambda user=user: self.host.run("userdel", user))

    def _make_directories(self):
        confs = self._below("/etc/tmpfiles.d/")
        if not confs:
            return
        before = {path: look(path) for path in self._directories()}
        # Registered first, so that a half done run is undone too.
        self.host.directories += [path for path, state in before.items() if state is None]
        self.host.run("systemd-tmpfiles", "--create", *confs)
        after = {path: look(path) for path in before}
        self.changed |= any(after[path] != state for path, state in before.items())
        for path, state in before.items():
            # Another user than before goes on with what the old one left.
            if state is not None and path.startswith("/backup/") and state[1] != after[path][1]:
                self._hand_over(path, state[1], after[path][1], after[path][2])

    def _hand_over(self, path, old, new, group):
        # What runs of the hook would go on writing into files that are somebody else's by then.
        units = [name for name in (path[len(UNITS):] for path in self._below(UNITS))
                 if name.endswith(".service") and "/" not in name and "@" not in name]
        if units:
            self.module.run_command(["systemctl", "stop", *units])
        self._tell_left(path, hand_over(path, old, new, group))

    def _remove_tree(self, path):
        """By rm(1), which goes by open directories, whatever is exchanged meanwhile, and to any depth."""
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            # Who made it comes in no more by its name; who is in already may still make something anew, but not for ever.
            os.fchown(top, 0, 0)
            os.fchmod(top, 0o700)
        finally:
            os.close(top)
        for last in [False] * 20 + [True]:
            if last:
                self.host.run("rm", "-rf", "--one-file-system", "--", path)
            elif self.module.run_command(["rm", "-rf", "--one-file-system", "--", path])[0] == 0:
                return

    def _tell_left(self, path, left):
        if left:
            self.warn("%s: left alone, with the owner that they have: %s%s" % (
                path, ", ".join(left[:20]), " and %d more" % (len(left) - 20) if len(left) > 20 else ""))

    def _directories(self):
        """The directories that the tree's tmpfiles.d makes: `{path: (mode, user)}`."""
        lines = [line for conf in self._below("/etc/tmpfiles.d/") for line in self.files[conf]["content"].splitlines()]
        fields = [shlex.split(line) for line in lines if line.startswith("d ")]
        return {path.replace("%%", "%"): (mode, user) for _type, path, mode, user, *_group in fields}

    def _held(self):
        """Units that wait until something is there of what a start creates: on an empty machine nothing is to run by itself."""
        return {unit for starter in self.plan["start"] if not any(map(os.path.exists, starter["creates"]))
                for unit in starter.get("holds", [])}

    def _enable(self, different):
        held = self._held()
        for unit in self.plan["enable"]:
            if unit in held:
                continue
            enabled, active = self._state(unit)
            if not enabled:
                self.host.undo.append(lambda unit=unit: self.module.run_command(["systemctl", "disable", "--now", unit]))
                self.host.run("systemctl", "enable", "--now", unit)
                self.changed = True
            elif not active or UNITS + unit in different:
                self.host.run("systemctl", "restart", unit)
                self.changed = True

    def _state(self, unit):
        out = self.host.run("systemctl", "show", "-p", "UnitFileState,ActiveState", unit)
        state = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        return state.get("UnitFileState") == "enabled", state.get("ActiveState") in ("active", "activating")

    def _remember(self, ahead=False):
        """Write down what this name has laid down. `ahead`: what it is going to, and what it had."""
        shared = {path: file["shared"] for path, file in self.files.items() if file.get("shared")}
        memory = {
            "paths": sorted(set(self._kept()) | set(self.files) - set(shared)),
            "shared": shared,
            "version": self.plan["version"],
            "sensitive": sorted(set(self._kept()) & set(self.memory["sensitive"])
                                | {path for path, file in self.files.items() if file["sensitive"]}),
            "enable": self.plan["enable"],
            "users": self.memory["users"],
            "uncovered": sorted({*self.memory["uncovered"], *self.uncovered}),
        }
        if ahead:
            memory["shared"] = {**self.memory["shared"], **shared}
            for key in ("paths", "sensitive"):
                memory[key] = sorted({*self.memory[key], *memory[key]})
            memory["enable"] = self.memory["enable"] + [unit for unit in memory["enable"] if unit not in self.memory["enable"]]
            memory["users"] = self.memory["users"] + [user for user in self.plan["users"] if not exists(user)]
        content = json.dumps(memory, indent=2) + "\n"
        remembered = ""
        if os.path.exists(self.memory_path):
            with open(self.memory_path, encoding="utf-8") as file:
                remembered = file.read()
        if remembered != content:
            self.host.write(self.memory_path, content, 0o644)

    def _take_back(self):
        failed = self.host.roll_back()
        self.module.run_command(["systemctl", "daemon-reload"])
        return failed

    def _start(self):
        held = self._held()
        try:
            for path in self.handed:
                self._start_unit(self.plan["handover"][path]["unit"])
            self._start_each()
        finally:
            self.created = [path for starter in self.plan["start"] for path in starter["creates"] if os.path.exists(path)]
            if held - self._held() and not self.module.check_mode:
                self._enable([])

    def _start_each(self):
        for starter in self.plan["start"]:
            if all(os.path.exists(path) for path in starter["creates"]):
                continue
            self._start_unit(starter["unit"])

    def _start_unit(self, unit):
        self.changed = True
        self.started.append(unit)
        if self.module.check_mode:
            return
        code, _out, err = self.module.run_command(["systemctl", "start", unit])
        if code != 0:
            raise Failure("%s failed. It said:\n%s" % (unit, self._last_words(unit) or err.strip()))

    def _last_words(self, unit):
        """The journal of the last run of the unit and of what it requires."""
        required = self.host.run("systemctl", "show", "-p", "Requires", "--value", unit).split()
        names = [unit] + [name for name in required if name.endswith(".service")]
        runs = self.host.run("systemctl", "show", "-p", "InvocationID", "--value", *names).split()
        matches = [match for run in runs for match in ("_SYSTEMD_INVOCATION_ID=" + run, "+", "INVOCATION_ID=" + run, "+")]
        return self.module.run_command(["journalctl", "-o", "cat", "-n", "40", *matches[:-1]])[1].strip() if runs else ""

    def _predict(self):
        """What else check mode can tell: users, directories, units and runs that are still to come."""
        missing = [user for user in self.plan["users"] if not exists(user)]
        missing += [path for path, wanted in self._directories().items() if drifted(path, *wanted)]
        missing += [unit for unit in self.plan["enable"] if self._state(unit) != (True, True)]
        self.changed |= bool(missing)
        self._start()

    def _below(self, directory):
        return [path for path in self.files if path.startswith(directory)]

    # -- absent -------------------------------------------------------------------------------------------------------

    def absent(self):
        if self.plan["exposure"] is None and self.plan["name"].startswith("hook-") and not os.path.exists(self.memory_path):
            # Somebody else's hook of this name, and its dump, are none of ours.
            return
        kept = set(self._kept()) - set(self.plan["remove"])
        gone = [path for path in self._ours() if path not in kept and os.path.lexists(path)]
        further = [path for path in self.plan["remove"] if removable(path)]
        users = [user for user in self.memory["users"] if exists(user)]
        for path in gone:
            self._show(path, None)
        for path in further:
            self._show_removal(path)
        self.changed_paths = gone + further
        self.changed = bool(gone or further or users or os.path.exists(self.memory_path))
        if self.module.check_mode or not self.changed:
            return
        # Of a template all instances.
        units = sorted({path[len(UNITS):].replace("@.", "@*.") for path in gone
                        if path.startswith(UNITS) and "/" not in path[len(UNITS):]})
        starters = [unit for unit in units if unit.endswith((".timer", ".path"))]
        if starters:
            self.host.run("systemctl", "disable", "--now", *starters)
        if units:
            self.host.run("systemctl", "stop", *units)
        for path in gone:
            os.unlink(path)
        remove_empty_above(gone)
        for starter in starters:
            stamp = "/var/lib/systemd/timers/stamp-" + starter
            if os.path.exists(stamp):
                os.unlink(stamp)
        self.host.run("systemctl", "daemon-reload")
        self.module.run_command(["systemctl", "reset-failed", *units])
        for path in self.plan["remove"]:
            # Asked again: a directory may have become empty by now.
            if not removable(path):
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                self._remove_tree(path)
            else:
                os.unlink(path)
        if users:
            # What stays must not belong to a number that the next new user gets.
            owners = [pwd.getpwnam(user) for user in users]
            for path in self.plan["disown"]:
                self._tell_left(path, disown(path, {owner.pw_uid for owner in owners}, {owner.pw_gid for owner in owners}))
        for user in users:
            # What came in before, such as a session, would keep it from being removed.
            end_processes(pwd.getpwnam(user).pw_uid)
            self.host.run("userdel", user)
        if os.path.exists(self.memory_path):
            os.unlink(self.memory_path)
        if not os.path.isdir(MEMORY) or not os.listdir(MEMORY):
            for directory in SHARED:
                if os.path.isdir(directory) and not os.listdir(directory):
                    os.rmdir(directory)


def remembered(path):
    """What a name laid down: `paths`, of these `sensitive` ones, `shared` files that others may have laid down too, with where they are
    from, units, users, the version of what is shared, or None, and what was told not to be saved. Failure: that cannot be read.
    """
    memory = {"paths": [], "shared": {}, "sensitive": [], "enable": [], "users": [], "version": None, "uncovered": []}
    if os.path.exists(path):
        try:
            with open(path, encoding="utf-8") as file:
                memory.update(json.load(file))
        except ValueError as error:
            raise Failure("%s, which says what is laid down here, cannot be read: %s. Take it from a backup, or remove it and what its "
                          "name laid down. Nothing was changed." % (path, error)) from error
    # Earlier versions did not remember where what is shared is from.
    if isinstance(memory["shared"], list):
        memory["shared"] = dict.fromkeys(memory["shared"])
    return memory


def same_source(known, ours):
    """Whether what is shared is from one place. `known`: None where that was not remembered; `ours`: None for what is not shared."""
    return ours is not None and known in (None, ours)


def dpkg_query(module):
    """Where the program is; None on a host without dpkg."""
    return module.get_bin_path("dpkg-query")


def numbers(version):
    """The numbers of a version, without what makes it a preliminary one."""
    return [int(number) for number in re.findall("[0-9]+", re.split("[-+]", version)[0])]


def cached(path):
    """Whether the host's Python has a module compiled."""
    version = os.path.basename(os.path.realpath(PYTHON))[len("python"):].replace(".", "")
    return os.path.exists("%s/__pycache__/%s.cpython-%s.pyc" % (os.path.dirname(path), os.path.basename(path)[:-len(".py")], version))


def files_in(directory):
    """The paths of what is in a directory; none, if there is no such directory."""
    return [os.path.join(directory, name) for name in os.listdir(directory)] if os.path.isdir(directory) else []


def remove_empty_above(paths):
    """Remove what Python made of these files, which are gone, and directories of programs and of drop-ins that are empty without them; not
    those that several names share.
    """
    for path in paths:
        directory = os.path.dirname(path)
        if path.startswith(PROGRAMS) and path.endswith(".py"):
            cache = os.path.join(directory, "__pycache__")
            for compiled in glob.glob(os.path.join(glob.escape(cache), glob.escape(os.path.basename(path)[:-len(".py")]) + ".*.pyc")):
                os.unlink(compiled)
            if os.path.isdir(cache) and not os.listdir(cache):
                os.rmdir(cache)
        while (directory.startswith((PROGRAMS, UNITS)) and directory not in SHARED
               and os.path.isdir(directory) and not os.listdir(directory)):
            os.rmdir(directory)
            directory = os.path.dirname(directory)


def secret_in(path):
    """What is in a small file; None if there is none. Who owns the directory may have put a link or a FIFO there: neither is followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(LARGEST_SECRET + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def keyed(salt, content):
    """A digest of a secret, as `saved.keyed` on the control node makes it. A line end more is none of it."""
    return hmac.new(salt.encode(), content.rstrip(b"\n"), hashlib.sha256).hexdigest()


def exists(user):
    try:
        pwd.getpwnam(user)
        return True
    except KeyError:
        return False


def end_processes(uid):
    """End all that runs as a user; what does not end keeps the user from being removed, which is told."""
    for _attempt in range(100):
        running = [name for name in os.listdir("/proc") if name.isdigit() and (look("/proc/" + name) or (0, None))[1] == uid]
        if not running:
            return
        for pid in running:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def look(path):
    """Mode and owners of a path, or None if it is not there."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return status.st_mode, status.st_uid, status.st_gid


def replaceable(path):
    """The first part of a path that somebody other than root could put something else in the place of, or None."""
    parts = path.strip("/").split("/")
    for depth in range(len(parts) + 1):
        place = "/" + "/".join(parts[:depth])
        status = os.lstat(place)
        last = depth == len(parts)
        if stat.S_ISLNK(status.st_mode) or (not last and (status.st_uid != 0 or status.st_mode & 0o022)):
            return place
    return None


def drifted(path, mode, user):
    """Whether a directory is not there, or is not as tmpfiles.d would make it."""
    status = look(path)
    if status is None:
        return True
    return stat.S_IMODE(status[0]) != int(mode, 8) or (exists(user) and status[1] != pwd.getpwnam(user).pw_uid)


def walk(top, left):
    """Yield `(path, descriptor, stat)` of a directory and of all in it, none by its path: others may exchange what is there meanwhile.

    What is on another file system, or too deep, is not entered but put into `left`.
    """
    if os.path.islink(top):
        left.append(top)
        return
    try:
        opened = [os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)]
    except OSError as error:
        left.append("%s (%s)" % (top, error.strerror))
        return
    device = os.fstat(opened[0]).st_dev
    paths, todo = [top], [None]
    try:
        yield top, opened[0], os.fstat(opened[0])
        todo = [iter(os.listdir(opened[0]))]
        while todo:
            name = next(todo[-1], None)
            if name is None:
                todo.pop()
                paths.pop()
                os.close(opened.pop())
                continue
            path = os.path.join(paths[-1], name)
            try:
                descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened[-1])
            except FileNotFoundError:
                continue
            try:
                status = os.fstat(descriptor)
                if stat.S_ISDIR(status.st_mode) and (status.st_dev != device or len(opened) == DEEPEST):
                    left.append("%s (%s)" % (path, "another file system" if status.st_dev != device else "too deep"))
                    continue
                yield path, descriptor, status
                if stat.S_ISDIR(status.st_mode):
                    # Taken away meanwhile, it holds nothing.
                    opened.append(os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor))
                    paths.append(path)
                    todo.append(iter(os.listdir(opened[-1])))
            except FileNotFoundError:
                continue
            finally:
                os.close(descriptor)
    finally:
        for remaining in opened:
            os.close(remaining)


def give(top, wanted):
    """Give what is in a directory to whom `wanted` says, of its stat: `(user, group)`, or None. Returns what was left alone.

    The owner is asked of the very file that is then given, by its descriptor. A file with a second name may be elsewhere too.
    """
    left = []
    for path, descriptor, status in walk(top, left):
        owners = wanted(status)
        if owners is None:
            continue
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
            left.append("%s (it has several names)" % path)
        else:
            # Of a descriptor that is open for its place only fchown(2) knows nothing.
            os.chown("/proc/self/fd/%d" % descriptor, *owners)
    return left


def hand_over(top, old, new, group):
    """Give what was one user's in a directory to another. Returns what was left alone."""
    return give(top, lambda status: (new, group) if status.st_uid == old else None)


def disown(top, users, groups):
    """Give to root what these have in a directory; if the path ends in a slash, only the directory itself. Returns what was left alone."""
    def to_root(status):
        mine, ours = status.st_uid in users, status.st_gid in groups
        return (0 if mine else -1, 0 if ours else -1) if mine or ours else None

    if not os.path.isdir(top):
        return []
    if not top.endswith("/"):
        return give(top, to_root)
    owners = to_root(os.lstat(top.rstrip("/")))
    if owners is not None:
        os.chown(top.rstrip("/"), *owners, follow_symlinks=False)
    return []


def removable(path):
    """A path that ends in a slash is a directory that goes only if it is empty."""
    if path.endswith("/"):
        return os.path.isdir(path) and not os.listdir(path)
    return os.path.lexists(path)


def main():
    module = AnsibleModule(argument_spec={"plan": {"type": "str", "required": True, "no_log": True}},
                           supports_check_mode=True)
    # A secret must not be readable for the instant between its creation and its final mode.
    os.umask(0o077)
    plan = json.loads(module.params["plan"])
    try:
        transaction = Transaction(module, plan)
    except (Failure, OSError) as failure:
        module.fail_json(msg=str(failure))
    try:
        getattr(transaction, plan["state"])()
    except (Failure, OSError) as failure:
        module.fail_json(msg=str(failure), **transaction.result())
    module.exit_json(changed=transaction.changed, **transaction.result())


if __name__ == "__main__":
    main()
