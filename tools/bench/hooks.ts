import { Lab } from '../../tests/lab/lab.ts';
import type { Part } from './part.ts';
import { milliseconds, ratio, reach, takeTurns, type Rounds } from './rounds.ts';

/** Ten hooks that take two seconds each, against the article's way, one after the other, and against one alone. */
export const hooks: Part = {
  title: 'Ten hooks of 2 s',
  about: `\`backup.service\` with ten hooks that take 2 s each, against one with a single such hook, and against ten of which each waits for the one
before, as the article's are. Borg does not run: only what comes before it is measured. Five rounds (of the ten in a row one).`,
  settings:
    '`backup_paths` is one small file, and Borg is not started, since only what comes before it is measured; all else is at its default.',
  async measure({ quick }) {
    const lab = await Lab.open();
    try {
      await lab.installCollection();
      const host = await lab.boot({ name: 'bench', debian: 12 });
      await host.run('useradd --system wiki');
      await lab.roles(['borg'], { backup_paths: ['/etc/hostname'] });
      // Only what comes before Borg is measured.
      await host.write(
        '/etc/systemd/system/backup.service.d/zz-bench.conf',
        '[Service]\nExecStart=\nExecStart=/bin/true\n',
      );
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
      const set = async (state: string, how: (name: string) => object): Promise<void> => {
        await lab.playbook([
          {
            hosts: 'all',
            gather_facts: false,
            tasks: names.map((name) => ({ 'rootless.backup.hook': { name, state, ...how(name) } })),
          },
        ]);
      };
      const start = (): Promise<unknown> => host.run('systemctl start backup.service');
      const hook = { user: 'wiki', command: '/usr/bin/sleep 2' };
      const measured = async (): Promise<Rounds> => (await takeTurns(quick ? 1 : 5, { it: start })).it;
      await set('present', () => hook);
      const ten = await measured();
      await set('present', (name) => ({ ...hook, order: name === 'a' ? [] : [names[names.indexOf(name) - 1]] }));
      const ordered = (await takeTurns(1, { it: start })).it;
      await set('absent', () => ({}));
      await lab.playbook([
        { hosts: 'all', gather_facts: false, tasks: [{ 'rootless.backup.hook': { name: 'a', ...hook } }] },
      ]);
      const one = await measured();
      return {
        tables: [
          {
            columns: ['What', 'Median', 'Quartiles', 'Ratio to one hook', 'Reach'],
            rows: [
              ['one', ...milliseconds(one), '1', ''],
              ['ten', ...milliseconds(ten), ...reach(ten.median / one.median, 1.1)],
              [
                'ten, each told to wait for the one before (`order`)',
                ...milliseconds(ordered),
                ratio(ordered, one),
                '',
              ],
            ],
          },
        ],
        charts: [
          {
            name: 'hooks',
            title: 'From the start of the backup until all hooks are done',
            bars: (
              [
                ['one hook of 2 s', one],
                ['ten hooks of 2 s', ten],
                ['ten, one after the other', ordered],
              ] as const
            ).map(([label, { median }]) => ({
              label,
              value: median,
              text: `${(median / 1000).toFixed(1)} s`,
              ours: label.startsWith('ten hooks'),
            })),
          },
        ],
      };
    } finally {
      await lab.close();
    }
  },
};
