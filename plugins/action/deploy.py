# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a role's tree on the control node and hand it to the host as one transaction."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import secrets
import shlex

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.ansible_release import __version__ as core_version
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import filter_loader, lookup_loader, test_loader
from ansible_collections.rootless.backup.plugins.plugin_utils import (
    answer,
    compiled,
    facts,
    keys,
    module,
    package,
    saved,
    settings,
    transaction,
    tree,
)
from ansible_collections.rootless.backup.plugins.plugin_utils.keys import Unusable

# Before 2.19 a template that looks like JSON comes back as what it holds, unless that is turned off; since then the
# option is deprecated.
AS_TEXT = {"convert_data": False} if tuple(map(int, core_version.split(".")[:2])) < (2, 19) else {}
OPTIONS = {"name", "role", "state", "packages", "templates", "files", "frame", "package", "sensitive", "keep", "former", "expect", "covers",
           "calendars", "enable", "start", "users", "remove", "disown", "save", "authorize"}
# A plan that lays something down names nothing that could go with it.
ONLY_ABSENT = ("remove", "disown")
KEEP = ("What opens the repositories of %s is saved in %s on the control node.\n"
        "Keep a copy of that directory in a safe place: without it the backup of a lost host cannot be read.")

FOLLOWED = ("%s of %s has changed. The copy in %s follows; the one before it is kept there as %s. If nobody was to change it, find out who "
            "did.")
CHANGED = "The %s of %s is changed. The one before it is kept in %s, with its date: %s."
LINES = {"passphrase": "passphrase", "ssh-key": "SSH key"}
REBUILT = ("%s looks like a machine that was rebuilt: it knows of no backup, but %s on the control node has what opens the repositories of "
           "one of this name (%s). Nothing was done, since new keys would open none of what was saved.\n"
           "To bring it back: ansible-playbook rootless.backup.restore -e restore_host=%s (see docs/restore.md).\n"
           "If what was saved is not to come back here, say once -e backup_begin_anew=true: what opens it is set aside there then.")
ASIDE = "What opened the repositories of %s is in %s now. Keep it for as long as you want to read them."

# Ansible loads this before it forks a process for each host, of which each would look for the filters, and read all this, anew.
filter_loader.get("ansible.builtin.to_json")
test_loader.get("ansible.builtin.match")
facts.rules()
settings.of_role(package.FRAME)
tree.contents(package.HOME)


