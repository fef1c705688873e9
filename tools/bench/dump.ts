import { Lab } from '../../tests/lab/lab.ts';
import { dumpChunks } from '../../src/schema/borg-chunks.ts';
import type { Part } from './part.ts';
import { cells, reach, seconds, takeMeteredTurns } from './rounds.ts';
import { change, fill, sql } from './shop.ts';

/** The time of dump and archive, against the method of the article. */
export const dump: Part = {
  title: 'The time of a dump and its archive',
  about: `The database of the part about growth, of which 1 % changes (clustered) before each of five rounds. The method of the article is
\`pg_dump -Fc\` as postgres, then \`borg create\` with lz4 and Borg's own chunks. Ours is the service of the hook itself
(\`backup-postgresql.service\`, with the checksum of each dump, its sandbox, and all other databases of the server, as small as they are), then \`borg create\` as the
engine calls it for dumps. Beside both stands the whole \`backup.service\`: the hook, two archives, two series pruned, and \`compact\`. Both
repositories are of the same encryption; all run as units, and processor time is that of all units of the host, so the server's part
is in it.`,
  settings: '`backup_paths` is one small file, since only dumps are measured; all else is at its default.',
  async measure({ quick }) {
    const lab = await Lab.open();
    try {
      await lab.installCollection();
      const host = await lab.boot({ name: 'bench', debian: 12 });
      const scale = quick ? 0.02 : 1;
      await sql(host, 'postgres', 'CREATE DATABASE clustered');
      await sql(host, 'clustered', `${fill(scale)} VACUUM;`);
      await lab.roles(['borg', 'postgres'], { backup_paths: ['/etc/hostname'] });
      const [credential, base] = ['BORG_PASSCOMMAND=cat /etc/credstore/borg.passphrase', 'BORG_BASE_DIR=/root/bench'];
      const unit = async (...call: string[]): Promise<void> => {
        await host.run(['systemd-run', '--quiet', '--wait', '--pipe', '--collect', ...call], { timeoutSeconds: 600 });
      };
      // As the engine calls it: Borg tests its own parts in the weekly check.
      const untested = (repository: string): string[] =>
        repository === 'ours' ? ['--setenv=BORG_SELFTEST=disabled'] : [];
      const borg = (repository: string, ...call: string[]): Promise<void> =>
        unit(
          ...untested(repository),
          `--setenv=${credential}`,
          `--setenv=${base}`,
          `--setenv=BORG_REPO=/srv/${repository}`,
          '--',
          'borg',
          ...call,
        );
      for (const repository of ['article', 'ours']) await borg(repository, 'init', '--encryption=repokey-blake2');
      await host.run('install -d -o postgres -m 700 /srv/article-dump');
      let round = 0;
      const contestants = {
        article: async () => {
          await unit(
            '--uid=postgres',
            '--',
            'pg_dump',
            '-Fc',
            'clustered',
            '-f',
            '/srv/article-dump/clustered.pg_dump',
          );
          await borg('article', 'create', '--compression=lz4', '--noatime', `::${round}`, '/srv/article-dump');
        },
        ours: async () => {
          await host.run('systemctl start backup-postgresql.service');
          await borg(
            'ours',
            'create',
            '--json',
            '--progress',
            '--list',
            '--filter=dsbcf',
            '--compression=zstd,3',
            '--files-cache=ctime,size,inode',
            `--chunker-params=${dumpChunks.small.params}`,
            `::${round}`,
            '/backup',
          );
        },
        whole: () => host.run('systemctl start backup.service', { timeoutSeconds: 600 }),
        articleDump: () =>
          unit('--uid=postgres', '--', 'pg_dump', '-Fc', 'clustered', '-f', '/srv/article-dump/clustered.pg_dump'),
        oursDump: () => host.run('systemctl start backup-postgresql.service'),
      };
      const before = async (at: number): Promise<void> => {
        round = at;
        await sql(host, 'clustered', change('clustered', at + 1, scale));
      };
      const { taken, metered } = await takeMeteredTurns(quick ? 1 : 5, contestants, {
        before,
        meter: () => host.cpuSeconds(),
      });
      const names: Readonly<Record<keyof typeof contestants, string>> = {
        article: "the article's: `pg_dump -Fc`, `borg create`",
        ours: 'ours: the hook, `borg create`',
        whole: 'the whole of `backup.service`',
        articleDump: 'of it, `pg_dump -Fc` alone',
        oursDump: 'of it, the hook alone',
      };
      const order = ['article', 'articleDump', 'ours', 'oursDump', 'whole'] as const;
      const rows = order.map((key) => {
        const [wall, cpu] = [taken[key].median / taken.article.median, metered[key].median / metered.article.median];
        const text = (value: number, limit: number): [string, string] =>
          key === 'ours' ? reach(value, limit) : [value.toFixed(2), ''];
        return [
          names[key],
          ...seconds(taken[key]),
          ...text(wall, 0.3),
          ...cells(metered[key], (value) => value.toFixed(2), ' s'),
          ...text(cpu, 0.5),
        ];
      });
      return {
        tables: [
          {
            columns: [
              'What',
              'Time',
              'Quartiles',
              'Ratio to the article’s',
              'Reach',
              'Processor time',
              'Quartiles',
              'Ratio to the article’s',
              'Reach',
            ],
            rows,
          },
        ],
        charts: [
          {
            name: 'dump',
            title: 'Dump and archive of a database of 250 MB, of which 1 % changed',
            bars: (['article', 'ours', 'whole'] as const).map((key) => ({
              label: names[key].replaceAll('`', ''),
              value: taken[key].median,
              text: `${(taken[key].median / 1000).toFixed(1)} s`,
              ours: key !== 'article',
            })),
          },
        ],
      };
    } finally {
      await lab.close();
    }
  },
};
