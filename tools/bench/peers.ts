import { Lab } from '../../tests/lab/lab.ts';
import type { Host } from '../../tests/lab/host.ts';
import { clock, clocked } from './clock.ts';
import type { Part } from './part.ts';
import { cells, reach, Rounds, seconds, takeMeteredTurns } from './rounds.ts';
import { change, fill, sql } from './shop.ts';

const calls = ['`create` of files', '`create` of dumps', '`prune` of files', '`prune` of dumps', '`compact`'] as const;
/** What each of the others is called, where it keeps what it saves, and how many days, weeks and months. */
const repositories = {
  ours: '/var/lib/borg/repository',
  borgmatic: '/srv/repositories/borgmatic',
  article: '/srv/repositories/article',
  restic: '/srv/repositories/restic',
} as const;
type Name = keyof typeof repositories;
const names = Object.keys(repositories) as Name[];

const borgmatic = `source_directories: [/srv/tree]
repositories: [{path: ${repositories.borgmatic}}]
encryption_passphrase: bench
keep_daily: 30
keep_weekly: 12
keep_monthly: 12
postgresql_databases: [{name: all, format: custom}]
`;

/** What the article's two services do, one after the other. */
const article = `#!/bin/bash
set -o errexit
export BORG_REPO=${repositories.article} BORG_PASSPHRASE=bench BORG_BASE_DIR=/srv/repositories/article.base
runuser --user=postgres -- pg_dump --format=custom clustered > /srv/dumps/article/clustered
borg create --verbose --stats --compression=lz4 --noatime "::bench-$(date +%FT%T)" /srv/tree /srv/dumps/article
borg check --verbose
borg prune --verbose --list --glob-archives='bench-*' --keep-daily=30 --keep-weekly=12 --keep-monthly=12
`;

/** A plain script, with a clock between its steps. */
const restic = `#!/bin/bash
set -o errexit
export RESTIC_REPOSITORY=${repositories.restic} RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=/srv/repositories/restic.cache
echo $EPOCHREALTIME > /srv/repositories/restic.steps
step() { echo $EPOCHREALTIME >> /srv/repositories/restic.steps; }
runuser --user=postgres -- pg_dump --format=custom --compress=0 clustered > /srv/dumps/restic/clustered; step
restic backup --quiet /srv/tree /srv/dumps/restic; step
restic forget --quiet --keep-daily=30 --keep-weekly=12 --keep-monthly=12 --prune; step
`;

/** The whole run, against what people use instead. */
export const peers: Part = {
  title: 'A whole run, against what people use instead',
  releases: [13],
  about: `\`backup.service\` with roles \`borg\` and \`postgres\`, against Debian's borgmatic with its hook for PostgreSQL (all databases), a plain
script with restic (\`pg_dump -Fc -Z0\`, \`backup\`, \`forget --prune\`), and what the article's two services do (\`pg_dump -Fc\`, \`create\`,
\`check\`, \`prune\`). The others run as root, in no sandbox, each as a unit of its own. They are told what to save, where to, and to keep what
ours keeps by default (30 days, 12 weeks, 12 months), and are otherwise as they come; repositories of Borg are \`repokey-blake2\`. There are
50,000 files, and the database of the part about growth, of which 1 % changes (clustered) before each of five rounds. Processor time is
that of all units of the host. The bytes of a day are those that the directory of the repository grew by from round to round.`,
  settings: '`backup_paths` is the tree of files that is measured; all else is at its default.',
  async measure({ quick }) {
    const lab = await Lab.open();
    try {
      await lab.installCollection();
      const host = await lab.boot({ name: 'bench', debian: 13 });
      await host.powerOff();
      await host.rescue(
        'apt-get update --quiet=2; apt-get install --quiet=2 --yes --no-install-recommends borgmatic restic; apt-get clean',
        { timeoutSeconds: 600 },
      );
      await host.boot();
      await host.run(`python3 -c 'import os
for d in range(${quick ? 10 : 500}):
    os.makedirs("/srv/tree/%d" % d)
    for f in range(100):
        with open("/srv/tree/%d/%d" % (d, f), "w") as file: file.write("%d %d " % (d, f) * (f + 1))'`);
      const scale = quick ? 0.02 : 1;
      await sql(host, 'postgres', 'CREATE ROLE root SUPERUSER LOGIN');
      await sql(host, 'postgres', 'CREATE DATABASE clustered');
      await sql(host, 'clustered', `${fill(scale)} VACUUM;`);
      await lab.roles(['borg', 'postgres'], { backup_paths: ['/srv/tree'] });
      await prepare(host);
      const unit = (...call: string[]): Promise<unknown> =>
        host.run(['systemd-run', '--quiet', '--wait', '--collect', '--setenv=HOME=/root', ...call], {
          timeoutSeconds: 600,
        });
      const ours = (): Promise<unknown> => host.run('systemctl start backup.service', { timeoutSeconds: 600 });
      const contestants: Record<Name, () => Promise<unknown>> = {
        ours,
        borgmatic: () => unit('borgmatic'),
        article: () => unit('/usr/local/bin/article'),
        restic: () => unit('/usr/local/bin/with-restic'),
      };
      const sizes: Record<Name, number>[] = [];
      const before = async (round: number): Promise<void> => {
        sizes.push(await weigh(host));
        await sql(host, 'clustered', change('clustered', round + 1, scale));
      };
      const rounds = quick ? 1 : 5;
      const { taken, metered } = await takeMeteredTurns(rounds, contestants, {
        before,
        meter: () => host.cpuSeconds(),
      });
      sizes.push(await weigh(host));
      // The first difference is the first backup of all.
      const grown = (name: Name): Rounds =>
        new Rounds(sizes.slice(2).map((size, index) => size[name] - (sizes[index + 1]?.[name] ?? Number.NaN)));
      const split = await steps(host, quick ? 1 : 3, contestants, async (round) => {
        await sql(host, 'clustered', change('clustered', rounds + 2 + round, scale));
      });
      const titles: Readonly<Record<Name, string>> = {
        ours: 'ours: `backup.service`',
        borgmatic: 'borgmatic',
        article: 'the article’s',
        restic: 'restic',
      };
      return {
        tables: [
          {
            columns: ['What', 'Time', 'Quartiles', 'Ratio to borgmatic’s', 'Reach', 'Processor time', 'Quartiles'],
            rows: names.map((name) => {
              const value = taken[name].median / taken.borgmatic.median;
              return [
                titles[name],
                ...seconds(taken[name]),
                ...(name === 'ours' ? reach(value, 0.8) : [value.toFixed(2), '']),
                ...cells(metered[name], (each) => each.toFixed(2), ' s'),
              ];
            }),
          },
          {
            columns: ['What', 'New bytes a day', 'Quartiles', 'Ratio to the article’s', 'Reach'],
            rows: names.map((name) => {
              const value = grown(name).median / grown('article').median;
              return [
                titles[name],
                ...cells(grown(name), (each) => (each / 1e6).toFixed(2), ' MB'),
                ...(name === 'ours' ? reach(value, 0.02, 3) : [value.toFixed(3), '']),
              ];
            }),
          },
          { columns: ['Where the time of a run goes', 'Ours', 'Restic’s'], rows: split },
        ],
        charts: [
          {
            name: 'peers',
            title: 'A whole run: 50,000 files, and a database of 250 MB of which 1 % changed',
            bars: names.map((name) => ({
              label: titles[name].replaceAll('`', ''),
              value: taken[name].median,
              text: `${(taken[name].median / 1000).toFixed(1)} s`,
              ours: name === 'ours',
            })),
          },
        ],
      };
    } finally {
      await lab.close();
    }
  },
};

