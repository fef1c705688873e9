import { Lab } from '../../tests/lab/lab.ts';
import { mebi, peak } from './memory.ts';
import type { Part } from './part.ts';
import { reach, Rounds, seconds, takeTurns } from './rounds.ts';
import { sql } from './shop.ts';

/** What a server can have: how it is made, by SQL of which each statement is a transaction, and in how many rounds it is saved. */
interface Server {
  readonly what: string;
  readonly make: (quick: boolean) => string;
  readonly rounds: number;
}

const servers: readonly Server[] = [
  {
    what: '1,000 small databases',
    make: (quick) =>
      Array.from(
        { length: quick ? 5 : 1000 },
        (_, n) =>
          `CREATE DATABASE d${n};\n\\connect d${n}\nCREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 1000) n;\n`,
      ).join(''),
    rounds: 3,
  },
  {
    what: 'one database of 10,000 tables',
    make: (quick) =>
      `CREATE DATABASE wide;\n\\connect wide\nSELECT format('CREATE TABLE t%s (id int PRIMARY KEY, note text); INSERT INTO t%s SELECT n, md5(n::text) FROM generate_series(1, 10) n', n, n) FROM generate_series(1, ${quick ? 50 : 10_000}) n\n\\gexec\n`,
    rounds: 3,
  },
  {
    what: 'one database with 5 GB of large objects',
    make: (quick) =>
      `CREATE DATABASE objects;\n\\connect objects\nCREATE TABLE made AS SELECT lo_from_bytea(0, (SELECT string_agg(decode(md5(n || '.' || part), 'hex'), '') FROM generate_series(1, 65536) part)) FROM generate_series(1, ${quick ? 5 : 5000}) n;\n`,
    rounds: 1,
  },
];

/** What a run costs where a server has much of something, against a pipe by hand. */
export const databases: Part = {
  title: 'Servers with many databases, many tables, large objects, against a pipe by hand',
  about: `The service of the hook (\`backup-postgresql.service\`), then \`borg create\` as the engine calls it for dumps, against \`pg_dumpall | borg create\` of root,
with zstd,3 and Borg's own size of chunks, after a first archive of each, in three rounds (of the large objects in one). Nothing changes between
them. Beside both stands the whole \`backup.service\`, which saves files too, prunes two series and compacts. The host's disk is a directory of a
real one. Memory is the peak of what runs beside the server (proportional set size), in a round of its own. A pipe keeps no dump, so a table of it
cannot be had alone, and nothing can be verified before it is loaded; ours needs room for it.`,
  settings: '`backup_paths` is one small file, since only dumps are measured; all else is at its default.',
  async measure({ quick }) {
    const rows: string[][] = [];
    for (const server of servers) rows.push(...(await measureOne(server, quick)));
    return {
      tables: [
        {
          columns: ['What', 'Median', 'Quartiles', 'Ratio', 'Reach', 'Peak memory', 'Ratio', 'Reach', 'Room for dumps'],
          rows,
        },
      ],
    };
  },
};

/** Beside what a repository of its own needs: as the engine calls Borg for dumps. */
const own = `#!/bin/bash
set -o errexit
systemctl start backup-postgresql.service
export BORG_REPO=/srv/own BORG_PASSPHRASE=bench BORG_BASE_DIR=/srv/own.base BORG_SELFTEST=disabled
borg create --json --progress --list --filter=dsbcf --compression=zstd,3 --files-cache=ctime,size,inode \
  --chunker-params="$(< /var/lib/borg/dump-chunker-params)" "::$(date +%FT%T)" /backup > /dev/null 2>&1
`;

const byHand = `#!/bin/bash
set -o errexit -o pipefail
export BORG_REPO=/srv/hand BORG_PASSPHRASE=bench BORG_BASE_DIR=/srv/hand.base
runuser --user=postgres -- pg_dumpall | borg create --compression=zstd,3 "::$(date +%FT%T)" -
`;

async function measureOne({ what, make, rounds }: Server, quick: boolean): Promise<string[][]> {
  const lab = await Lab.open();
  try {
    await lab.installCollection();
    const host = await lab.boot({ name: 'bench', debian: 12, onDisk: true });
    const options = { timeoutSeconds: 3600 };
    await host.run(['psql', '-Xqt', '-v', 'ON_ERROR_STOP=1'], { user: 'postgres', input: make(quick), ...options });
    await sql(host, 'postgres', 'VACUUM');
    await lab.roles(['borg', 'postgres'], { backup_paths: ['/etc/hostname'] });
    for (const [name, script] of Object.entries({ own, hand: byHand })) {
      await host.write(`/usr/local/bin/${name}`, script, '0755');
      await host.run(
        `BORG_PASSPHRASE=bench BORG_BASE_DIR=/srv/${name}.base borg init --encryption repokey-blake2 /srv/${name}`,
      );
    }
    const unit = (name: string) => (): Promise<unknown> =>
      host.run(`systemd-run --quiet --wait --collect --unit=${name}.service /usr/local/bin/${name}`, options);
    const contestants = {
      whole: () => host.run('systemctl start backup.service', options),
      ours: unit('own'),
      hand: unit('hand'),
    };
    const taken = await takeTurns(quick ? 1 : rounds, contestants);
    const memory = {
      whole: new Rounds([await peak(host, ['backup.service', 'backup-postgresql.service'], contestants.whole)]),
      hand: new Rounds([await peak(host, ['hand.service'], contestants.hand)]),
    };
    const room = Number.parseFloat((await host.run('du --bytes --summarize /backup')).stdout);
    return [
      [
        `${what}: the hook, \`borg create\``,
        ...seconds(taken.ours),
        ...reach(taken.ours.median / taken.hand.median, 1.1),
        '',
        '',
        '',
        `${(room / 1e6).toFixed(0)} MB`,
      ],
      [
        `${what}: the whole of \`backup.service\``,
        ...seconds(taken.whole),
        (taken.whole.median / taken.hand.median).toFixed(2),
        '',
        mebi(memory.whole),
        ...reach(memory.whole.median / memory.hand.median, 1.1),
        '',
      ],
      [`${what}: by hand`, ...seconds(taken.hand), '1', '', mebi(memory.hand), '1', '', '0 MB'],
    ];
  } finally {
    await lab.close();
  }
}
