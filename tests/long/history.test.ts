import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { backUp, newest, start } from '../host/fixture.ts';
import { formerCollection } from '../lab/collection.ts';
import { Lab } from '../lab/lab.ts';

/** The first commit whose roles make a backup of databases. */
const first = 'b0c7bae';
/** How many commits since then are tried, at equal distances. */
const tried = 12;

const history = spawnSync('git', ['rev-list', '--reverse', '--first-parent', `${first}^..HEAD`], { encoding: 'utf8' })
  .stdout.split('\n')
  .filter(Boolean);
const commits = history.filter((_, index) => index % Math.ceil(history.length / tried) === 0);

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

describe('what an earlier version of this collection has saved', () => {
  it.each(commits.map((commit) => commit.slice(0, 7)))('comes back, and is proven: %s', async (commit) => {
    const lab = await Lab.open();
    try {
      await lab.installCollection(await formerCollection(commit));
      const host = await lab.boot({ name: 'web', debian: 12 });
      const sql = async (database: string): Promise<string> =>
        (await host.run(['psql', '-XAt', database, '-c', show], { user: 'postgres' })).stdout;
      await host.run(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1'], { user: 'postgres', input: make });
      await lab.roles(['borg', 'postgres']);
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const made = await newest(host, 'dumps');
      await lab.installCollection();
      await lab.roles(['borg', 'postgres']);
      const restored = await host.run(`backupctl restore-db --archive ${made} --into again postgresql shop`, {
        mayFail: true,
      });
      expect(restored.code, restored.stdout + restored.stderr).toBe(0);
      expect(await sql('again')).toBe(await sql('shop'));
      const drill = await start(host, 'backup-drill.service');
      expect(drill.ok, drill.log).toBe(true);
    } finally {
      await lab.close();
    }
  });
});
