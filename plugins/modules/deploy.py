#!/usr/bin/python
# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: deploy
short_description: Lay a tree of files and systemd units down in one transaction
version_added: 0.1.0
description:
  - Renders a tree of templates on the control node, where each file's place in the tree is its place on the host, and
    makes the host equal to it in a single module call.
  - The units are verified by C(systemd-analyze verify) before anything is touched. Then the files are swapped in by
    rename, users and directories are made by C(systemd-sysusers) and C(systemd-tmpfiles), systemd is reloaded once and
    the units are enabled. If a step fails, everything is put back. Taking a tree away is no transaction.
  - A file that an earlier deployment of the same I(name) laid down and that is not in the tree any more is removed.
author:
  - rootless.backup contributors (@rootless-backup)
options:
  name:
    description: Whose tree it is. What was laid down is remembered by this name, in C(/var/lib/rootless.backup).
    type: str
    required: true
  role:
    description:
      - The directory of the role whose tree it is, on the control node. I(templates) and I(files) are its own then.
      - Its settings are checked first, as by M(rootless.backup.settings), with the rules in C(meta/settings.rules.json). These say its
        prefix. In the variable C(_PREFIX_together) stands what has to hold between them, and in C(_PREFIX_deploy) further options of this
        module, which are evaluated when the settings are found right. C(_PREFIX_once) lists variables that many others are made of, each
        after those that it is made of itself; they are evaluated once.
    type: path
  packages:
    description:
      - Packages that have to be there. The host's dpkg is asked in the same module call; the package manager is called only for those that
        it does not know to be installed whole, and does not know to be there because somebody asked for them.
      - A package is named as the package manager takes it; C(NAME=VERSION) wants that version.
      - With I(state=present) only.
    type: list
    elements: str
    default: []
  state:
    description: C(absent) takes away all that was laid down by this name.
    type: str
    choices: [present, absent]
    default: present
  templates:
    description:
      - A directory of templates on the control node; each ends in C(.j2).
      - A template that renders to nothing but white space stands for no file.
    type: path
  files:
    description:
      - A directory of files on the control node that are laid down as they are. Only C(#!/usr/bin/env python) in the
        first line becomes C(#!/usr/bin/python3), since Debian has no C(python).
    type: path
  frame:
    description:
      - Whether the tree of the role C(rootless.backup.backup), and the package with it, is laid down together with this one.
      - The role of an engine says so, which depends on that one.
    type: bool
    default: false
  package:
    description:
      - Whether the Python package C(rootless_backup), which the programs of this collection share in C(/usr/local/lib/backup),
        is laid down too.
      - It belongs to all that lay it down, and goes with the last of them. An older version of it than the host has is refused.
    type: bool
    default: false
  sensitive:
    description:
      - Paths on the host that hold secrets. They get mode C(0600), and no diff shows what is in them.
    type: list
    elements: str
    default: []
  keep:
    description:
      - Paths of files that stay on the host when they leave the tree, and with I(state=absent), since only the host knows what is in them.
      - Only I(remove) takes them away.
    type: list
    elements: str
    default: []
  former:
    description: Paths that an earlier version made and that no file of its tree tells of; they go when they are there.
    type: list
    elements: str
    default: []
  expect:
    description: Settings, each with paths that are wanted on the host; there is a warning of each that is not there and is not made.
    type: dict
    default: {}
  covers:
    description:
      - Settings, each with the paths that it covers. Of each there is a warning of what stands at the top of the host, holds something,
        is no part of the system, and is covered by none of them.
      - Of each place there is one warning, when it is first met.
    type: dict
    default: {}
  calendars:
    description: Settings, each with its calendar event; one that never comes is refused when the units are verified.
    type: dict
    default: {}
  enable:
    description: Units to enable and start; with I(state=absent) all units laid down are stopped and disabled.
    type: list
    elements: str
    default: []
  start:
    description: Services of C(Type=oneshot) to run at the end. If one fails, the task fails, but the files stay.
    type: list
    elements: dict
    default: []
    suboptions:
      unit:
        description: The service.
        type: str
        required: true
      creates:
        description: It is not run if all these paths exist.
        type: list
        elements: str
        required: true
      holds:
        description: Units of I(enable) that are enabled only when one of these paths exists, such as timers of what needs it.
        type: list
        elements: str
        default: []
  users:
    description: Users that the tree's C(sysusers.d) makes; removed with I(state=absent).
    type: list
    elements: str
    default: []
  remove:
    description:
      - Used with I(state=absent) only. Further paths to remove, directories with all they hold.
      - One that ends in a slash is a directory that is removed only if it is empty.
    type: list
    elements: str
    default: []
  disown:
    description:
      - Used with I(state=absent) only. Directories that stay when the users go; what these users own in them is given to root.
      - A file with several names, and what is on another file system, is left alone, and there is a warning of it.
    type: list
    elements: str
    default: []
  save:
    description:
      - What is saved on the control node when I(start) has made it. Names and places are fixed before the host is asked anything;
        only contents of up to 64 KiB come from it.
      - A copy follows what the host has, and there is a warning. The one before it stays beside it, under a name with the day.
    type: dict
    suboptions:
      directory:
        description: The directory on the control node, as an absolute path; it is made with mode C(0700).
        type: path
        required: true
      files:
        description: For each file its path on the host, its name in the directory, and which path of I(start) it belongs to (empty is any).
        type: list
        elements: list
        required: true
      known:
        description:
          - Shell patterns of the names of what can be in the directory of this host, of whatever time.
          - If there is any, and the host has nothing beside the paths that I(start) creates, it is taken for a machine that was rebuilt.
            Then the task fails before anything is done, unless the host has what I(opens) names, as it is saved or is to be laid down.
        type: list
        elements: str
        default: []
      opens:
        description: Paths on the host of what opens something; see I(known).
        type: list
        elements: str
        default: []
      changes:
        description:
          - Secrets that can change, each with its C(path) on the host, its name in the directory (C(as)), the C(unit) that has its
            repositories follow, and whether there is one a line (C(lines)).
          - If one is another than the host has, it is laid down beside the old one, with C(-next) behind its name, and the unit is started.
            What is in use is not touched before. The control node saves the old one first.
        type: list
        elements: dict
        default: []
      renew:
        description: The names of those of I(changes) for which a new secret is made in the directory, with C(-new) behind its name.
        type: list
        elements: str
        default: []
      anew:
        description:
          - Whether a machine that was rebuilt begins anew. What is saved is moved into a directory of its own beside then.
          - With I(state=absent), whether it is moved there when all was taken away.
        type: bool
        default: false
  authorize:
    description:
      - If the task fails, the lines are printed that let the host in at the servers of repositories that are not initialised yet.
      - Of such a line only the public key is the host's, and only if it is one.
    type: dict
    suboptions:
      key:
        description: The path of the public key on the host.
        type: path
        required: true
      command:
        description: What the server runs for this host; the path of the repository is added as its last argument.
        type: str
        required: true
      user:
        description: Whose key it is; it is named with the host behind the key.
        type: str
        required: true
      repositories:
        description: For each repository its location, and the path of I(start) that is there when it is initialised.
        type: list
        elements: list
        required: true
attributes:
  check_mode:
    description: Shows what would change, and verifies the units, without changing anything.
    support: full
  diff_mode:
    description: Shows the changes of files, except of sensitive ones.
    support: full
notes:
  - Files that begin with C(#!) get mode C(0755), all others C(0644). All belong to root.
  - Needs systemd 252 or later on the host.
"""

EXAMPLES = r"""
- name: Lay the units down
  rootless.backup.deploy:
    name: example
    templates: "{{ role_path }}/templates"
    files: "{{ role_path }}/files"
    enable: [example.timer]

- name: Take them away again
  rootless.backup.deploy:
    name: example
    state: absent
"""

RETURN = r"""
paths:
  description: The files that were, or in check mode would be, written or removed.
  returned: always
  type: list
  elements: str
  sample: [/etc/systemd/system/backup.service]
started:
  description: The services that were, or in check mode would be, run.
  returned: always
  type: list
  elements: str
  sample: [example.service]
created:
  description: Those paths of I(start) that exist at the end.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/example/made]
saved:
  description: The files of the control node that were written.
  returned: with I(save)
  type: list
  elements: str
  sample: [/home/admin/backup-secrets/web1/passphrase]
"""
