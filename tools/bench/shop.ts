import type { Host } from '../../tests/lab/host.ts';

/** How 1 % of the rows of a database change in a day. */
export type Way = 'clustered' | 'appended' | 'scattered';

/** The tables of the shop: how many rows each has at scale 1, its columns, and the row `n` as it is at version `v`. */
const tables = {
  customers: {
    rows: 120_000,
    columns:
      'id bigint PRIMARY KEY, name text NOT NULL, mail text NOT NULL UNIQUE, since timestamptz NOT NULL, note text NOT NULL',
    row: "n, 'Customer ' || n, 'customer' || n || '@example.org', timestamptz '2020-01-01' + n * interval '7 minutes', ",
    note: 6,
  },
  orders: {
    rows: 500_000,
    columns:
      'id bigint PRIMARY KEY, customer bigint NOT NULL, placed timestamptz NOT NULL, total numeric(10,2) NOT NULL, note text NOT NULL',
    row: "n, hashint8(n) & 65535, timestamptz '2021-01-01' + n * interval '4 minutes', (hashint8(n + 1) & 999999) / 100.0, ",
    note: 4,
  },
  lines: {
    rows: 1_250_000,
    columns:
      'id bigint PRIMARY KEY, placed_in bigint NOT NULL, product integer NOT NULL, pieces integer NOT NULL, note text NOT NULL',
    row: 'n, n / 5 * 2, hashint8(n + 2) & 32767, 1 + (hashint8(n + 3) & 7), ',
    note: 3,
  },
} as const;

const names = Object.keys(tables) as (keyof typeof tables)[];
const words = [
  'paid',
  'sent',
  'returned',
  'open',
  'gift',
  'express',
  'customer called',
  'address changed',
  'in parts',
  'paper',
  'on account',
  'twice',
  'late',
  'by post',
  'warehouse 2',
  'checked',
];

/** Text of words that depend on the row and its version, and a code that compresses badly: neither noise nor one sentence. */
const note = (count: number, version: number): string =>
  `${Array.from({ length: count }, (_, i) => `(ARRAY['${words.join("', '")}'])[1 + (hashint8(n * 31 + ${version * 7 + i}) & 15)]`).join(" || ', ' || ")} || ' ' || left(md5(n || '.${version}'), ${count * 3})`;

const counted = (name: keyof typeof tables, scale: number): number => Math.round(tables[name].rows * scale);

/** SQL that makes the database: about 250 MB with its indexes at scale 1. */
export const fill = (scale: number): string =>
  names
    .map(
      (name) => `CREATE TABLE ${name} (${tables[name].columns});
    INSERT INTO ${name} SELECT ${tables[name].row}${note(tables[name].note, 0)} FROM generate_series(1, ${counted(name, scale)}) AS n;`,
    )
    .join('\n');

/** SQL for the changes of a day, 1 % of the rows of each table. The vacuum that comes by itself later is part of it: so the bytes are the same each time. */
export const change = (way: Way, day: number, scale: number): string =>
  `${names
    .map((name) => {
      const rows = counted(name, scale);
      const some = Math.floor(rows / 100);
      if (way === 'appended')
        return `INSERT INTO ${name} SELECT ${tables[name].row}${note(tables[name].note, day)} FROM generate_series(${rows + (day - 1) * some + 1}, ${rows + day * some}) AS n;`;
      // Another range each day, in no order.
      const first = ((day * 37) % 97) * some;
      const which = way === 'clustered' ? `id > ${first} AND id <= ${first + some}` : `id % 100 = ${day}`;
      return `UPDATE ${name} SET note = new.note FROM (SELECT n, ${note(tables[name].note, day)} AS note FROM (SELECT id AS n FROM ${name} WHERE ${which}) AS changed) AS new WHERE id = n;`;
    })
    .join('\n')}
  VACUUM;`;

/** SQL that puts the rows of each table into the order of its primary key. */
export const inOrder = names.map((name) => `CLUSTER ${name} USING ${name}_pkey;`).join('\n');

/** Runs SQL, each statement in a transaction of its own. @returns what it answers. */
export async function sql(host: Host, database: string, text: string, port = 5432): Promise<string> {
  const call = ['psql', '-Xqtf', '-', '-v', 'ON_ERROR_STOP=1', '-p', String(port), database];
  return (await host.run(call, { user: 'postgres', input: text, timeoutSeconds: 600 })).stdout.trim();
}
