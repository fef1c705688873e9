# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a machine starts its backup within the window of all."""

from __future__ import annotations

DOCUMENTATION = r"""
name: start
author: rootless.backup contributors (@rootless-backup)
version_added: 0.1.0
short_description: When a host starts its backup within the window of all
description:
  - Used by the role C(rootless.backup.backup). Gives each host a time of its own in C(backup_window), which stays the same when other
    hosts come and go. Hosts that save to a server of the role C(rootless.backup.repository) are spread evenly.
options:
  _terms:
    description: The window, and the position of the host in it, from 0 to 1, or nothing.
    required: true
"""

EXAMPLES = r"""
- name: Show when this host starts
  ansible.builtin.debug:
    msg: "{{ lookup('rootless.backup.start', '22:00-06:00', '') }}"
"""

RETURN = r"""
_list:
  description: The time of the day, such as 01:30:00.
  type: list
  elements: str
"""

from ansible.plugins.lookup import LookupBase
from ansible_collections.rootless.backup.plugins.plugin_utils import slots


class LookupModule(LookupBase):
    """Reckons only."""

    def run(self, terms, variables=None, **_options):
        window, where = terms
        position = slots.by_name(str(variables["inventory_hostname"])) if where in ("", None) else float(where)
        return [slots.start(str(window), position)]
