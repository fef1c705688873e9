import { Lab } from '../../tests/lab/lab.ts';
import type { Host } from '../../tests/lab/host.ts';
import { clock, clocked } from './clock.ts';
import { mebi, peak } from './memory.ts';
import type { Part } from './part.ts';
import { milliseconds, reach, Rounds, seconds, takeTurns } from './rounds.ts';

/** Stands in for Borg, and notes how it is called: a line each, for bash. */
const recorder = `#!/bin/bash
{
  printf 'BORG_FILES_CACHE_SUFFIX=%q borg' "$BORG_FILES_CACHE_SUFFIX"
  printf ' %q' "$@"
  echo
} >> /var/lib/borg/bench-calls
exec /usr/bin/borg "$@"
`;

const calls = ['`create` of files', '`create` of dumps', '`prune` of files', '`prune` of dumps', '`compact`'] as const;

/** A host with files, on which `backup.service` and scripts of root that call Borg as the engine does save the same. */
interface Stage {
  readonly host: Host;
  readonly ours: () => Promise<unknown>;
}

/** With a clock or a recorder in its place Borg is found here first. */
const path = '/usr/local/bench:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

async function withBorg(host: Host, program: string): Promise<void> {
  await host.write('/usr/local/bench/borg', program, '0755');
  await host.write('/etc/systemd/system/backup.service.d/zz-bench.conf', `[Service]\nEnvironment=PATH=${path}\n`);
  await host.run('systemctl daemon-reload');
}

/** Boots a host with a hundred files in each of so many directories. `scripts`: which of the calls each makes, by its name. */
async function stage(
  lab: Lab,
  directories: number,
  scripts: Readonly<Record<string, (called: readonly string[]) => readonly string[]>>,
): Promise<Stage> {
  await lab.installCollection();
  const host = await lab.boot({ name: 'bench', debian: 12 });
  await host.run(
    `python3 -c 'import os
for d in range(${directories}):
    os.makedirs("/srv/tree/%d" % d)
    for f in range(100):
        with open("/srv/tree/%d/%d" % (d, f), "w") as file: file.write("%d %d " % (d, f) * (f + 1))'`,
    { timeoutSeconds: 1200 },
  );
  await lab.roles(['borg'], { backup_paths: ['/srv/tree'] });
  const ours = (): Promise<unknown> => host.run('systemctl start backup.service', { timeoutSeconds: 3600 });
  // What the engine calls is written down once, and called again by root: so the options are the same.
  await withBorg(host, recorder);
  await ours();
  await host.run('rm /etc/systemd/system/backup.service.d/zz-bench.conf && systemctl daemon-reload');
  const called = (await host.read('/var/lib/borg/bench-calls')).trim().split('\n');
  if (called.length !== calls.length)
    throw new Error(`Borg was called ${called.length} times, and ${calls.length} are known: ${calls.join(', ')}`);
  for (const [repository, which] of Object.entries(scripts)) {
    await host.write(
      `/usr/local/bin/${repository}`,
      `#!/bin/bash
set -o errexit
export BORG_REPO=/var/lib/${repository} BORG_HOST_ID=bench BORG_BASE_DIR=/var/lib/${repository}.base LANG=C.UTF-8 BORG_PASSCOMMAND='cat /etc/credstore/borg.passphrase'
now=$(date --utc +%FT%H:%M:%SZ)
{
${which(called)
  .map((call) => call.replace(/\S+::(\S+-(?:files|dumps)-)\S+Z(?= )/, '::$1$now'))
  .join('\n')}
} > /dev/null 2>&1
`,
      '0755',
    );
    await host.run(
      `BORG_PASSCOMMAND='cat /etc/credstore/borg.passphrase' BORG_BASE_DIR=/var/lib/${repository}.base borg init --encryption repokey-blake2 /var/lib/${repository}`,
    );
  }
  return { host, ours };
}

