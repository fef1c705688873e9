import { Lab } from '../../tests/lab/lab.ts';
import type { Host } from '../../tests/lab/host.ts';
import { dumpChunks } from '../../src/schema/borg-chunks.ts';
import { cost } from './cost.ts';
import type { Part } from './part.ts';
import { cells, reach, Rounds } from './rounds.ts';
import { change, fill, inOrder, sql, type Way } from './shop.ts';

const physicalPort = 5433;
const firstDays = 4;

/** A way to save the database: what is written, from which database, and how Borg takes it. */
interface Method {
  readonly what: string;
  /** The database to dump is this one and not that of the way. */
  readonly database?: string;
  /** SQL that comes first and counts. */
  readonly first?: string;
  /** The program that writes to `to`. */
  readonly write: (database: string, to: string) => readonly string[];
  readonly borg: readonly string[];
}

const custom =
  (...options: string[]) =>
  (database: string, to: string): readonly string[] => [
    'pg_dump',
    '--format=custom',
    ...options,
    '--file',
    to,
    database,
  ];
const uncompressed = custom('--compress=0');
const chunked = (params: string): readonly string[] => ['--compression=zstd,3', `--chunker-params=${params}`];
const directory = (database: string, to: string): readonly string[] => [
  'pg_dump',
  '--format=directory',
  '--compress=0',
  '--file',
  to,
  database,
];
const small = 'buzhash,10,16,12,4095';
const middle = 'buzhash,14,22,17,4095';
const whole = (_: string, to: string): readonly string[] => [
  'pg_basebackup',
  `--port=${physicalPort}`,
  '--format=plain',
  '--checkpoint=fast',
  `--pgdata=${to}`,
];

const methods = (): Readonly<Record<string, Method>> => ({
  ours: {
    what: `ours: \`-Fc -Z0\`, zstd,3, \`${dumpChunks.small.params}\``,
    write: uncompressed,
    borg: chunked(dumpChunks.small.params),
  },
  article: { what: "the article's: `-Fc`, lz4, Borg's chunks", write: custom(), borg: ['--compression=lz4'] },
  plain: { what: "`-Fc -Z0`, zstd,3, Borg's chunks", write: uncompressed, borg: ['--compression=zstd,3'] },
  tables: {
    what: 'a file a table: `-Fd -Z0`, zstd,3, our chunks',
    write: directory,
    borg: chunked(dumpChunks.small.params),
  },
});

/** What else could help where changes are scattered; seen for fewer days, since there one is like the other. */
const more = (): Readonly<Record<string, Method>> => ({
  harder: {
    what: 'compressed harder: zstd,10, our chunks',
    write: uncompressed,
    borg: ['--compression=zstd,10', `--chunker-params=${dumpChunks.small.params}`],
  },
  middle: { what: `larger chunks: \`${middle}\``, write: uncompressed, borg: chunked(middle) },
  small: { what: `smaller chunks: \`${small}\``, write: uncompressed, borg: chunked(small) },
  tablesHarder: {
    what: 'a file a table, zstd,10, our chunks',
    write: directory,
    borg: ['--compression=zstd,10', `--chunker-params=${dumpChunks.small.params}`],
  },
  ordered: {
    what: 'rows in order (`CLUSTER`), our chunks',
    database: 'ordered',
    first: inOrder,
    write: uncompressed,
    borg: chunked(dumpChunks.small.params),
  },
  orderedSmall: {
    what: `rows in order (\`CLUSTER\`), \`${small}\``,
    database: 'ordered',
    first: inOrder,
    write: uncompressed,
    borg: chunked(small),
  },
  physical: {
    what: 'the data directory: `pg_basebackup -Fp`, our chunks',
    write: whole,
    borg: chunked(dumpChunks.small.params),
  },
  pages: { what: 'the data directory, `fixed,8192` (a chunk a page)', write: whole, borg: chunked('fixed,8192') },
});

/** What a method cost: bytes new in the repository each day, and the rest. */
interface Growth {
  readonly daily: Rounds;
  readonly total: number;
  readonly peak: number;
  readonly write: Rounds;
  readonly create: Rounds;
}

