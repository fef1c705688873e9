# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a machine saves to on a server of repositories."""

from __future__ import annotations

DOCUMENTATION = r"""
name: repository_place
author: rootless.backup contributors (@rootless-backup)
version_added: 0.1.0
short_description: Where a host saves to
description:
  - Used by the role C(rootless.backup.borg). Makes of each entry of C(borg_repositories) with the key C(server) the location of the host's
    repository there, and the line of known_hosts with the server's key. Other locations stay as they are.
options:
  _terms:
    description: The value of C(borg_repositories), and that of C(backup_secrets_dir).
    required: true
"""

EXAMPLES = r"""
- name: Show where this host saves to
  ansible.builtin.debug:
    msg: "{{ q('rootless.backup.repository_place', borg_repositories, backup_secrets_dir) | map(attribute='location') }}"
"""

RETURN = r"""
_list:
  description: Of each repository its C(location), and its C(known_host), C(server) and C(position) in the window of all, which are empty
    for one that is on no server of the inventory.
  type: list
  elements: dict
"""

from collections.abc import Mapping

from ansible.errors import AnsibleActionFail, AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.rootless.backup.plugins.plugin_utils import accounts


class LookupModule(LookupBase):
    """Reads the inventory and the control node only."""

    def run(self, terms, variables=None, **_options):
        try:
            return [place(variables, repository, terms[1]) for repository in terms[0]]
        except (AnsibleActionFail, OSError, ValueError) as error:
            raise AnsibleLookupError(str(error)) from error


def place(variables, repository, secrets):
    if isinstance(repository, Mapping):
        return accounts.place(variables, str(repository["server"]), secrets)
    return {"location": str(repository), "known_host": "", "server": "", "position": ""}
