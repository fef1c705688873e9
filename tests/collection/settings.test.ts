import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { copies } from '../../tools/gates/copies.ts';
import { Toolbox } from '../../tools/gates/toolbox.ts';

/** Of each role a setting of which something else is made, and where the role checks it. */
const wrong = {
  borg_repositories: { role: 'borg', tasks_from: 'settings.yml' },
  backup_paths: { role: 'borg', tasks_from: 'settings.yml' },
  borg_packages: { role: 'borg' },
  mariadb_data_directories: { role: 'mariadb' },
  postgres_exclude: { role: 'postgres' },
  repository_clients: { role: 'repository' },
  sqlite_databases: { role: 'sqlite' },
} as const;

it('a setting of a wrong kind is named, with what is allowed, by each role and before a host is asked anything', async () => {
  const { collection } = await copies();
  const tasks = Object.entries(wrong).map(([name, { role, ...from }]) => ({
    block: [
      {
        'ansible.builtin.include_role': { name: `rootless.backup.${role}`, rolespec_validate: false, ...from },
        vars: { [name]: 5 },
      },
    ],
    rescue: [{ 'ansible.builtin.debug': { msg: '{{ ansible_failed_result.msg }}' } }],
  }));
  const playbook = join(collection, 'wrong.yml');
  // There is no such host: nothing can have been asked of it.
  const vars = { ansible_connection: 'ssh', ansible_host: 'nowhere.invalid', backup_secrets_dir: '/nowhere' };
  writeFileSync(playbook, JSON.stringify([{ hosts: 'web', gather_facts: false, vars, tasks }]));
  const { stdout } = await (
    await Toolbox.open()
  ).run('ansible-playbook', ['--inventory', 'web,', playbook], {
    cwd: collection,
    env: { ANSIBLE_COLLECTIONS_PATH: join(collection, '../../..') },
  });
  for (const name of Object.keys(wrong))
    expect(stdout).toMatch(
      new RegExp(`"msg": "The settings are not usable:\\\\n- ${name}: 5 is not allowed[.] Use a list`),
    );
});