/** The peaks of memory of `backup.service` and of the script `bare`, in rounds of their own. */
async function peaks({ host, ours }: Stage, rounds: number): Promise<Record<'ours' | 'bare', Rounds>> {
  const memory = { ours: [] as number[], bare: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    memory.ours.push(await peak(host, ['backup.service'], ours));
    memory.bare.push(
      await peak(host, ['bare.service'], () =>
        host.run('systemd-run --quiet --wait --collect --unit=bare.service /usr/local/bin/bare', {
          timeoutSeconds: 3600,
        }),
      ),
    );
  }
  return { ours: new Rounds(memory.ours), bare: new Rounds(memory.bare) };
}

/** `backup.service` on files that did not change, against bare Borg as root with the same options. */
export const overhead: Part = {
  title: 'A backup of 50,000 unchanged files, against bare Borg as root',
  about: `\`systemctl start backup.service\` against a script of root, in nine rounds. The script does what the engine does, in the same five calls
with the same options, which are written down as the engine calls: an archive of the files, one of \`/backup\`, \`prune\` of both series and
\`compact\`. A second script makes one archive of the files only, and prunes and compacts once (three calls): that is what two series
cost. A third is the first one as the user \`borg\` with \`CAP_DAC_READ_SEARCH\`, in no sandbox: that is what it costs not to be root.
Memory is the peak of all processes of the unit together (proportional set size, looked at a hundred times a second), in three rounds of
their own.`,
  settings: '`backup_paths` is the tree of files that is measured; all else is at its default.',
  async measure({ quick }) {
    const lab = await Lab.open();
    try {
      const staged = await stage(lab, quick ? 10 : 500, {
        bare: (called) => called,
        capable: (called) => called,
        single: ([files = '', , pruneFiles = '', , compact = '']) => [files, pruneFiles, compact],
      });
      const { host, ours } = staged;
      await host.run('chown -R borg: /var/lib/capable /var/lib/capable.base');
      const capable = [
        'setpriv',
        '--reuid=borg',
        '--regid=borg',
        '--clear-groups',
        '--inh-caps=+dac_read_search',
        '--ambient-caps=+dac_read_search',
        '/usr/local/bin/capable',
      ];
      const taken = await takeTurns(quick ? 1 : 9, {
        ours,
        bare: () => host.run(['/usr/local/bin/bare']),
        capable: () => host.run(capable),
        single: () => host.run(['/usr/local/bin/single']),
      });

      const { ours: mine, bare: theirs } = await peaks(staged, quick ? 1 : 3);

      // Where the time goes: the same once more, with a clock at each call of Borg.
      await withBorg(host, clock);
      const split = { ours: [] as number[][], bare: [] as number[][] };
      for (let round = 0; round < (quick ? 1 : 5); round++) {
        split.ours.push(await parts(host, ours));
        split.bare.push(await parts(host, () => host.run(['env', `PATH=${path}`, '/usr/local/bin/bare'])));
      }
      const at = (which: keyof typeof split, column: number): number =>
        new Rounds(split[which].map((row) => row[column] ?? Number.NaN)).median;
      const [head, gaps, tail] = [calls.length, calls.length + 1, calls.length + 2];
      const rest: readonly (readonly [string, number])[] = [
        ['before the first call (unit and sandbox; Python)', head],
        ['between the calls (judging what Borg said, proving completeness)', gaps],
        ['after the last call (`/backup.last`, the end of the unit)', tail],
      ];
      const milli = (value: number): string => `${value.toFixed(0)} ms`;
      const difference = [...calls.map((what, index) => [what, index] as const), ...rest].map(([what, column]) => [
        what,
        milli(at('ours', column)),
        milli(at('bare', column)),
        milli(at('ours', column) - at('bare', column)),
      ]);
      return {
        tables: [
          {
            columns: ['What', 'Median', 'Quartiles', 'Ratio', 'Reach', 'Peak memory', 'Ratio', 'Reach'],
            rows: [
              [
                '`systemctl start backup.service`',
                ...milliseconds(taken.ours),
                ...reach(taken.ours.median / taken.bare.median, 1.05),
                mebi(mine),
                ...reach(mine.median / theirs.median, 1.05),
              ],
              ['the same five calls as root', ...milliseconds(taken.bare), '1', '', mebi(theirs), '1', ''],
              [
                'the same as `borg` with its capability, in no sandbox',
                ...milliseconds(taken.capable),
                (taken.capable.median / taken.bare.median).toFixed(2),
                '',
                '',
                '',
                '',
              ],
              [
                'one archive, three calls, as root',
                ...milliseconds(taken.single),
                (taken.single.median / taken.bare.median).toFixed(2),
                '',
                '',
                '',
                '',
              ],
            ],
          },
          { columns: ['Where the time goes', 'Ours', 'Bare', 'Difference'], rows: difference },
        ],
        charts: [
          {
            name: 'overhead',
            title: 'A backup of 50,000 unchanged files',
            bars: (
              [
                ['backup.service', 'ours'],
                ['the same five calls as root', 'bare'],
                ['the same as borg', 'capable'],
                ['one archive, three calls, as root', 'single'],
              ] as const
            ).map(([label, key]) => ({
              label,
              value: taken[key].median,
              text: milli(taken[key].median),
              ours: key === 'ours',
            })),
          },
        ],
        remarks: [
          'The second table is of rounds of their own (five), in which a clock stands before each call of Borg and costs some milliseconds each time, with both alike. The unit runs with `Nice=10`: whatever else the machine does delays it more than the script.',
          'Bare Borg as `borg` (third row) pays for each file: it asks to leave its access time as it is (`O_NOATIME`), which the kernel grants only to the owner and to who has `CAP_FOWNER` (open(2)); then it opens the file once more without. `backup-borg` has it not ask.',
          'Bare Borg tests its own parts each time it starts. `backup-borg` has it do so in the weekly check, and not in these calls.',
          'Of the sandbox it is `RestrictSUIDSGID=` that is felt: it looks at the mode of every open(2), so the kernel asks all filters each time instead of remembering that a call is allowed. It stays too.',
        ],
      };
    } finally {
      await lab.close();
    }
  },
};

