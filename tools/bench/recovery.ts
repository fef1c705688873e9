import { Lab } from '../../tests/lab/lab.ts';
import { serverPackages } from '../../tests/lab/root.ts';
import { peak } from './memory.ts';
import type { Part } from './part.ts';
import { cells, Rounds } from './rounds.ts';
import { fill, sql } from './shop.ts';

/** MariaDB as Debian's package makes it, empty. */
const serve =
  'mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket > /dev/null && systemctl start mariadb';

/** The parts that the playbook tells the time of, in its order. */
export const parts = ['set up', 'users', 'packages', 'files', 'beside', 'services', 'databases', 'comparison'] as const;

/** How many seconds each part took, by what the playbook said at its end. @throws if it said nothing of one. */
export function timesOf(said: string): Record<(typeof parts)[number] | 'all of it', number> {
  const found = [...parts, 'all of it' as const].map((part) => {
    const [, text] = new RegExp(`"${part}: ([^"]+)"`).exec(said) ?? [];
    if (text === undefined) throw new Error(`the playbook did not tell how long "${part}" took:\n${said}`);
    return [
      part,
      text
        .split(', ')
        .map(seconds)
        .reduce((sum, each) => sum + each, 0),
    ] as const;
  });
  return Object.fromEntries(found) as ReturnType<typeof timesOf>;
}

/** `12.3 s`, or `H:MM:SS.ffffff`. */
const seconds = (text: string): number =>
  text.endsWith(' s') ? Number(text.slice(0, -2)) : text.split(':').reduce((sum, each) => sum * 60 + Number(each), 0);

/** `rootless.backup.restore`, part by part. */
export const recovery: Part = {
  title: 'A lost machine, until all of it is back',
  about: `A server with ${serverPackages.length} packages and their services, 20,000 files of 20 kB in homes, the database of the part about growth in PostgreSQL and
a small one in MariaDB is saved to a repository on a server, and lost. On a new machine of the same release, on which PostgreSQL and MariaDB are
installed and empty, \`rootless.backup.restore\` runs with \`restore_packages=true\`, from packages that lie there already, in five rounds, each on another new machine. The times are those that
it tells at its end.`,
  settings:
    '`borg_repositories` is one on a server, so that it outlives the machine, with its key in `borg_known_hosts`; `restore_packages` is `true`; `backup_mail_to` is empty, since the host has no mail server; all else is at its default.',
  async measure({ quick }) {
    const lab = await Lab.open();
    try {
      await lab.installCollection();
      const store = await lab.boot({ name: 'store', debian: 12 });
      await store.run('useradd --create-home --shell /bin/bash store && install -d -o store -m 700 ~store/.ssh');
      let host = await lab.boot({ name: 'bench', debian: 12, server: true });
      const install = `DEBIAN_FRONTEND=noninteractive apt-get install -q=2 --yes --no-install-recommends --no-download ${serverPackages.join(' ')}`;
      await host.run(`${install} > /dev/null`, { timeoutSeconds: 600 });
      await host.run(`useradd --create-home alice && runuser -u alice -- python3 -c 'import os
for d in range(${quick ? 2 : 200}):
    os.makedirs("/home/alice/tree/%d" % d)
    for f in range(100):
        with open("/home/alice/tree/%d/%d" % (d, f), "wb") as file: file.write(os.urandom(10_000) * 2)'`);
      await sql(host, 'postgres', 'CREATE DATABASE shop');
      await sql(host, 'shop', `${fill(quick ? 0.02 : 1)} VACUUM;`);
      await host.run(`${serve} && mariadb -e 'CREATE DATABASE stock; CREATE TABLE stock.item AS SELECT 7 AS n'`);
      const settings = {
        borg_repositories: ['ssh://store@store/./bench'],
        borg_known_hosts: [`store ${store.hostKey.split(' ').slice(0, 2).join(' ')}`],
        backup_mail_to: [],
      };
      const only = ['--limit', 'bench'];
      await lab.roles(['borg'], settings, { args: only, mayFail: true });
      await store.write('/home/store/.ssh/authorized_keys', await host.read('/etc/credstore/borg.ssh-key.pub'));
      await lab.roles(['borg', 'postgres', 'mariadb'], settings, { args: only });
      await host.run('systemctl start backup.service', { timeoutSeconds: 600 });
      await store.run('cp -a ~store/bench ~store/at-the-loss');
      const found: ReturnType<typeof timesOf>[] = [];
      for (let round = 0; round < (quick ? 1 : 5); round++) {
        await lab.forget(host);
        await store.run('rm -r ~store/bench; cp -a ~store/at-the-loss ~store/bench');
        host = await lab.boot({ name: 'bench', debian: 12, server: true });
        await host.run(serve);
        const vars = { restore_host: 'bench', restore_packages: true, ...settings };
        const { stdout } = await lab.run(`${lab.collection}/playbooks/restore.yml`, {
          args: ['--extra-vars', JSON.stringify(vars)],
          timeoutSeconds: 1200,
        });
        found.push(timesOf(stdout));
      }
      const compare = 'systemd-run --quiet --wait --pipe --unit=bench-compare backupctl compare';
      const memory = await peak(host, ['backup-items-', 'bench-compare'], () =>
        host.run(`${compare} > /run/compared`, { mayFail: true }),
      );
      const things = (await host.run("awk '$3 ~ /^[0-9]+/ {n += $3} END {print n}' /run/compared")).stdout.trim();
      const row = (part: (typeof parts)[number] | 'all of it'): string[] => [
        part,
        ...cells(new Rounds(found.map((each) => each[part])), (value) => value.toFixed(1), ' s'),
      ];
      return {
        tables: [{ columns: ['Part', 'Median', 'Quartiles'], rows: [...parts.map(row), row('all of it')] }],
        remarks: [
          `\`backupctl compare\` goes through the archive thing by thing and keeps none of it: of ${things} things it, and Borg with it, had at most ${(memory / 1024).toFixed(0)} MiB together.`,
        ],
      };
    } finally {
      await lab.close();
    }
  },
};
