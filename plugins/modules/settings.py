#!/usr/bin/python
# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: settings
short_description: Check the settings of a role of this collection
version_added: 0.1.0
description:
  - Used by roles whose tree is not laid down by M(rootless.backup.deploy), which checks the settings of its I(role) itself.
  - Compares the settings with rules that were derived from their schema; an error names each setting that is wrong,
    what was given and what is allowed. Names that are like a setting's, but none, are errors too.
  - Of settings of which none is wrong it tells what the role's variable C(_PREFIX_together) says does not hold between them.
  - Runs on the control node and does not connect to the host.
author:
  - rootless.backup contributors (@rootless-backup)
options:
  rules:
    description: The file with the rules, on the control node.
    type: path
    required: true
  frame:
    description: Whether the settings of the role C(rootless.backup.backup) are checked too, which the role of an engine brings along.
    type: bool
    default: false
attributes:
  check_mode:
    description: Runs the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
"""

EXAMPLES = r"""
- name: Check the settings before anything on the host is touched
  rootless.backup.settings:
    rules: "{{ role_path }}/meta/settings.rules.json"
"""

RETURN = r"""
problems:
  description: A message for each setting that is wrong.
  returned: on failure
  type: list
  elements: str
  sample: ['backup_schedule: "dayly" is not allowed. Use a calendar event as in systemd.time(7), such as `daily` or `Mon..Fri 02:30`.']
"""