class ActionModule(ActionBase):
    """Templates here, one module call there: the host pays for one connection, whatever the tree holds."""

    # Of secrets: names of those that are being changed; paths of those whose repositories have to follow; of those whose copy differs.
    _under_way, _handed, _differs = (), (), ()

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        # All that decides something here is fixed before the host is asked anything.
        facts.refuse(task_vars)
        args = dict(self._task.args)
        variables, role = dict(task_vars), args.get("role")
        if role:
            rules = [settings.of_role(role), *([settings.of_role(package.FRAME)] if wants_frame(args) else [])]
            values = settings.values(rules, variables, self._templar.template)
            problems = settings.problems(rules, values, list(variables), self._display.warning)
            if not problems:
                # As data: what somebody made a setting of is rendered once.
                variables.update(answer.unsafe(values))
                with kept_of(args):
                    problems = self._complete(args, variables, rules)
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
            raise AnsibleActionFail("rootless.backup.deploy: state: %r is not allowed. Use present or absent." % (state,))

        wanted = self._saved(args.get("save"))
        plan = self._plan(args, state, wanted, variables)
        server = args.get("authorize") or {}
        if wanted is not None and state == "present" and not self._task.check_mode and not all(map(wanted.has, wanted.files)):
            try:
                wanted.prepare()
            except OSError as error:
                # Before anything is made that nobody could open again.
                raise AnsibleActionFail("backup_secrets_dir: what opens the repositories could not be saved there, so nothing was done: "
                                        "%s. Make it writable for who runs Ansible, or name another directory." % error) from None
        # Nothing is made before it is known whether the host is the one that this is of.
        plan["unless_new"] = wanted is not None and state == "present" and self._is_saved(wanted)
        plan["opens"] = wanted.opens if wanted is not None else []
        if wanted is not None and state == "present" and not self._task.check_mode:
            self._compare(plan, wanted)
        anew = boolean((args.get("save") or {}).get("anew", False))
        result.update(self._transact(plan, wanted, anew, task_vars), **answer.interpreter(self))
        if self._task.check_mode and state == "present" and wanted is not None and wanted.renew:
            result["changed"] = True
        if self._task.check_mode or state != "present":
            if anew and state == "absent" and not self._task.check_mode and not result.get("failed"):
                self._set_aside(wanted, task_vars)
            return answer.unsafe(result)
        if wanted is not None:
            try:
                result["saved"] = self._finish(wanted, result, task_vars) + self._save(wanted, result, task_vars)
                if result["saved"]:
                    result["changed"] = True
                    if wanted.opens:
                        self._display.display(KEEP % (task_vars["inventory_hostname"], wanted.directory))
            except (Unusable, OSError) as error:
                message = result.get("msg", "").strip()
                result.update(failed=True, msg=("%s\nWhat opens the repositories was not saved: %s" % (message, error)).strip())
        if result.get("failed") and server.get("repositories"):
            self._show_key(server, result, wanted, task_vars)
        return answer.unsafe(result)

    def _complete(self, args, variables, rules):
        """Add what the role says of itself, made of settings that are each right. Returns what does not hold between them.

        What much is made of is put into `variables` as it is then: Ansible renders a variable anew wherever it stands.
        """
        template = self._templar.template
        self._templar.available_variables = variables
        # An engine makes its own of what the frame has.
        for name in (name for role in reversed(rules) for name in variables.get(settings.named(role, "once"), [])):
            variables[name] = answer.unsafe(template(variables[name]))
        problems = settings.together(rules, variables, template)
        if not problems:
            options = dict(variables.get(settings.named(rules[0], "deploy"), {}))
            state = template(options.pop("state", args.get("state", "present")))
            if state == "present":
                for option in ONLY_ABSENT:
                    options.pop(option, None)
            args.update(template(options), state=state)
            for tree_of in ("templates", "files"):
                args.setdefault(tree_of, os.path.join(args["role"], tree_of))
        return problems

    def _plan(self, args, state, wanted, variables):
        """What the host is to be."""
        # Before the tree is rendered, which has what is new in it.
        changes = self._changes(args, state, wanted, variables)
        plan = {
            "name": args["name"],
            "state": state,
            "packages": args.get("packages", []),
            "files": self._tree(args, variables) if state == "present" else [],
            "keep": args.get("keep", []),
            "former": args.get("former", []),
            "expect": args.get("expect", {}),
            "covers": args.get("covers", {}),
            "calendars": args.get("calendars", {}),
            "enable": args.get("enable", []),
            "start": args.get("start", []),
            "users": args.get("users", []),
            **{option: args.get(option, []) if state == "absent" else [] for option in ONLY_ABSENT},
            "handover": changes,
            "ask": bool(changes),
        }
        if state == "present" and (wants_frame(args) or boolean(args.get("package", False))):
            package.add_to(plan)
        return plan

    def _changes(self, args, state, wanted, task_vars):
        """Begin the changes of secrets that are asked for. Returns of each that can change the unit that has its repositories follow."""
        if wanted is None or state != "present":
            return {}
        if self._task.check_mode:
            for name in wanted.renew:
                self._display.display("A new %s would be made for %s." % (LINES[name], task_vars["inventory_hostname"]))
        else:
            try:
                wanted.begin(lambda name, path: make(name, path, task_vars["inventory_hostname"]))
            except OSError as error:
                raise AnsibleActionFail("backup_secrets_dir: nothing new could be made there, so nothing was changed: %s" % error) from None
        marks = [path for starter in args.get("start", []) for path in starter["creates"]]
        return {change["path"]: {"unit": change["unit"], "lines": change["lines"], "opens": marks}
                for change in args["save"].get("changes", [])}

    def _saved(self, options):
        try:
            return saved.Saved(options) if options else None
        except ValueError as error:
            raise AnsibleActionFail("rootless.backup.deploy: save: %s" % error) from None

    def _is_saved(self, wanted):
        """Whether there is something that opens repositories of a host of this name."""
        try:
            return bool(wanted.names())
        except OSError as error:
            if not self._task.check_mode:
                raise AnsibleActionFail("backup_secrets_dir: it cannot be read: %s" % error) from None
            self._display.warning("backup_secrets_dir: it cannot be read, so it is not known whether this host is new: %s" % error)
            return False

    def _compare(self, plan, wanted):
        """Have the host tell which of its secrets are others than the saved ones."""
        try:
            self._under_way = wanted.under_way({file["path"]: file["content"] for file in plan["files"]})
            plan["saved"] = wanted.digests(self._under_way)
        except OSError as error:
            raise AnsibleActionFail("backup_secrets_dir: it cannot be read, so nothing was done: %s" % error) from None

    def _set_aside(self, wanted, task_vars):
        try:
            aside = wanted.set_aside()
        except OSError as error:
            raise AnsibleActionFail("backup_secrets_dir: what opens the repositories could not be set aside there: %s" % error) from None
        if aside is not None:
            self._display.display(ASIDE % (task_vars["inventory_hostname"], aside))

    def _meet_new(self, wanted, plan, anew, task_vars):
        """Meet a host that knows of no backup, though one of its name made some. It goes on if it has been given what opens them, or is to
        begin anew.
        """
        refusal = REBUILT % (task_vars["inventory_hostname"], wanted.directory, ", ".join(wanted.names()), task_vars["inventory_hostname"])
        if self._task.check_mode:
            # There nothing is read of it.
            self._display.warning(refusal)
            return
        expected = wanted.expected({file["path"]: file["content"] for file in plan["files"]})
        try:
            contents = self._read(list(expected), task_vars) if expected else []
        except Unusable:
            contents = []
        if contents and [content.strip() for content in contents] == [content.strip() for content in expected.values()]:
            return
        if not anew:
            raise AnsibleActionFail(refusal)
        self._set_aside(wanted, task_vars)

    def _transact(self, plan, wanted, anew, task_vars):
        """Make the host equal to the plan. It asks dpkg for the packages itself; the package manager is only called for those that lack."""
        response, result = self._once(plan, task_vars)
        if plan["unless_new"] and response.get("new") is True:
            self._meet_new(wanted, plan, anew, task_vars)
            plan = dict(plan, unless_new=False)
            response, result = self._once(plan, task_vars)
        self._handed = [] if self._task.check_mode else answer.members(response.get("handed"), plan["handover"])
        if self._handed:
            self._keep_old(wanted, task_vars)
            plan = dict(plan, ask=False)
            response, result = self._once(plan, task_vars)
        self._differs = answer.members(response.get("differs"), plan.get("saved", {}))
        lacking = answer.members(response.get("lacking"), plan["packages"])
        if result.get("failed") or not lacking:
            return result
        installed = self._install(lacking, response.get("dpkg") is True, task_vars)
        if self._task.check_mode:
            # What lacks kept nothing else from being looked at.
            if installed.get("failed"):
                self._display.warning("%s cannot be installed: %s" % (", ".join(lacking), answer.failure(installed)))
            return dict(result, changed=True)
        if installed.get("failed"):
            return answer.of_transaction(installed, plan)
        # The package manager has the last word: it knows names that dpkg does not.
        response, result = self._once(dict(plan, packages=[]), task_vars)
        self._differs = answer.members(response.get("differs"), plan.get("saved", {}))
        return dict(result, changed=result["changed"] or installed.get("changed") is True)

    def _once(self, plan, task_vars):
        response = transaction.run(self, plan, task_vars)
        return response, answer.of_transaction(response, plan)

    def _install(self, names, has_dpkg, task_vars):
        """The answer of the host's package manager."""
        manager = "ansible.builtin.apt" if has_dpkg else "ansible.builtin.package"
        wanted = {"name": names, "state": "present"}
        response = module.run(self, manager, wanted, task_vars)
        if response.get("failed") and not self._task.check_mode:
            # Refreshing first would need the network although the lists are good.
            response = module.run(self, manager, dict(wanted, update_cache=True), task_vars)
        return response

    def _keep_old(self, wanted, task_vars):
        """Before anything follows a new secret, the control node has both: whatever ends it then, one of them opens each repository."""
        names = {path: name for name, path in wanted.changes.items()}
        self._kept = {}
        try:
            for path, content in zip(self._handed, self._read(self._handed, task_vars)):
                self._kept[path] = wanted.retire(names[path], content)
        except (Unusable, OSError) as error:
            raise AnsibleActionFail("backup_secrets_dir: the %s that is in use could not be saved there, so it was not changed: %s"
                                    % (" and ".join(LINES[names[path]] for path in self._handed), error)) from None

    def _finish(self, wanted, result, task_vars):
        """Have what is new on the host take the place of the old on the control node. Returns the files that were written."""
        written = []
        for name, path in wanted.changes.items() if not result.get("failed") else []:
            # One that is a setting by now is saved no more.
            gone = path in self._handed and all(name != entry["as"] for entry in wanted.files)
            paths = wanted.finish(name) if name in self._under_way else wanted.dismiss(name) if gone else []
            written += paths
            if path in self._handed:
                before = [os.path.basename(place) for place in self._kept[path] + paths]
                self._display.display(CHANGED % (LINES[name], task_vars["inventory_hostname"], wanted.directory,
                                                 ", ".join(file for file in before if file != name)))
        return written

    def _save(self, wanted, result, task_vars):
        """Save on the control node what the host made. Returns the files that were written."""
        made = wanted.of(result["created"])
        # After an initialisation all of it, since a file of that name can be of a repository that is gone.
        lacking = made if result["started"] else [entry for entry in made if not wanted.has(entry) or entry["from"] in self._differs]
        contents = self._read([entry["from"] for entry in lacking], task_vars) if lacking else []
        written = []
        for entry, content in zip(lacking, contents):
            paths = wanted.write(entry, content)
            before = [os.path.basename(path) for path in paths if os.path.basename(path) != entry["as"]]
            if before:
                warning = FOLLOWED % (entry["as"], task_vars["inventory_hostname"], wanted.directory, before[0])
                result.setdefault("warnings", []).append(warning)
            written += paths
        return written

    def _read(self, paths, task_vars):
        """The contents of small files of the host, whose paths the control node named, by one call; no log has them."""
        quiet = [self._play_context, getattr(self._connection, "_play_context", self._play_context)]
        before = [context.no_log for context in quiet]
        for context in quiet:
            context.no_log = True
        # Where they lie, accounts that are not trusted may have put a FIFO or a link there: neither waited for nor followed.
        read = ("for path; do dd if=\"$path\" iflag=nofollow,nonblock,fullblock bs=%d count=1 status=none | base64 --wrap=0; echo .; done"
                % (saved.MOST + 1))
        try:
            response = self._execute_module(module_name="ansible.legacy.command", task_vars=task_vars,
                                            module_args={"argv": ["timeout", "30", "sh", "-c", read, "read", *paths]})
        finally:
            for context, value in zip(quiet, before):
                context.no_log = value
        output = response.get("stdout")
        contents = output.split(".\n") if isinstance(output, str) and not response.get("failed") else []
        # Of the last one the module takes the line's end away.
        return [secret(path, content.removesuffix("."), response) for path, content in zip(paths, contents + [""] * len(paths))]

    def _show_key(self, server, result, wanted, task_vars):
        """Print the lines that let this host in, as they have to stand in `authorized_keys`: in Ansible's own messages they are escaped."""
        new = keys.of_private(wanted.new("ssh-key")) if "ssh-key" in self._under_way else None
        try:
            key = new or keys.public_key(self._read([server["key"]], task_vars)[0])
        except Unusable:
            return
        name = re.sub("[^A-Za-z0-9._-]", "_", str(task_vars["inventory_hostname"]))
        command, comment = server["command"], "%s@%s" % (server["user"], name)
        shown = [target for target in (remote(place) for place, mark in server["repositories"] if new or mark not in result["created"])
                 if target]
        for place, path in shown:
            line = keys.authorized("%s %s" % (command, shlex.quote(path)), key, comment)
            self._display.display("\n%s: if %s does not let this host in%s yet, add this line to ~/.ssh/authorized_keys there:\n\n%s\n"
                                  % (name, place, " with its new key" if new else "", line))
        if shown:
            # The host's own words have it too, escaped: nobody is to copy that.
            result["msg"] = "\n".join(line for line in result["msg"].split("\n") if command not in line)

    def _tree(self, args, variables):
        """Every file of the trees as `{path, content, mode, sensitive}`; an engine's own stand beside those of the frame."""
        frame = (os.path.join(package.FRAME, "templates"), package.HOME) if wants_frame(args) else (None, None)
        sensitive = set(args.get("sensitive", []))
        trees = [frame, (args.get("templates"), args.get("files"))]
        templates = [[os.path.join(root, path) for root, path in tree.walk(top) if path.endswith(".j2")] for top, _static in trees]
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        with kept_of(args):
            rendered = iter(lookup.run([path for paths in templates for path in paths], variables=Shared(variables), **AS_TEXT))
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


