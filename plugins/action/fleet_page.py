# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a page, and what else is to be known of a fleet, of what its machines answered."""

from __future__ import annotations

import json
import os
import tempfile
import time

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.rootless.backup.plugins.plugin_utils import accounts, answer, facts, fleet, mail, node, package

OPTIONS = {"directory", "answers", "fail", "mail_to", "mail_from", "mail_smtp"}
FILES = {"fleet.json": "json", "fleet.prom": "prom", "fleet.html": "html"}


class ActionModule(ActionBase):
    """What the page says is decided in TypeScript; this only carries. It touches no machine."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        # Which program is run here, and where is written, no machine may say.
        facts.refuse(task_vars)
        args = dict(self._task.args)
        unknown = sorted(set(args) - OPTIONS)
        if unknown:
            raise AnsibleActionFail("rootless.backup.fleet_page: %s: not allowed. Use %s."
                                    % (", ".join(unknown), ", ".join(sorted(OPTIONS))))
        if not args.get("directory"):
            raise AnsibleActionFail("rootless.backup.fleet_page: directory: it is missing. Name the directory for the page.")
        letter = mail.read(args)
        directory = os.path.abspath(os.path.expanduser(str(args["directory"])))
        answers = gathered(task_vars, args.get("answers", "fleet_answer"))
        request = {"version": package.version(), "made": int(time.time()), "answers": answers}
        name = str(self._templar.template(task_vars.get(facts.NODE, "node")))
        made = node.run("fleet_page", name, json.dumps(request))
        page = os.path.join(directory, "fleet.html")
        result.update(changed=False, machines=len(answers), to_mend=made["bad"], path=page, msg=answer.line(made["subject"]))
        if made["bad"]:
            # Not in the result: there its lines would be shown as one.
            self._display.display(answer.text(made["text"]))
        if not self._task.check_mode:
            write(directory, made)
            trouble = mail.send(letter, made["subject"], made["text"]) if made["bad"] else ""
            if trouble:
                result.update(failed=True, msg="The mail was not sent: %s. %s" % (answer.line(trouble), result["msg"]))
        if made["bad"] and boolean(args.get("fail", True)):
            result["failed"] = True
        return answer.unsafe(result)


def gathered(task_vars, name):
    """What each machine of the play answered, with its groups. One that was not asked, since its variables are wrong, counts as one that
    did not answer.
    """
    groups = {}
    for group, members in task_vars["groups"].items():
        if group not in ("all", "ungrouped"):
            for host in members:
                groups.setdefault(host, []).append(group)
    answers = []
    for host in task_vars["ansible_play_hosts_all"]:
        registered = registered_of(task_vars, host, name)
        report = registered.get("fleet")
        # Once more, since any task can have registered something of that name.
        made = dict(fleet.of_machine(report), reached=report.get("reached") is True) if isinstance(report, dict) else fleet.unreached(
            registered.get("msg") or "it was not asked")
        if not made["reached"] and isinstance(report, dict):
            made = fleet.unreached(report.get("trouble"))
        if "server" in made:
            clients = clients_of(task_vars, host)
            made = fleet.remembered(made, clients) if clients else made
        answers.append(dict(made, name=str(host), groups=sorted(str(group) for group in groups.get(host, []))))
    return answers


def clients_of(task_vars, server):
    """Which machines the control node has let a server keep repositories for; none, if it does not remember that, or may not read it."""
    try:
        accounts.refuse_facts(task_vars, server)
        return set(accounts.read(accounts.secrets_of(task_vars, server))["accounts"])
    except Exception:  # it is an answer too: nothing of what such a server says counts for others
        return set()


def registered_of(task_vars, host, name):
    """What a task registered for a machine."""
    variables = task_vars["hostvars"]
    try:
        # To make all variables of ten thousand machines takes minutes.
        values = variables._variable_manager._nonpersistent_fact_cache.get(host, {})
    except AttributeError:
        values = variables.raw_get(host)
    value = values.get(name)
    return value if isinstance(value, dict) else {}


def write(directory, made):
    """Each file by rename: who reads meanwhile reads the last one."""
    try:
        if not os.path.isdir(directory):
            os.makedirs(directory, 0o700)
        mask = os.umask(0)
        os.umask(mask)
        for name, key in FILES.items():
            descriptor, path = tempfile.mkstemp(dir=directory, prefix="." + name)
            try:
                with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(made[key])
                    os.fchmod(file.fileno(), 0o666 & ~mask)
                os.rename(path, os.path.join(directory, name))
            except OSError:
                os.unlink(path)
                raise
    except OSError as trouble:
        raise AnsibleActionFail("directory: %s cannot be written to (%s). Use another directory of the control node."
                                % (directory, trouble)) from None
