import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { backUp, onEachRelease, start } from '../host/fixture.ts';

/** Runs SQL as root of the server, or by the options of another account. */
async function sql(host: Host, script: string, ...options: string[]): Promise<string> {
  return (await host.run(['mariadb', '--batch', '--skip-column-names', ...options], { input: script })).stdout;
}

const eve = ['--user=eve', '--password=x', 'shop'];
/** What a function of eve's sets if it ever runs for somebody who may. */
const mark = (host: Host): Promise<string> => sql(host, 'SELECT @@GLOBAL.long_query_time = 77');

onEachRelease(
  'an owner of a database of MariaDB',
  async ({ lab, host }) => {
    await host.run(
      'mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket && systemctl start mariadb',
    );
    await sql(
      host,
      "CREATE DATABASE shop; CREATE DATABASE victim; CREATE TABLE victim.parent (n INT PRIMARY KEY); INSERT INTO victim.parent VALUES (1); CREATE USER eve@localhost IDENTIFIED BY 'x'; GRANT ALL ON shop.* TO eve@localhost",
    );
    // The pattern of a comparison is a constant where it calls a function without arguments: it is asked for when the view is made or shown.
    await sql(
      host,
      `DELIMITER //
      CREATE FUNCTION f() RETURNS CHAR(1) DETERMINISTIC SQL SECURITY INVOKER BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; SET GLOBAL long_query_time = 77; RETURN '!'; END//
      DELIMITER ;
      CREATE SQL SECURITY INVOKER VIEW v AS SELECT 'a' LIKE 'b' ESCAPE f() AS x; CREATE VIEW w AS SELECT x FROM v; CREATE TABLE kept AS SELECT POINT(1, 2) AS p; CREATE VIEW zp AS SELECT p FROM kept; CREATE VIEW ap AS SELECT ST_X(p) AS x FROM zp;`,
      ...eve,
    );
    await lab.roles(['borg', 'mariadb']);
  },
  (fixture) => {
    it('has no function run as whoever dumps, restores or proves a database, by a view that calls it', async () => {
      const { host } = fixture;
      // What would come of it: this is somebody who may.
      await sql(host, "CREATE VIEW victim.probe AS SELECT 'a' LIKE 'b' ESCAPE shop.f() AS x; DROP VIEW victim.probe");
      expect(await mark(host)).toBe('1\n');
      await sql(host, 'SET GLOBAL long_query_time = 10');
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(await mark(host)).toBe('0\n');
      for (const args of [
        ['--over', 'mariadb', 'shop'],
        ['--into', 'again', 'mariadb', 'shop'],
      ]) {
        const { code, stdout } = await host.run(['backupctl', 'restore-db', ...args], { mayFail: true });
        expect(code, stdout).toBe(0);
        expect(await mark(host)).toBe('0\n');
      }
      expect(await sql(host, 'SELECT x FROM w; SELECT x FROM ap', ...eve)).toBe('0\n1\n');
      await sql(host, 'DROP DATABASE again');
      const proven = await start(host, 'backup-drill.service');
      expect(proven.ok, proven.log).toBe(true);
      expect(await sql(host, "SELECT User FROM mysql.global_priv WHERE User LIKE 'backup%'")).toBe('');
    });

    it('binds no table of others by a key that is smuggled into a dump, nor keeps its own from coming back', async () => {
      const { host } = fixture;
      const smuggled = 'CREATE TABLE bound (n INT, FOREIGN KEY (n) REFERENCES victim.parent (n)) ENGINE=InnoDB';
      await sql(
        host,
        `SET sql_mode = 'IGNORE_BAD_TABLE_OPTIONS'; CREATE TABLE t (n INT) \`x\`='*/ ; ${smuggled}; /*'`,
        ...eve,
      );
      expect(await sql(host, 'SHOW CREATE TABLE shop.t')).toContain(smuggled);
      expect((await backUp(host)).ok).toBe(true);
      const { code, stdout } = await host.run(['backupctl', 'restore-db', '--into', 'again', 'mariadb', 'shop'], {
        mayFail: true,
      });
      // A server of Debian 13 ends no comment by what stands in one: nothing comes of it there.
      expect([code, stdout]).toEqual(
        fixture.release === 12
          ? [1, expect.stringMatching(/not loaded: ERROR 1142 .*REFERENCES command denied/)]
          : [0, expect.not.stringContaining('not loaded')],
      );
      expect(await sql(host, 'SHOW TABLES FROM again')).toBe('ap\nkept\nt\nv\nw\nzp\n');
      await sql(host, 'DELETE FROM victim.parent; DROP TABLE victim.parent');
    });

    it('keeps no database of others from being saved by a table that it holds, or makes for as long as it likes, or by views that have no end', async () => {
      const { host } = fixture;
      // So that nobody waits long: how long a lock is waited for, and views are looked at.
      await host.run(
        "cd /usr/local/lib/backup/rootless_backup/databases/mariadb && sed -i 's/^LOCK_WAIT = 600$/LOCK_WAIT = 10/; s/^LOOK_WAIT = 60$/LOOK_WAIT = 1/; s/^LONGEST_LOOK = 60$/LONGEST_LOOK = 5/' client.py definitions.py && cat client.py definitions.py | grep -c '^LO[A-Z_]* = \\(10\\|1\\|5\\)$' | grep --quiet 3",
      );
      const statements = {
        held: 'LOCK TABLES kept WRITE; DO SLEEP(1000)',
        made: 'CREATE TABLE made AS SELECT SLEEP(1000) AS n',
      };
      for (const [unit, statement] of Object.entries(statements))
        await host.run([
          'systemd-run',
          '--quiet',
          '--collect',
          `--unit=${unit}`,
          'mariadb',
          ...eve,
          `--execute=${statement}`,
        ]);
      await host.run(
        `until [ "$(mariadb --batch --skip-column-names --execute "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'")" = 2 ]; do sleep 0.1; done`,
        { timeoutSeconds: 60 },
      );
      // Each looks twice at the one before, which is made after it.
      const views = Array.from({ length: 30 }, (_, n) => `v${n}`);
      const looking = views
        .slice(1)
        .map((name, n) => `CREATE OR REPLACE VIEW ${name} AS SELECT a.n FROM v${n} AS a JOIN v${n} AS b;`);
      await sql(
        host,
        `CREATE DATABASE shop2; USE shop2; ${views.map((name) => `CREATE VIEW ${name} AS SELECT 1 AS n;`).join('\n')} ${looking.reverse().join('\n')}`,
      );
      const begun = Date.now();
      const { ok } = await backUp(host);
      await host.run(`systemctl stop ${Object.keys(statements).join(' ')}`);
      expect(ok).toBe(false);
      const said = await host.journal('backup-mariadb.service');
      expect(said).toMatch(
        /Database "shop" was not dumped.* Somebody has held a lock on a table of it for more than 10 seconds/,
      );
      expect(said).toContain(
        'Database "shop2" was dumped without what the server does not show: its views, since to look at them takes longer than 5 seconds',
      );
      const { files } = JSON.parse((await host.run('cat /backup/mariadb/manifest.json')).stdout) as {
        files: Record<string, { finished: string }>;
      };
      for (const name of ['databases/victim.sql', 'users.sql'])
        expect(Date.parse(files[name]?.finished ?? ''), name).toBeGreaterThan(begun - 2000);
      await sql(host, 'DROP DATABASE shop2');
      const again = await backUp(host);
      expect(again.ok, again.log).toBe(true);
    });
  },
);
