import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { backUp, newest, start } from '../host/fixture.ts';
import { formerCollection } from '../lab/collection.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';

/** The first commit whose roles make a backup of databases. */
const first = 'b0c7bae';
/** How many commits since then are tried, at equal distances. */
const tried = 12;

const history = spawnSync('git', ['rev-list', '--reverse', '--first-parent', `${first}^..HEAD`], { encoding: 'utf8' })
  .stdout.split('\n')
  .filter(Boolean);
const commits = history.filter((_, index) => index % Math.ceil(history.length / tried) === 0);

const isIn = (commit: string, path: string): boolean =>
  spawnSync('git', ['cat-file', '-e', `${commit}:${path}`]).status === 0;

const make = `
CREATE ROLE app LOGIN;
CREATE DATABASE shop OWNER app;
\\connect shop
CREATE TYPE state AS ENUM ('open', 'paid');
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state state, note text);
INSERT INTO orders (state, note) SELECT 'open', md5(n::text) FROM generate_series(1, 1000) n;
ALTER TABLE orders OWNER TO app;
CREATE MATERIALIZED VIEW paid AS SELECT count(*) FROM orders;
SELECT lo_from_bytea(0, 'large');
`;
const show =
  'SELECT count(*), sum(hashtext(note)), max(id), (SELECT count FROM paid), (SELECT count(*) FROM pg_largeobject_metadata) FROM orders';

const notes = '/srv/notes/notes.db';
const sqlite = (statement: string): string[] => [
  'python3',
  '-c',
  'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); print(d.execute(sys.argv[2]).fetchall()); d.commit()',
  notes,
  statement,
];
const settings = { sqlite_databases: [{ name: 'notes', user: 'keeper', paths: [notes] }] };

/** Makes what is saved, in the servers and in a file. */
async function fill(host: Host): Promise<void> {
  await host.run(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1'], { user: 'postgres', input: make });
  await host.run(
    'useradd --system keeper; install -d -o keeper /srv/notes; mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket; systemctl start mariadb',
  );
  await host.run(['mariadb'], { input: 'CREATE DATABASE stock; CREATE TABLE stock.item AS SELECT 7 AS n' });
  await host.run(sqlite('CREATE TABLE note AS SELECT 5 AS n'), { user: 'keeper' });
}

describe('what an earlier version of this collection has saved', () => {
  it.each(commits.map((commit) => commit.slice(0, 7)))('comes back, and is proven: %s', async (commit) => {
    const lab = await Lab.open();
    try {
      await lab.installCollection(await formerCollection(commit));
      const known = ['borg', 'postgres', 'mariadb', 'sqlite'].filter((role) => isIn(commit, `roles/${role}`));
      const host = await lab.boot({ name: 'web', debian: 12 });
      const sql = async (database: string): Promise<string> =>
        (await host.run(['psql', '-XAt', database, '-c', show], { user: 'postgres' })).stdout;
      await fill(host);
      await lab.roles(known, known.includes('sqlite') ? settings : {});
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const made = await newest(host, 'dumps');
      await lab.installCollection();
      await lab.roles(known, known.includes('sqlite') ? settings : {});
      const restore = async (...args: string[]): Promise<void> => {
        const { code, stdout, stderr } = await host.run(['backupctl', 'restore-db', '--archive', made, ...args], {
          mayFail: true,
        });
        expect(code, stdout + stderr).toBe(0);
      };
      await restore('--into', 'again', 'postgresql', 'shop');
      expect(await sql('again')).toBe(await sql('shop'));
      if (known.includes('mariadb')) {
        await restore('--into', 'again', 'mariadb', 'stock');
        expect((await host.run(['mariadb', '-BN', '-e', 'SELECT n FROM again.item'])).stdout).toBe('7\n');
      }
      if (known.includes('sqlite')) {
        await host.run(sqlite('DELETE FROM note'), { user: 'keeper' });
        await restore('--over', 'sqlite-notes', notes);
        expect((await host.run(sqlite('SELECT n FROM note'), { user: 'keeper' })).stdout).toBe('[(5,)]\n');
      }
      const drill = await start(host, 'backup-drill.service');
      expect(drill.ok, drill.log).toBe(true);
    } finally {
      await lab.close();
    }
  });
});
