# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a role's tree on the control node and hand it to the host as one transaction."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shlex
import stat
import time

from ansible.errors import AnsibleActionFail
from ansible.module_utils.ansible_release import __version__ as core_version
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from ansible_collections.rootless.backup.plugins.plugin_utils import answer, facts, package, tree

# Before 2.19 a template that looks like JSON comes back as what it holds, unless that is turned off; since then the
# option is deprecated.
AS_TEXT = {"convert_data": False} if tuple(map(int, core_version.split(".")[:2])) < (2, 19) else {}
OPTIONS = {"name", "state", "templates", "files", "frame", "package", "sensitive", "keep", "former", "expect", "calendars", "enable",
           "start", "users", "remove", "disown", "save", "authorize"}
# No passphrase and no key is larger.
MOST_SECRET = 64 << 10


class ActionModule(ActionBase):
    """Templates here, one module call there: the host pays for one connection, whatever the tree holds."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        unknown = set(args) - OPTIONS
        if unknown:
            raise AnsibleActionFail("rootless.backup.deploy has no option %s; it has %s"
                                    % (", ".join(sorted(unknown)), ", ".join(sorted(OPTIONS))))
        if not args.get("name"):
            raise AnsibleActionFail("rootless.backup.deploy: name is missing; it says whose tree this is")
        state = args.get("state", "present")
        if state not in ("present", "absent"):
            raise AnsibleActionFail("rootless.backup.deploy: state is %r; allowed are present and absent" % (state,))

        plan = {
            "name": args["name"],
            "state": state,
            "files": self._tree(args, task_vars) if state == "present" else [],
            "keep": args.get("keep", []),
            "former": args.get("former", []),
            "expect": args.get("expect", {}),
            "calendars": args.get("calendars", {}),
            "enable": args.get("enable", []),
            "start": args.get("start", []),
            "users": args.get("users", []),
            "remove": args.get("remove", []),
            "disown": args.get("disown", []),
        }
        if state == "present" and (wants_frame(args) or boolean(args.get("package", False))):
            package.add_to(plan)
        # All that decides something here is fixed before the host is asked anything.
        facts.refuse(task_vars)
        wanted = Saved(args["save"]) if args.get("save") else None
        server = args.get("authorize") or {}
        if wanted is not None and state == "present" and not self._task.check_mode:
            try:
                wanted.prepare()
            except OSError as error:
                # Before anything is made that nobody could open again.
                raise AnsibleActionFail("backup_secrets_dir: what opens the repositories could not be saved there, so nothing was done: %s"
                                        % error) from None
        # A string, because the host's journal would show what a dict holds.
        came = self._execute_module(
            module_name="rootless.backup.transaction", module_args={"plan": json.dumps(plan)}, task_vars=task_vars)
        result.update(answer.of_transaction(came, plan), **answer.interpreter(self))
        if self._task.check_mode or state != "present":
            return answer.unsafe(result)
        if wanted is not None:
            try:
                result["saved"] = self._save(wanted, result, task_vars)
                result["changed"] = result["changed"] or bool(result["saved"])
            except (Unusable, OSError) as error:
                said = result.get("msg", "").strip()
                result.update(failed=True, msg=("%s\nWhat opens the repositories was not saved: %s" % (said, error)).strip())
        if result.get("failed") and server.get("repositories"):
            self._show_key(server, result, task_vars)
        return answer.unsafe(result)

    def _save(self, wanted, result, task_vars):
        """Save on the control node what the host made. Returns the files that were written."""
        made = wanted.of(result["created"])
        # After an initialisation all of it, since a file of that name can be of a repository that is gone.
        lacking = made if result["started"] else [each for each in made if not wanted.has(each)]
        contents = [(each, self._read(each["from"], task_vars)) for each in lacking]
        return [wanted.write(each, content) for each, content in contents]

    def _read(self, path, task_vars):
        """The content of a small file of the host, whose path the control node named; no log has it."""
        quiet = [self._play_context, getattr(self._connection, "_play_context", self._play_context)]
        before = [each.no_log for each in quiet]
        for each in quiet:
            each.no_log = True
        # On the host it lies in a directory of the account, which may have put a FIFO or a link there: neither waited for nor followed.
        read = "dd if=\"$0\" iflag=nofollow,nonblock,fullblock bs=%d count=1 status=none | base64 --wrap=0" % (MOST_SECRET + 1)
        try:
            came = self._execute_module(module_name="ansible.legacy.command", task_vars=task_vars,
                                        module_args={"argv": ["timeout", "30", "sh", "-c", read, path]})
        finally:
            for each, value in zip(quiet, before):
                each.no_log = value
        content = came.get("stdout")
        if came.get("failed") or not isinstance(content, str) or not content:
            raise Unusable("%s of the host could not be read: %s" % (path, answer.line(came.get("stderr") or came.get("msg"), 500)))
        if len(content) > 2 * MOST_SECRET:
            raise Unusable("the host says that %s is larger than %d bytes, which no secret is" % (path, MOST_SECRET))
        try:
            secret = base64.b64decode(content.encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raise Unusable("what the host says is in %s is no base64" % path) from None
        if len(secret) > MOST_SECRET:
            raise Unusable("the host says that %s is larger than %d bytes, which no secret is" % (path, MOST_SECRET))
        return secret

    def _show_key(self, server, result, task_vars):
        """Print the lines that let this host in, as they have to stand in `authorized_keys`: in Ansible's own messages they are escaped."""
        try:
            key = public_key(self._read(server["key"], task_vars))
        except Unusable:
            return
        name = re.sub("[^A-Za-z0-9._-]", "_", str(task_vars["inventory_hostname"]))
        command, comment = server["command"], "%s@%s" % (server["user"], name)
        shown = [each for each in (remote(place) for place, mark in server["repositories"] if mark not in result["created"]) if each]
        for place, path in shown:
            self._display.display("\n%s: if %s does not let this host in yet, add this line to ~/.ssh/authorized_keys there:\n\n%s\n"
                                  % (name, place, authorized("%s %s" % (command, shlex.quote(path)), key, comment)))
        if shown:
            # The host's own words have it too, escaped: nobody is to copy that.
            result["msg"] = "\n".join(each for each in result["msg"].split("\n") if command not in each)

    def _tree(self, args, task_vars):
        """Every file of the trees as `{path, content, mode, sensitive}`; an engine's own stand beside those of the frame."""
        frame = (os.path.join(package.FRAME, "templates"), package.HOME) if wants_frame(args) else (None, None)
        sensitive = set(args.get("sensitive", []))
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        files = []
        for templates, static in (frame, (args.get("templates"), args.get("files"))):
            for root, path in tree.walk(templates):
                if path.endswith(".j2"):
                    content = lookup.run([os.path.join(root, path)], variables=task_vars, **AS_TEXT)[0] or ""
                    # An empty rendering says that this host has no such file.
                    if content.strip():
                        files.append(tree.entry(path[:-len(".j2")], content, sensitive))
            files += tree.static(static, sensitive)
        return files


