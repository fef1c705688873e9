# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of a server of repositories, computed of the inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: repository_accounts
author: rootless.backup contributors (@rootless-backup)
version_added: 0.1.0
short_description: The accounts of a server of repositories
description:
  - Used by the role C(rootless.backup.repository). Computes which hosts of the inventory save to the host of the play, gives each an
    account with a number of its own, makes their SSH keys, and remembers all of it in C(backup_secrets_dir).
options:
  _terms:
    description: One mapping of the settings C(uid_range), C(quota), C(clients), C(address), C(port), C(path) and C(alert_after), and
      C(secrets), the C(backup_secrets_dir) of the play.
    required: true
"""

EXAMPLES = r"""
- name: Show whose account is which
  ansible.builtin.debug:
    msg: "{{ q('rootless.backup.repository_accounts', settings) }}"
"""

RETURN = r"""
_list:
  description: Of each account the name of its host, its own name and number, its quota, and its line of C(authorized_keys).
  type: list
  elements: dict
"""

import shlex

from ansible.errors import AnsibleActionFail, AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.rootless.backup.plugins.plugin_utils import accounts, keys

# Templates ask for it several times in a task, which has a process of its own.
FOUND = {}


class LookupModule(LookupBase):
    """Reads the inventory and the control node only."""

    def run(self, terms, variables=None, **_options):
        (options,) = terms
        server = variables["inventory_hostname"]
        if server not in FOUND:
            try:
                machines = accounts.computed(variables, options, Display().warning)
            except (AnsibleActionFail, OSError, ValueError) as error:
                raise AnsibleLookupError(str(error)) from error
            FOUND[server] = [dict(machine, home="%s/%s" % (options["path"].rstrip("/"), machine["account"])) for machine in machines]
        return [dict(machine, title=accounts.printable(machine["name"]), line=line(machine)) for machine in FOUND[server]]


def line(machine):
    """The line that lets a machine in; none for one that is absent."""
    if machine["state"] != "present":
        return ""
    # Not --append-only: what is deleted is in the generations, and the next one who writes would make it final.
    command = ["borg", "serve", "--restrict-to-repository", machine["home"] + "/repository"]
    if machine["quota"]:
        command += ["--storage-quota", machine["quota"]]
    return keys.authorized(" ".join(map(shlex.quote, command)), machine["key"], "backup@" + accounts.printable(machine["name"]))