/** Ten days of one way, saved by each of the methods, which take turns. */
async function live(
  host: Host,
  way: Way,
  always: Readonly<Record<string, Method>>,
  scale: number,
  days: number,
  atFirst: Readonly<Record<string, Method>> = {},
): Promise<Record<string, Growth>> {
  const chosen = { ...always, ...atFirst };
  const daily = new Map<string, number[]>();
  const times = { write: new Map<string, number[]>(), create: new Map<string, number[]>() };
  const peak = new Map<string, number>();
  const size = new Map<string, number>();
  const target = `/srv/dumps/${way}`;
  const repository = (key: string): string => `/srv/repositories/${way}-${key}`;
  const borg = (key: string, ...args: string[]): ReturnType<typeof cost> =>
    cost(host, [
      'env',
      `BORG_REPO=${repository(key)}`,
      'BORG_BASE_DIR=/root',
      'BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes',
      'borg',
      ...args,
    ]);
  await host.run(['install', '-d', '-o', 'postgres', '-m', '700', target]);
  for (const key of Object.keys(chosen)) await borg(key, 'init', '--encryption=none', '--make-parent-dirs');
  for (let day = 0; day <= days; day++) {
    // Ordered rows change where they stand; the data directory is that of a server of its own.
    const changed: (readonly [string, number])[] = [[way, 5432]];
    if ('ordered' in chosen) changed.push(['ordered', 5432]);
    if ('physical' in chosen) changed.push(['shop', physicalPort]);
    if (day > 0) for (const [database, port] of changed) await sql(host, database, change(way, day, scale), port);
    const turn = Object.entries(day <= firstDays ? chosen : always);
    for (const [key, { database = way, first, write, borg: options }] of day % 2 === 0 ? turn : turn.toReversed()) {
      const began = Date.now();
      if (first !== undefined) await sql(host, database, first);
      const path = `${target}/dump`;
      await cost(host, write(database, path), 'postgres');
      const took = (Date.now() - began) / 1000;
      const date = `2026-01-${String(day + 1).padStart(2, '0')}`;
      const created = await borg(
        key,
        'create',
        '--json',
        `--timestamp=${date}T02:00:00`,
        ...options,
        `::dumps-${date}`,
        target,
      );
      await host.run(['rm', '-rf', path]);
      const now = (JSON.parse(created.stdout) as { cache: { stats: { unique_csize: number } } }).cache.stats
        .unique_csize;
      if (day > 0) {
        add(daily, key, now - (size.get(key) ?? 0));
        add(times.write, key, took);
        add(times.create, key, created.seconds);
      }
      size.set(key, now);
      peak.set(key, Math.max(peak.get(key) ?? 0, created.peak));
    }
  }
  const found: Record<string, Growth> = {};
  for (const key of Object.keys(chosen)) {
    await borg(key, 'prune', '--keep-daily=30', '--keep-weekly=12', '--keep-monthly=12');
    await borg(key, 'compact');
    const total = Number((await host.run(['du', '--summarize', '--bytes', repository(key)])).stdout.split('\t')[0]);
    await host.run(['rm', '-rf', repository(key)]);
    const of = (values: ReadonlyMap<string, number[]>): Rounds => new Rounds(values.get(key) ?? []);
    found[key] = {
      daily: of(daily),
      total,
      peak: peak.get(key) ?? Number.NaN,
      write: of(times.write),
      create: of(times.create),
    };
  }
  return found;
}

const add = (to: Map<string, number[]>, key: string, value: number): unknown =>
  to.set(key, [...(to.get(key) ?? []), value]);

const mega = (bytes: number): string => (bytes / 1e6).toFixed(2);
const whatChanges: Readonly<Record<Way, string>> = {
  clustered: 'one range (clustered)',
  appended: 'rows are added (appended)',
  scattered: 'every hundredth row (scattered)',
};