/** The same with as many files as a large host has. */
export const million: Part = {
  title: 'A backup of 1,000,000 unchanged files, against bare Borg as root',
  about: `As in the part before, in three rounds; memory in one.`,
  settings: '`backup_paths` is the tree of files that is measured; all else is at its default.',
  async measure({ quick }) {
    const lab = await Lab.open();
    try {
      const staged = await stage(lab, quick ? 10 : 10_000, { bare: (called) => called });
      const { host, ours } = staged;
      const bare = (): Promise<unknown> => host.run(['/usr/local/bin/bare'], { timeoutSeconds: 3600 });
      // The first archive of all, which `ours` has made already.
      await bare();
      const taken = await takeTurns(quick ? 1 : 3, { ours, bare }, { warm: true });
      const memory = await peaks(staged, 1);
      return {
        tables: [
          {
            columns: ['What', 'Median', 'Quartiles', 'Ratio', 'Reach', 'Peak memory', 'Ratio', 'Reach'],
            rows: [
              [
                '`systemctl start backup.service`',
                ...seconds(taken.ours),
                ...reach(taken.ours.median / taken.bare.median, 1.1),
                mebi(memory.ours),
                ...reach(memory.ours.median / memory.bare.median, 1.1),
              ],
              ['the same five calls as root', ...seconds(taken.bare), '1', '', mebi(memory.bare), '1', ''],
            ],
          },
        ],
      };
    } finally {
      await lab.close();
    }
  },
};

/** The milliseconds of each call of Borg, then those before the first, between them all, and after the last. */
async function parts(host: Host, work: () => Promise<unknown>): Promise<number[]> {
  const { begun, ended, calls: times } = await clocked(host, calls, work);
  const [first, last] = [times[0]?.[0] ?? begun, times.at(-1)?.[1] ?? ended];
  const each = times.map(([from, to]) => to - from);
  return [...each, first - begun, last - first - each.reduce((sum, one) => sum + one, 0), ended - last];
}
