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
from ansible_collections.rootless.backup.plugins.plugin_utils import answer, facts, module, package, settings, tree

# Before 2.19 a template that looks like JSON comes back as what it holds, unless that is turned off; since then the
# option is deprecated.
AS_TEXT = {"convert_data": False} if tuple(map(int, core_version.split(".")[:2])) < (2, 19) else {}
OPTIONS = {"name", "role", "state", "packages", "templates", "files", "frame", "package", "sensitive", "keep", "former", "expect",
           "calendars", "enable", "start", "users", "remove", "disown", "save", "authorize"}
# No passphrase and no key is larger.
MOST_SECRET = 64 << 10
KEEP = ("What opens the repositories of %s is saved in %s on the control node.\n"
        "Keep a copy of that directory in a safe place: without it the backup of a lost host cannot be read.")


class ActionModule(ActionBase):
    """Templates here, one module call there: the host pays for one connection, whatever the tree holds."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        # All that decides something here is fixed before the host is asked anything.
        facts.refuse(task_vars)
        args = dict(self._task.args)
        if args.get("role"):
            problems = self._complete(args, task_vars)
            if problems:
                return dict(result, changed=False, **settings.refusal(problems))
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
            "packages": args.get("packages", []),
            "files": self._tree(args, task_vars) if state == "present" else [],
            "keep": args.get("keep", []),
            "former": args.get("former", []),
            "expect": args.get("expect", {}),
            "calendars": args.get("calendars", {}),
            "enable": args.get("enable", []),
            "start": args.get("start", []),
            "users": args.get("users", []),
            # A plan that lays something down names nothing that could go with it.
            "remove": args.get("remove", []) if state == "absent" else [],
            "disown": args.get("disown", []) if state == "absent" else [],
        }
        if state == "present" and (wants_frame(args) or boolean(args.get("package", False))):
            package.add_to(plan)
        wanted = Saved(args["save"]) if args.get("save") else None
        server = args.get("authorize") or {}
        if wanted is not None and state == "present" and not self._task.check_mode and not all(map(wanted.has, wanted.files)):
            try:
                wanted.prepare()
            except OSError as error:
                # Before anything is made that nobody could open again.
                raise AnsibleActionFail("backup_secrets_dir: what opens the repositories could not be saved there, so nothing was done: "
                                        "%s. Make it writable for who runs Ansible, or name another directory." % error) from None
        result.update(self._transact(plan, task_vars), **answer.interpreter(self))
        if self._task.check_mode or state != "present":
            return answer.unsafe(result)
        if wanted is not None:
            try:
                result["saved"] = self._save(wanted, result, task_vars)
                if result["saved"]:
                    result["changed"] = True
                    self._display.display(KEEP % (task_vars["inventory_hostname"], wanted.directory))
            except (Unusable, OSError) as error:
                said = result.get("msg", "").strip()
                result.update(failed=True, msg=("%s\nWhat opens the repositories was not saved: %s" % (said, error)).strip())
        if result.get("failed") and server.get("repositories"):
            self._show_key(server, result, task_vars)
        return answer.unsafe(result)

    def _complete(self, args, task_vars):
        """Check the settings of the role, then add what the role says of itself, made of settings that are right. Returns the problems."""
        template, rules = self._templar.template, settings.of_role(args["role"])
        own = (rules, list(task_vars), template(task_vars[settings.named(rules, "values")]),
               lambda: template(task_vars.get(settings.named(rules, "together"), [])))
        problems = settings.problems(own, wants_frame(args), task_vars, template, self._display.warning)
        if not problems:
            args.update(template(task_vars.get(settings.named(rules, "deploy"), {})))
            for tree_of in ("templates", "files"):
                args.setdefault(tree_of, os.path.join(args["role"], tree_of))
        return problems

    def _transact(self, plan, task_vars):
        """Make the host equal to the plan. It asks dpkg for the packages itself; the package manager is only called for those that lack."""
        came, result = self._once(plan, task_vars)
        lacking = answer.members(came.get("lacking"), plan["packages"])
        if result.get("failed") or not lacking:
            return result
        installed = self._install(lacking, came.get("dpkg") is True, task_vars)
        if self._task.check_mode:
            # What lacks kept nothing else from being looked at.
            if installed.get("failed"):
                self._display.warning("%s cannot be installed: %s" % (", ".join(lacking), answer.failure(installed)))
            return dict(result, changed=True)
        if installed.get("failed"):
            return answer.of_transaction(installed, plan)
        # The package manager has the last word: it knows names that dpkg does not.
        result = self._once(dict(plan, packages=[]), task_vars)[1]
        return dict(result, changed=result["changed"] or installed.get("changed") is True)

    def _once(self, plan, task_vars):
        # A string, because the host's journal would show what a dict holds.
        came = self._execute_module(
            module_name="rootless.backup.transaction", module_args={"plan": json.dumps(plan)}, task_vars=task_vars)
        return came, answer.of_transaction(came, plan)

    def _install(self, names, has_dpkg, task_vars):
        """The answer of the host's package manager."""
        manager = "ansible.builtin.apt" if has_dpkg else "ansible.builtin.package"
        wanted = {"name": names, "state": "present"}
        came = module.run(self, manager, wanted, task_vars)
        if came.get("failed") and not self._task.check_mode:
            # Refreshing first would need the network although the lists are good.
            came = module.run(self, manager, dict(wanted, update_cache=True), task_vars)
        return came

    def _save(self, wanted, result, task_vars):
        """Save on the control node what the host made. Returns the files that were written."""
        made = wanted.of(result["created"])
        # After an initialisation all of it, since a file of that name can be of a repository that is gone.
        lacking = made if result["started"] else [each for each in made if not wanted.has(each)]
        contents = self._read([each["from"] for each in lacking], task_vars) if lacking else []
        return [wanted.write(each, content) for each, content in zip(lacking, contents)]

    def _read(self, paths, task_vars):
        """The contents of small files of the host, whose paths the control node named, by one call; no log has them."""
        quiet = [self._play_context, getattr(self._connection, "_play_context", self._play_context)]
        before = [each.no_log for each in quiet]
        for each in quiet:
            each.no_log = True
        # Where they lie, accounts that are not trusted may have put a FIFO or a link there: neither waited for nor followed.
        read = ("for path; do dd if=\"$path\" iflag=nofollow,nonblock,fullblock bs=%d count=1 status=none | base64 --wrap=0; echo .; done"
                % (MOST_SECRET + 1))
        try:
            came = self._execute_module(module_name="ansible.legacy.command", task_vars=task_vars,
                                        module_args={"argv": ["timeout", "30", "sh", "-c", read, "read", *paths]})
        finally:
            for each, value in zip(quiet, before):
                each.no_log = value
        said = came.get("stdout")
        contents = said.split(".\n") if isinstance(said, str) and not came.get("failed") else []
        # Of the last one the module takes the line's end away.
        return [secret(path, content.removesuffix("."), came) for path, content in zip(paths, contents + [""] * len(paths))]

    def _show_key(self, server, result, task_vars):
        """Print the lines that let this host in, as they have to stand in `authorized_keys`: in Ansible's own messages they are escaped."""
        try:
            key = public_key(self._read([server["key"]], task_vars)[0])
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
        trees = [frame, (args.get("templates"), args.get("files"))]
        templates = [[os.path.join(root, path) for root, path in tree.walk(top) if path.endswith(".j2")] for top, _static in trees]
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        rendered = iter(lookup.run([path for each in templates for path in each], variables=Shared(task_vars), **AS_TEXT))
        files = []
        for (top, static), paths in zip(trees, templates):
            for path in paths:
                content = next(rendered) or ""
                # An empty rendering says that this host has no such file.
                if content.strip():
                    files.append(tree.entry(os.path.relpath(path, top)[:-len(".j2")], content, sensitive))
            files += tree.static(static, sensitive)
        return files


class Shared(dict):
    """Variables that all templates see. The lookup would copy them for each to the last leaf, which takes longer than to render it."""

    def __deepcopy__(self, _memo):
        return dict(self)


def wants_frame(args):
    return boolean(args.get("frame", False))


class Unusable(Exception):
    """What a host gave cannot be what it should be; the text says why."""


def secret(path, content, came):
    """What is in a file of the host, of its base64. Unusable: it is none, or larger than any secret."""
    if not content:
        raise Unusable("%s of the host could not be read: %s" % (path, answer.line(came.get("stderr") or came.get("msg"), 500)))
    if len(content) > 2 * MOST_SECRET:
        raise Unusable("the host says that %s is larger than %d bytes, which no secret is" % (path, MOST_SECRET))
    try:
        found = base64.b64decode(content.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Unusable("what the host says is in %s is no base64" % path) from None
    if len(found) > MOST_SECRET:
        raise Unusable("the host says that %s is larger than %d bytes, which no secret is" % (path, MOST_SECRET))
    return found


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