/** Lays down what the others need, and their repositories. */
async function prepare(host: Host): Promise<void> {
  await host.write('/etc/borgmatic/config.yaml', borgmatic, '0600');
  await host.write('/usr/local/bin/article', article, '0755');
  await host.write('/usr/local/bin/with-restic', restic, '0755');
  await host.run(`set -e
    mkdir -p /srv/repositories /srv/dumps/article /srv/dumps/restic
    borgmatic repo-create --encryption repokey-blake2
    BORG_PASSPHRASE=bench BORG_BASE_DIR=/srv/repositories/article.base borg init --encryption repokey-blake2 ${repositories.article}
    RESTIC_PASSWORD=bench restic --repo ${repositories.restic} init --quiet`);
}

/** How many bytes each repository has. */
async function weigh(host: Host): Promise<Record<Name, number>> {
  const { stdout } = await host.run(['du', '--bytes', '--summarize', ...names.map((name) => repositories[name])]);
  const found = stdout.trim().split('\n').map(Number.parseFloat);
  return Object.fromEntries(names.map((name, index) => [name, found[index] ?? Number.NaN])) as Record<Name, number>;
}

/** Where the time goes, in rounds of their own: the rows of a table. */
async function steps(
  host: Host,
  rounds: number,
  contestants: Readonly<Record<Name, () => Promise<unknown>>>,
  before: (round: number) => Promise<void>,
): Promise<string[][]> {
  const path = '/usr/local/bench:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  await host.write('/usr/local/bench/borg', clock, '0755');
  await host.write('/etc/systemd/system/backup.service.d/zz-bench.conf', `[Service]\nEnvironment=PATH=${path}\n`);
  await host.run('systemctl daemon-reload');
  const rows: (readonly [what: string, ours: number[], restics: number[]])[] = [
    ['the dump', [], []],
    ['files', [], []],
    ['dumps, in an archive of their own', [], []],
    ['what is too old is forgotten, and its room given back', [], []],
    ['the rest: units, sandboxes, what was promised is proven', [], []],
  ];
  for (let round = 0; round < rounds; round++) {
    await before(round);
    const { begun, ended, calls: at } = await clocked(host, calls, contestants.ours);
    const each = at.map(([from, to]) => to - from);
    const times = await host.run(
      'systemctl show --property=ExecMainStartTimestampMonotonic --property=ExecMainExitTimestampMonotonic --value backup-postgresql.service',
    );
    const [from = 0, to = 0] = times.stdout.trim().split('\n').map(Number);
    const mine = [(to - from) / 1000, each[0] ?? 0, each[1] ?? 0, each.slice(2).reduce((sum, one) => sum + one, 0)];
    const restBegun = Date.now();
    await contestants.restic();
    const restEnded = Date.now();
    const marks = (await host.read('/srv/repositories/restic.steps'))
      .trim()
      .split('\n')
      .map((line) => Number(line) * 1000);
    const theirs = marks.slice(1).map((mark, index) => mark - (marks[index] ?? Number.NaN));
    const sum = (values: readonly number[]): number => values.reduce((one, other) => one + other, 0);
    const [dump = 0, files = 0, forget = 0] = theirs;
    [...mine, ended - begun - sum(mine)].forEach((value, index) => rows[index]?.[1].push(value));
    [dump, files, Number.NaN, forget, restEnded - restBegun - sum(theirs)].forEach((value, index) =>
      rows[index]?.[2].push(value),
    );
  }
  const text = (values: readonly number[]): string => {
    const { median } = new Rounds(values);
    return Number.isNaN(median) ? 'with the files' : `${median.toFixed(0)} ms`;
  };
  return rows.map(([what, ours, restics]) => [what, text(ours), text(restics)]);
}
