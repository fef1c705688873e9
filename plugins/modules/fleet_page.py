#!/usr/bin/python
# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: fleet_page
short_description: Make one page of the backups of all machines
version_added: 0.1.0
description:
  - Makes C(fleet.html), C(fleet.json) and C(fleet.prom) of what M(rootless.backup.fleet) registered for all machines of the play, the worst
    first. They are made anew each time, which does not count as a change.
  - The page is one file that asks nobody for anything, so it can be opened from the disk, sent by mail or served by any server.
  - It fails if a machine is not well, so that the exit code of C(ansible-playbook) tells. Its message names the five worst and what to do.
  - It runs on the control node, once for all machines (C(run_once)), and connects to none.
author:
  - rootless.backup contributors (@rootless-backup)
requirements:
  - Node.js 18 or later on the control node. The variable C(rootless_backup_node) names another than the C(node) in the path.
options:
  directory:
    description: Where the files are written, on the control node. If it is not there, it is made, for this user only.
    type: path
    required: true
  answers:
    description: The variable that M(rootless.backup.fleet) registered.
    type: str
    default: fleet_answer
  fail:
    description: Whether to fail if a machine is not well.
    type: bool
    default: true
  mail_to:
    description: Who gets mail if a machine is not well. It goes through the C(sendmail) of the control node, or through I(mail_smtp).
    type: list
    elements: str
    default: []
  mail_from:
    description: The sender, if it is not who runs Ansible.
    type: str
    default: ""
  mail_smtp:
    description: A mail server, as the lines of an account of msmtp(1), such as C(host) and C(from). Put it in a vault.
    type: str
    default: ""
attributes:
  check_mode:
    description: It tells how many machines are not well, and writes and sends nothing.
    support: full
  diff_mode:
    description: It shows none.
    support: none
seealso:
  - module: rootless.backup.fleet
"""

EXAMPLES = r"""
- name: Make the page
  rootless.backup.fleet_page:
    directory: /srv/www/backups
    mail_to: [admin@example.org]
  run_once: true
"""

RETURN = r"""
path:
  description: The page.
  returned: success
  type: str
  sample: /srv/www/backups/fleet.html
machines:
  description: How many machines are on it.
  returned: success
  type: int
  sample: 200
to_mend:
  description: How many of them are not well.
  returned: success
  type: int
  sample: 3
"""
