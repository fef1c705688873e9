import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lab } from '../../tests/lab/lab.ts';
import { run } from '../../tests/lab/process.ts';
import { raise } from './converge.ts';
import type { Part } from './part.ts';
import { reach, seconds, takeTurns } from './rounds.ts';

/** What each name of the inventory may take, as a multiple of `ping`. */
const limit = 1.3;

/** Asking a fleet how its backups do, by the number of machines, against `ping`. */
export const fleet: Part = {
  title: 'Asking a fleet',
  about: `\`ansible-playbook rootless.backup.fleet\` from start to end, with the page, against a play of \`ping\`, in turns. The 200 machines
are names in the inventory that lead to four booted hosts, each with a backup; 20 forks, pipelining on, and the inventory names the Python of the hosts for
both. What the hosts do is done by four of them for all, on the same machine.`,
  settings:
    '`backup_paths` is /etc, so that the first backups take no time; all else is at its default. The playbook gathers no facts, and the play of `ping` is told not to.',
  async measure({ quick }) {
    const instances = await raise('/proc/sys/fs/inotify/max_user_instances', 1024);
    const lab = await Lab.open();
    try {
      await lab.installCollection();
      for (const name of quick ? ['first'] : ['first', 'second', 'third', 'fourth'])
        await lab.boot({ name, debian: 12 });
      await lab.roles(['borg'], { backup_paths: ['/etc'] });
      await Promise.all(lab.hosts.map((host) => host.run('systemctl start backup.service', { timeoutSeconds: 120 })));
      const count = quick ? 4 : 200;
      const inventory = readFileSync(join(lab.directory, 'inventory'), 'utf8');
      const names = Array.from(
        { length: count },
        (_, index) => `name${index} ansible_host=${lab.hosts[index % lab.hosts.length]?.address ?? ''}`,
      );
      const file = join(lab.directory, 'names');
      writeFileSync(file, `${names.join('\n')}\n${inventory.slice(inventory.indexOf('[all:vars]'))}`);
      const args = ['--inventory', file, '--forks', '20'];
      const ping = [{ hosts: 'all', gather_facts: false, tasks: [{ 'ansible.builtin.ping': {} }] }];
      const page = join(lab.collection, 'playbooks/fleet.yml');
      const taken = await takeTurns(
        quick ? 1 : 5,
        {
          ping: () => lab.playbook(ping, { args, timeoutSeconds: 900 }),
          fleet: () => lab.run(page, { args: [...args, '-e', 'fleet_fail=false'], timeoutSeconds: 900 }),
        },
        { warm: true },
      );
      const size = (name: string): string => {
        const bytes = readFileSync(join(lab.directory, 'backup-fleet', name)).length;
        return `${(bytes / 1000).toFixed(0)} kB`;
      };
      return {
        tables: [
          {
            columns: [`${count} machines`, 'Median', 'Quartiles', 'Ratio to ping', 'Reach'],
            rows: [
              ['`ansible.builtin.ping`', ...seconds(taken.ping), '1', ''],
              [
                '`rootless.backup.fleet`',
                ...seconds(taken.fleet),
                ...reach(taken.fleet.median / taken.ping.median, limit),
              ],
            ],
          },
        ],
        remarks: [`The page has ${size('fleet.html')}, \`fleet.json\` ${size('fleet.json')}.`],
      };
    } finally {
      await lab.close();
      if (instances !== undefined)
        await run('sysctl', ['--quiet', '--write', `fs.inotify.max_user_instances=${instances}`]);
    }
  },
};
