#!/usr/bin/python
# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: ask
short_description: Run a module on a host that is not trusted
version_added: 0.1.0
description:
  - Runs another module on the host, and lets back only what I(returns) names, as the type that it says, bounded and printable.
  - The answer of any module is the host's to make up. It can hold facts of any name, which outrank the inventory; these and all
    else do not come back.
author:
  - rootless.backup contributors (@rootless-backup)
options:
  module:
    description: The module, by its full name.
    type: str
    required: true
  args:
    description: Its options.
    type: dict
    default: {}
  returns:
    description:
      - What comes back besides C(changed), C(failed) and C(msg), as the path in the answer (C(stat.exists)) and its type.
      - The types are C(bool), C(int), C(line) (200 characters) and C(text) (4 MiB). What is missing or of another type is false, 0 or
        empty.
    type: dict
    default: {}
attributes:
  check_mode:
    description: As the other module does.
    support: full
  diff_mode:
    description: It shows none.
    support: none
"""

EXAMPLES = r"""
- name: See whether this machine has made a backup
  rootless.backup.ask:
    module: ansible.builtin.stat
    args: {path: /backup.last}
    returns: {stat.exists: bool}
  register: mark
"""

RETURN = r"""
changed:
  description: Whether the other module says that it changed something.
  returned: always
  type: bool
  sample: true
"""
