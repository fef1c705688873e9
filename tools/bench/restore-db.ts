import { Lab } from '../../tests/lab/lab.ts';
import { releases, type Release } from '../../tests/lab/root.ts';
import type { Part } from './part.ts';
import { reach, seconds, takeTurns } from './rounds.ts';
import { fill, sql } from './shop.ts';

/** `backupctl restore-db` against a pipe by hand. */
export const restoreDatabase: Part = {
  title: 'Restoring a database, against a pipe by hand',
  about: `The database of the part about growth, and one with four times its rows, from the archive into a new database, in nine rounds: by
\`backupctl restore-db\`, and by \`borg extract --stdout\` of root piped into \`pg_restore\` of postgres. Ours takes the dump out first, holds it to its
manifest (sizes, SHA-256) before the first byte is loaded, and then loads it with as many jobs as there are processors, up to four; a pipe can have one.
What it costs beside (two units, their programs, their logs) does not grow with the database. Before each turn 3 GB are written and removed again: a
virtual machine whose host takes back what is free would else let the one pay for memory that the other left or did not leave. What memory costs that
nobody has used before is not in the figures of either; it would be more for ours, which keeps the dump.`,
  settings: '`backup_paths` is one small file, since only dumps are measured; all else is at its default.',
  releases,
  async measure({ quick }) {
    const rows: string[][] = [];
    for (const debian of releases) rows.push(...(await measureOn(debian, quick)));
    return { tables: [{ columns: ['What', 'Median', 'Quartiles', 'Ratio', 'Reach'], rows }] };
  },
};

/** The rows of one release of Debian: each has its own PostgreSQL and Borg. */
async function measureOn(debian: Release, quick: boolean): Promise<string[][]> {
  const lab = await Lab.open();
  try {
    await lab.installCollection();
    const host = await lab.boot({ name: 'bench', debian });
    const databases = { shop: quick ? 0.02 : 1, large: quick ? 0.04 : 4 };
    for (const [name, scale] of Object.entries(databases)) {
      await sql(host, 'postgres', `CREATE DATABASE ${name}`);
      await sql(host, name, `${fill(scale)} VACUUM;`);
    }
    await lab.roles(['borg', 'postgres'], { backup_paths: ['/etc/hostname'] });
    await host.run('systemctl start backup.service', { timeoutSeconds: 300 });
    const archive = (await host.run("backup-borg list --format '{archive}{NL}' | grep dumps")).stdout.trim();
    await host.run('cp -a /var/lib/borg/repository /var/lib/bare; chown -R root: /var/lib/bare');
    const environment =
      "BORG_PASSCOMMAND='cat /etc/credstore/borg.passphrase' BORG_BASE_DIR=/root/bare BORG_RELOCATED_REPO_ACCESS_IS_OK=yes LANG=C.UTF-8";
    const options = { timeoutSeconds: 300 };
    const rows: string[][] = [];
    for (const name of Object.keys(databases)) {
      const dump = (await host.run(`ls /backup/postgresql/*/${name}.dump`)).stdout.trim().slice(1);
      const megabytes = (Number((await host.run(['stat', '--format=%s', `/${dump}`])).stdout) / 1e6).toFixed(0);
      const taken = await takeTurns(
        quick ? 1 : 9,
        {
          ours: () =>
            host.run(['backupctl', 'restore-db', '--archive', archive, '--into', 'again', 'postgresql', name], options),
          pipe: () =>
            host.run(
              `runuser -u postgres -- createdb again && ${environment} borg extract --stdout /var/lib/bare::${archive} ${dump} | runuser -u postgres -- pg_restore --exit-on-error --dbname=again`,
              options,
            ),
        },
        {
          beforeEach: async () => {
            await sql(host, 'postgres', 'DROP DATABASE IF EXISTS again; CHECKPOINT');
            await host.run(`head -c ${quick ? '100M' : '3G'} /dev/zero > /var/tmp/memory; rm /var/tmp/memory`, options);
          },
        },
      );
      rows.push(
        [
          `Debian ${debian}, ${megabytes} MB: \`backupctl restore-db\``,
          ...seconds(taken.ours),
          ...reach(taken.ours.median / taken.pipe.median, 1.1),
        ],
        [
          `Debian ${debian}, ${megabytes} MB: \`borg extract --stdout\` piped into \`pg_restore\``,
          ...seconds(taken.pipe),
          '1',
          '',
        ],
      );
    }
    return rows;
  } finally {
    await lab.close();
  }
}
