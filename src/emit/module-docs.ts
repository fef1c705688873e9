import { yaml } from '../render/yaml.ts';
import type { Schema } from '../schema/schema.ts';
import { commandOptions, hookOptions } from '../schema/hook.ts';
import { markComment, type GeneratedFile } from './generated.ts';
import { argument } from './settings.ts';

/** `ansible-doc rootless.backup.hook`: a module that holds its documentation only; the action plugin does the work. */
export function hookDocs(): GeneratedFile {
  const { properties, required } = hookOptions;
  const documentation = {
    module: 'hook',
    short_description: 'Inject software into the backup',
    version_added: '0.1.0',
    description: [
      'Makes a sandboxed service that runs before every backup, as its own user, and leaves what is to be saved in a directory of its own, C(/backup/NAME).',
      'All hooks run at the same time. If one fails, the backup fails, unless C(required=false).',
      'Several hooks are a loop over this module: each costs one start of Node on the control node and one execution on the host.',
      'The units are verified before anything is touched, and the host is changed in one transaction or not at all.',
      'The role C(rootless.backup.borg) sets the backup itself up; it can run before or after.',
    ],
    author: ['rootless.backup contributors (@rootless-backup)'],
    requirements: [
      'Node.js 18 or later on the control node (Debian: C(apt install nodejs)). The variable C(rootless_backup_node) names another than the C(node) in the path. The host needs none.',
    ],
    options: Object.fromEntries(
      Object.entries(properties).map(([name, option]) => [name, documented(name, option, required)]),
    ),
    attributes: {
      check_mode: {
        description: 'Shows what would change, and verifies the units, without changing anything.',
        support: 'full',
      },
      diff_mode: { description: 'Shows the changes of the files.', support: 'full' },
    },
    seealso: [{ module: 'rootless.backup.deploy' }],
  };
  return {
    path: 'plugins/modules/hook.py',
    content: `#!/usr/bin/python
# SPDX-FileCopyrightText: the authors of rootless.backup
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
${markComment('emit/module-docs.ts')}
DOCUMENTATION = r"""${yaml(documentation)}"""

EXAMPLES = r"""
${hookExamples}"""

RETURN = r"""${yaml(returned)}"""
`,
  };
}

function documented(name: string, option: Schema, required: readonly string[]): object {
  // What is not logged is for argument specs; documentation may not say it.
  const { elements, no_log, ...entry } = argument(option) as { elements?: string; no_log?: boolean };
  // Ansible would split a string at commas.
  if ((commandOptions as readonly string[]).includes(name)) return { ...entry, type: 'raw' };
  return {
    ...entry,
    ...(elements === undefined ? {} : { elements }),
    ...(required.includes(name) ? { required: true } : {}),
  };
}

/** Each of these is run in a test. */
export const hookExamples = `- name: Save the wiki with every backup
  rootless.backup.hook:
    name: wiki
    user: wiki
    command: /usr/local/bin/wiki export --to /backup/wiki/wiki.xml
    read: [/srv/wiki]

- name: Save the queue with a script, and let the backup go on if it fails
  rootless.backup.hook:
    name: queue
    user: queue
    required: false
    timeout: 5min
    script: |
      #!/bin/sh
      set -e
      umask 077
      cp /var/lib/queue/state /backup/queue/state.new
      mv /backup/queue/state.new /backup/queue/state

- name: Save the shop with its password, which is in a vault
  rootless.backup.hook:
    name: shop
    user: shop
    secrets:
      password: "{{ shop_password }}"
    script: |
      #!/bin/sh
      set -e
      /usr/local/bin/shop dump --password-file "$CREDENTIALS_DIRECTORY/password" > /backup/shop/shop.new
      mv /backup/shop/shop.new /backup/shop/shop

- name: Save the forum after the shop, whose disk it shares, and keep no dump there
  rootless.backup.hook:
    name: forum
    user: forum
    command: /usr/local/bin/export forum
    order: [shop]
    cleanup: remove
    sandbox:
      MemoryDenyWriteExecute:
        value: false
        reason: Its interpreter compiles as it runs.

- name: Save several things in one task
  rootless.backup.hook:
    name: "{{ item }}"
    user: "{{ item }}"
    command: [/usr/local/bin/export, "{{ item }}"]
  loop: [calendar, contacts]

- name: The wiki is gone, and so is its hook
  rootless.backup.hook:
    name: wiki
    state: absent
`;

const returned = {
  paths: {
    description: 'The files that were, or in check mode would be, written or removed.',
    returned: 'success',
    type: 'list',
    elements: 'str',
    sample: ['/etc/systemd/system/backup-wiki.service'],
  },
  exposure: {
    description: 'The exposure level of the service, from 0 to 10, lower is better. See systemd-analyze(1).',
    returned: 'when the hook is there and was changed, not in check mode',
    type: 'float',
    sample: 0.2,
  },
};