def make(name, path, host):
    """Make a new secret of this name. OSError: it could not be made."""
    if name == "ssh-key":
        keys.make(path, "borg@" + re.sub("[^A-Za-z0-9._-]", "_", host))
    else:
        saved.create(path, base64.b64encode(secrets.token_bytes(32)) + b"\n")


def kept_of(args):
    """What is compiled of a role is kept for its next host: by then its settings are data, and all texts its own."""
    return compiled.kept(os.path.basename(args["role"]), constants.DEFAULT_LOCAL_TMP) if args.get("role") else contextlib.nullcontext()


def wants_frame(args):
    return boolean(args.get("frame", False))


def secret(path, content, response):
    """What is in a file of the host, of its base64. Unusable: it is none, or larger than any secret."""
    if not content:
        raise Unusable("%s of the host could not be read: %s" % (path, answer.line(response.get("stderr") or response.get("msg"), 500)))
    if len(content) > 2 * saved.MOST:
        raise Unusable("the host says that %s is larger than %d bytes, which no secret is" % (path, saved.MOST))
    try:
        decoded = base64.b64decode(content.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Unusable("what the host says is in %s is no base64" % path) from None
    if len(decoded) > saved.MOST:
        raise Unusable("the host says that %s is larger than %d bytes, which no secret is" % (path, saved.MOST))
    return decoded


def remote(repository):
    """Where a repository is, and its path as the server's command takes it; None if it is on the host itself."""
    match = re.fullmatch(r"ssh://([^/]+)(/.*)", str(repository))
    # /./ and /~/ are the home of the user there, where the command is started.
    return (answer.line(match.group(1)), re.sub(r"^/(?:\.|~)/", "", match.group(2))) if match else None
