# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module on the host, and let back of its answer only what was asked for."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.rootless.backup.plugins.plugin_utils import answer, facts, module

OPTIONS = {"module", "args", "returns"}
# What an answer can hold, and how each is met.
KINDS = {
    "bool": lambda value: value is True,
    "int": lambda value: value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2 ** 53 else 255,
    "line": lambda value: answer.line(value, 200),
    # In full as far as it is used: the list of a large archive; base64 of /etc/passwd.
    "text": lambda value: answer.text(value, 4 << 20),
}


class ActionModule(ActionBase):
    """What else a host says, such as facts of any name, new hosts or another type, does not come back."""

    # What sends a file, such as `copy`, makes its own directory for it: here it would cost two more executions on the host each time.
    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        unknown = sorted(set(args) - OPTIONS)
        if unknown:
            raise AnsibleActionFail("rootless.backup.ask: %s: not allowed. Use %s." % (", ".join(unknown), ", ".join(sorted(OPTIONS))))
        if not args.get("module"):
            raise AnsibleActionFail("rootless.backup.ask: module: it is missing. Name the module to run.")
        returns = args.get("returns") or {}
        if set(returns.values()) - set(KINDS):
            raise AnsibleActionFail("rootless.backup.ask: returns: a kind is not allowed. Use one of %s." % ", ".join(sorted(KINDS)))
        facts.refuse(task_vars)
        response = module.run(self, args["module"], args.get("args") or {}, task_vars)
        result.update(changed=response.get("changed") is True, **answer.interpreter(self))
        if response.get("skipped") is True:
            result["skipped"] = True
        for path, kind in returns.items():
            put(result, path, KINDS[kind](take(response, path)))
        if response.get("failed"):
            result.update(failed=True, msg=answer.failure(response))
        return answer.unsafe(result)


def take(response, path):
    """What an answer holds at a path such as `stat.exists`."""
    for key in path.split("."):
        response = response.get(key) if isinstance(response, dict) else None
    return response


def put(result, path, value):
    *above, last = path.split(".")
    for key in above:
        result = result.setdefault(key, {})
    result[last] = value