def wants_frame(args):
    return boolean(args.get("frame", False))


class Unusable(Exception):
    """What a host gave cannot be what it should be; the text says why."""


class Saved:
    """A directory of the control node with what opens a host's repositories: names and places are ours, only contents are the host's."""

    def __init__(self, options):
        self.directory = str(options["directory"])
        self.files = [dict(zip(("from", "as", "of"), map(str, each))) for each in options["files"]]
        for each in self.files:
            if not re.fullmatch("[a-z0-9-]{1,40}", each["as"]):
                raise AnsibleActionFail("rootless.backup.deploy: save: %r is no name of a file" % each["as"])
        if not os.path.isabs(self.directory):
            raise AnsibleActionFail("rootless.backup.deploy: save: %s is no absolute path" % self.directory)

    def of(self, created):
        """What there is to save when these marks are there: of each its own, and what all need if there is any."""
        return [each for each in self.files if (each["of"] in created if each.get("of") else created)]

    def has(self, each):
        return os.path.isfile(os.path.join(self.directory, each["as"]))

    def prepare(self):
        """Make the directory, and see that files can be laid down in it. OSError: they cannot."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        probe = os.path.join(self.directory, ".%d.probe" % os.getpid())
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        os.unlink(probe)

    def write(self, each, content):
        """Swap the file in; another one of that name stays beside it. Returns its path."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fchmod(directory, 0o700)
            if kept(directory, each["as"]) == content:
                os.chmod(each["as"], 0o600, dir_fd=directory)
                return os.path.join(self.directory, each["as"])
            new = ".%s.%d.new" % (each["as"], os.getpid())
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(new, flags, 0o600, dir_fd=directory), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # A repository that was made anew has another key; the old one may still open a copy of the old repository.
            if kept(directory, each["as"]) is not None:
                os.rename(each["as"], free(directory, "%s.%s" % (each["as"], time.strftime("%Y-%m-%d@%H:%M:%S~"))),
                          src_dir_fd=directory, dst_dir_fd=directory)
            os.rename(new, each["as"], src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
        finally:
            os.close(directory)
        return os.path.join(self.directory, each["as"])


def kept(directory, name):
    """What is in a file of the directory; None if there is none, or no regular file of that name."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        return file.read(MOST_SECRET + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def free(directory, name):
    """This name, or one like it that nothing has yet."""
    taken, number, found = set(os.listdir(directory)), 1, name
    while found in taken:
        number += 1
        found = "%s%d~" % (name, number)
    return found


def public_key(content):
    """Type and base64 of a public key that a host gave. Unusable: it is none; then nobody is asked to trust it."""
    words = content.decode("ascii", "replace").split()
    if len(words) < 2 or not re.fullmatch("ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)", words[0]):
        raise Unusable("what the host gave is no public key")
    try:
        inside = base64.b64decode(words[1].encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Unusable("what the host gave is no public key") from None
    # It says its own type, and is long enough for any key, see RFC 4253, 6.6.
    if not inside.startswith(len(words[0]).to_bytes(4, "big") + words[0].encode("ascii")) or not 40 <= len(inside) <= 4096:
        raise Unusable("what the host gave is no public key")
    return "%s %s" % (words[0], base64.b64encode(inside).decode("ascii"))


def remote(repository):
    """Where a repository is, and its path as the server's command takes it; None if it is on the host itself."""
    found = re.fullmatch(r"ssh://([^/]+)(/.*)", str(repository))
    # /./ and /~/ are the home of the user there, where the command is started.
    return (answer.line(found.group(1)), re.sub(r"^/(?:\.|~)/", "", found.group(2))) if found else None


def authorized(command, key, comment):
    """The line of authorized_keys(5): the command is the user's shell's, in quotes in which only a quote needs escaping."""
    return 'command="%s",restrict %s %s' % (command.replace('"', '\\"'), key, comment)