/** What a changing database adds to the repository each day. */
export const growth: Part = {
  title: 'What a database adds to the repository each day',
  about: `A PostgreSQL database of three tables, of which each day for ten days 1 % of the rows of each table change (or are added), in three
ways. Each method saves the same database on the same day into a repository of its own, without encryption: so Borg cuts
and counts alike each time, and one run is enough. The daily figure is what Borg says is new after each archive (\`unique_csize\`), as
the mean of ten days and their quartiles; the total is all bytes of the repository, of the first day and ten more, after
\`prune --keep-daily=30\` and \`compact\`. Vacuum runs after each day's changes. Our dumps are those of role \`postgres\`. Reach: at most
a tenth of the daily growth of the article's method where changes are clustered or appended, and never more than it.`,
  settings: 'none, since no role is set up here: dumps and archives are made by the calls that are named.',
  async measure({ quick }) {
    const lab = await Lab.open();
    try {
      const host = await lab.boot({ name: 'bench', debian: 12 });
      const [scale, days] = quick ? [0.02, 2] : [1, 10];
      const configure = async (port: number): Promise<void> => {
        await sql(
          host,
          'postgres',
          "ALTER SYSTEM SET autovacuum = off; ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET max_wal_size = '256MB';",
          port,
        );
      };
      await configure(5432);
      await host.run(`pg_createcluster 15 physical --port ${physicalPort} --start`);
      await configure(physicalPort);
      await host.run('pg_ctlcluster 15 main restart; pg_ctlcluster 15 physical restart');
      for (const [database, port] of [
        ['shop', 5432],
        ['shop', physicalPort],
      ] as const) {
        await sql(host, 'postgres', `CREATE DATABASE ${database}`, port);
        await sql(host, database, `${fill(scale)} VACUUM;`, port);
      }
      const bytes = Number(await sql(host, 'shop', "SELECT pg_database_size('shop')"));
      if (!quick && bytes < 240e6)
        throw new Error(`the database has ${bytes} bytes, less than 240 MB: raise the rows of tools/bench/shop.ts`);
      for (const name of ['clustered', 'appended', 'scattered', 'ordered'])
        await sql(host, 'postgres', `CREATE DATABASE ${name} TEMPLATE shop STRATEGY file_copy`);
      await sql(host, 'postgres', 'DROP DATABASE shop');
      // Two at a time, since what counts is bytes.
      const [scattered, { clustered, appended }] = await Promise.all([
        live(host, 'scattered', methods(), scale, days, more()),
        (async () => ({
          clustered: await live(host, 'clustered', methods(), scale, days),
          appended: await live(host, 'appended', methods(), scale, days),
        }))(),
      ]);
      const ways: Readonly<Record<Way, Record<string, Growth>>> = { clustered, appended, scattered };
      const of = (way: Way, key: string): Growth => {
        const found = ways[way][key];
        if (found === undefined) throw new Error(`${key} was not measured`);
        return found;
      };
      const part = (way: Way, key: string): number => of(way, key).daily.mean / of(way, 'article').daily.mean;
      const times = (key: string): string =>
        `${(of('scattered', key).daily.mean / of('scattered', 'ours').daily.mean).toFixed(2)} of ours`;
      const rows = (Object.keys(ways) as Way[]).flatMap((way) =>
        Object.entries(methods()).map(([key, { what }]) => {
          const { daily, total } = of(way, key);
          const [share, verdict] = reach(part(way, key), way === 'scattered' ? 1 : 0.1);
          return [
            whatChanges[way],
            what,
            `${mega(daily.mean)} MB`,
            cells(daily, mega, ' MB')[1],
            share,
            key === 'ours' ? verdict : '',
            `${mega(total)} MB`,
          ];
        }),
      );
      const options = { ...methods(), ...more() };
      const others = Object.entries(options).map(([key, { what }]) => {
        const { daily, peak, write, create } = of('scattered', key);
        return [
          what,
          `${mega(daily.mean)} MB`,
          (daily.mean / of('scattered', 'ours').daily.mean).toFixed(2),
          part('scattered', key).toFixed(2),
          `${(peak / 2 ** 20).toFixed(0)} MiB`,
          `${write.median.toFixed(1)} s`,
          `${create.median.toFixed(1)} s`,
        ];
      });
      return {
        tables: [
          {
            columns: [
              'A day’s changes',
              'Method',
              'New bytes a day',
              'Quartiles',
              'Ratio to the article’s',
              'Reach',
              'Total',
            ],
            rows,
          },
          {
            columns: [
              'Where changes are scattered',
              'New bytes a day',
              'Ratio to ours',
              'Ratio to the article’s',
              'Peak memory of Borg',
              'Dump',
              'Borg',
            ],
            rows: others,
          },
        ],
        charts: [
          {
            name: 'growth',
            title: `New bytes a day, a database of ${(bytes / 1e6).toFixed(0)} MB of which 1 % changes`,
            bars: (Object.keys(ways) as Way[]).flatMap((way) =>
              (['ours', 'article'] as const).map((key) => ({
                label: `${whatChanges[way]}: ${key === 'ours' ? 'ours' : 'the article’s'}`,
                value: of(way, key).daily.mean,
                text: `${mega(of(way, key).daily.mean)} MB`,
                ours: key === 'ours',
              })),
            ),
          },
        ],
        remarks: [
          `The database has ${(bytes / 1e6).toFixed(0)} MB on the first day. In the second table what the first lacks was seen for ` +
            `${Math.min(days, firstDays)} days. Its times are medians of methods that take turns, while the other two ways are measured beside them; ` +
            'memory is at least what Borg takes when it tests itself at its start.',
          'Where every hundredth row changes, nothing makes a dump much smaller: hardly a chunk of any size stays as it was, so what counts is how ' +
            'well it compresses, and `pg_dump -Fc` compresses a table as one stream and Borg each chunk by itself. Of what was tried, smaller ' +
            `chunks (${times('small')}), the order of the rows (${times('ordered')}, and \`CLUSTER\` locks each table while it runs) and a copy of the ` +
            `data directory (${times('physical')}; a page a chunk: ${times('pages')}) are not worth it. A file a table is smaller (${times('tables')}), since the ` +
            `custom format puts a length before each row; zstd,10 is smaller too (${times('harder')}) and takes Borg ` +
            `${(of('scattered', 'harder').create.median / of('scattered', 'ours').create.median).toFixed(1)} times as long; both together come to ` +
            `${times('tablesHarder')}, or ${part('scattered', 'tablesHarder').toFixed(2)} of the article's. Who has such a database and little room sets ` +
            '`borg_compression: zstd,10`.',
        ],
      };
    } finally {
      await lab.close();
    }
  },
};
