import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { backUp, newest, onEachRelease } from './fixture.ts';

/** Names that PostgreSQL allows and that have broken something somewhere. */
const names = [
  'plain',
  'my postgres app',
  'template1000',
  "quote'd",
  'double"quote',
  'sla/sh',
  '-dash',
  'host=elsewhere',
  'postgresql://nowhere/x',
  'percent%20',
  'back\\slash',
  'dollar$HOME',
  '$(touch /tmp/pwned)',
  'new\nline',
  'tab\tbed',
  'UPPER',
  'ümlaut',
  '..',
  '.hidden',
  'a'.repeat(63),
  'é'.repeat(31),
];

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** Runs SQL in a database, whatever its name. */
async function sql(host: Host, database: string, script: string): Promise<string> {
  const call = ['env', `PGDATABASE=${database}`, 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', '-'];
  return (await host.run(call, { user: 'postgres', input: script })).stdout;
}

/** What a database holds, to compare. */
const contents = (host: Host, database: string): Promise<string> =>
  sql(
    host,
    database,
    "SELECT count(*), sum(n), md5(string_agg(t, ',' ORDER BY n)) FROM data; SELECT rolname FROM pg_class JOIN pg_roles r ON r.oid = relowner WHERE relname = 'data';",
  );

onEachRelease(
  'PostgreSQL',
  async ({ lab, host }) => {
    await sql(
      host,
      'postgres',
      `CREATE ROLE "odd 'owner" LOGIN PASSWORD 'secret-of-owner'; CREATE DATABASE closed; ALTER DATABASE closed ALLOW_CONNECTIONS false;`,
    );
    for (const [index, name] of names.entries()) {
      await sql(host, 'postgres', `CREATE DATABASE ${identifier(name)}`);
      await sql(
        host,
        name,
        `CREATE TABLE data AS SELECT n, ${literal(name)} || n AS t FROM generate_series(1, ${100 + index}) n; ALTER TABLE data OWNER TO "odd 'owner";`,
      );
    }
    await sql(host, 'postgres', `CREATE DATABASE "latin" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
    await host.run(`printf 'CREATE DATABASE "latin-\\xe9"' | PGCLIENTENCODING=LATIN1 psql -Xq latin`, {
      user: 'postgres',
    });
    await lab.roles(['borg', 'postgres']);
  },
  (fixture) => {
    const target = '/backup/postgresql';
    const directory = async (): Promise<string> =>
      `${target}/${(await fixture.host.run(`ls ${target}`)).stdout.trim()}`;
    const manifest = async (): Promise<Record<string, { database: string | null; size: number; sha256: string }>> =>
      (
        JSON.parse(await fixture.host.read(`${await directory()}/manifest.json`)) as {
          files: Record<string, { database: string | null; size: number; sha256: string }>;
        }
      ).files;

    it('is dumped with every connectable database, whatever its name, and the server takes new connections after it', async () => {
      const { host } = fixture;
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const dumped = Object.values(await manifest()).map(({ database }) => database);
      expect(dumped).toEqual(expect.arrayContaining([null, 'postgres', 'template1', 'latin', ...names]));
      expect(dumped).not.toContain('closed');
      expect(dumped.length).toBe(names.length + 5);
      expect(await sql(host, 'plain', 'SELECT 1')).toBe('1\n');
      expect(await host.exists('/tmp/pwned')).toBe(false);
      const hook = await host.journal('backup-postgresql.service');
      expect(hook).toContain('"closed" does not allow connections and is not dumped');
      expect(hook).not.toContain('holds live data');
    });

    it('comes back equal from the archive on another server, with roles', async () => {
      const { lab, host } = fixture;
      const other = await lab.boot({ name: 'other', debian: fixture.release });
      const archive = await newest(host, 'dumps');
      const from = (await directory()).slice(1);
      const extract = async (name: string): Promise<Buffer> =>
        (await host.run(['backup-borg', 'extract', '--stdout', `::${archive}`, `${from}/${name}`])).stdoutBytes;
      await other.run('psql -Xq -f - postgres', { user: 'postgres', input: await extract('globals.sql') });
      const files = await manifest();
      for (const name of names) {
        const file = Object.entries(files).find(([, entry]) => entry.database === name);
        if (file === undefined) throw new Error(`the manifest lacks ${name}`);
        const dump = await extract(file[0]);
        expect(dump.length).toBe(file[1].size);
        expect(createHash('sha256').update(dump).digest('hex')).toBe(file[1].sha256);
        await sql(other, 'postgres', `CREATE DATABASE ${identifier(name)}`);
        // pg_restore takes a connection string, in which quotes and backslashes are escaped.
        const connection = `dbname='${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
        await other.run(['pg_restore', '--exit-on-error', '--dbname', connection], { user: 'postgres', input: dump });
        expect(await contents(other, name)).toBe(await contents(host, name));
      }
    });

    it('has its dumps for its own eyes only, and its live data directory is not in the archive', async () => {
      const { host } = fixture;
      expect((await host.run(`stat -c '%a %U' ${target}`)).stdout.trim()).toBe('700 postgres');
      expect((await host.run(`find ${target} -perm /077`)).stdout).toBe('');
      const list = (
        await host.run(`backup-borg list --format '{path}{NL}' ::${await newest(host, 'files')} var/lib/postgresql`)
      ).stdout;
      expect(list).toMatch(/^var\/lib\/postgresql$/m);
      expect(list).not.toMatch(/main/);
    });

    it('runs nothing of what the owner of a table made: no cast, and no view put in the place of a table', async () => {
      const { host } = fixture;
      const trap = (
        name: string,
        of: string,
      ): string => `CREATE FUNCTION s.${name}(${of}) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN COPY (SELECT 1) TO PROGRAM 'touch /tmp/pwned-${name}'; END IF; RETURN 'x'; END $$;`;
      await sql(host, 'postgres', 'CREATE ROLE mallory; CREATE DATABASE trap OWNER mallory');
      await sql(
        host,
        'trap',
        `SET SESSION AUTHORIZATION mallory; CREATE SCHEMA s; CREATE TABLE s.bait AS SELECT 1 AS n; CREATE TABLE s.other AS SELECT 1 AS n;
        ${trap('cast', 's.bait')} ${trap('view', '')} CREATE CAST (s.bait AS text) WITH FUNCTION s.cast(s.bait);`,
      );
      const plain = await backUp(host);
      expect(plain.ok, plain.log).toBe(true);
      // The hook waits for a table, which is a view when it has it.
      const swap = sql(
        host,
        'trap',
        `SET SESSION AUTHORIZATION mallory; BEGIN; LOCK TABLE s.other IN ACCESS EXCLUSIVE MODE;
        DO $$ BEGIN FOR i IN 1..600 LOOP EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 's.other'::regclass); PERFORM pg_sleep(0.1); END LOOP; END $$;
        ALTER TABLE s.other RENAME TO away; CREATE VIEW s.other AS SELECT s.view() AS n; COMMIT;`,
      );
      await host.run(
        `until [ "$(psql -XqAt -c "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = 'trap')" postgres)" -gt 0 ]; do sleep 0.1; done`,
        { user: 'postgres', timeoutSeconds: 30 },
      );
      await backUp(host);
      await swap;
      expect((await host.run('ls /tmp', { mayFail: true })).stdout).not.toContain('pwned');
      await sql(host, 'postgres', 'DROP DATABASE trap; DROP ROLE mallory');
      expect((await backUp(host)).ok).toBe(true);
    });

    it('lets a table be altered while it is dumped, and is dumped all the same', async () => {
      const { host } = fixture;
      // Nothing of the hook holds the table before pg_dump does, so nobody waits for it.
      await host.write(
        '/usr/local/bin/pg_dump',
        `#!/bin/bash
if [ "$PGDATABASE" = plain ] && [ ! -e /tmp/altered ]; then psql -Xq -c "SET lock_timeout = '5s'" -c 'ALTER TABLE public.data ADD COLUMN more int' > /dev/null 2>&1; : > /tmp/altered; fi
exec /usr/bin/pg_dump "$@"
`,
        '0755',
      );
      const { ok, log } = await backUp(host);
      await host.run('rm /usr/local/bin/pg_dump');
      expect(ok, log).toBe(true);
      expect(
        await sql(
          host,
          'plain',
          "SELECT count(*) FROM pg_attribute WHERE attrelid = 'data'::regclass AND attname = 'more'",
        ),
      ).toBe('1\n');
      await sql(host, 'plain', 'ALTER TABLE data DROP COLUMN more');
    });

    it('is dumped once more where a table is dropped while it is dumped', async () => {
      const { host } = fixture;
      await sql(host, 'plain', 'CREATE TABLE leaving AS SELECT 1 AS n');
      const drop = sql(
        host,
        'plain',
        `BEGIN; LOCK TABLE leaving IN ACCESS EXCLUSIVE MODE;
        DO $$ BEGIN FOR i IN 1..600 LOOP EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'leaving'::regclass); PERFORM pg_sleep(0.1); END LOOP; END $$;
        DROP TABLE leaving; COMMIT`,
      );
      await host.run(
        `until [ "$(psql -XqAt -c "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = 'plain')" postgres)" -gt 0 ]; do sleep 0.1; done`,
        { user: 'postgres', timeoutSeconds: 30 },
      );
      const { ok, log } = await backUp(host);
      await drop;
      expect(ok, log).toBe(true);
      expect(await host.journal('backup-postgresql.service')).toMatch(
        /database "plain" changed while it was dumped, and is dumped once more.*leaving/s,
      );
    });

    it('is dumped whatever its roles, its databases and the server say of time, of writing and of functions', async () => {
      const { host } = fixture;
      const names = (
        await sql(
          host,
          'postgres',
          "SELECT name FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_session_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')",
        )
      )
        .split('\n')
        .filter(Boolean);
      const alike = (set: (name: string) => string): string => names.map(set).join('; ');
      await sql(
        host,
        'plain',
        `CREATE FUNCTION inner_part(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT lower($1) $$;
        CREATE FUNCTION unqualified(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT public.inner_part($1) $$;
        CREATE TABLE odd_functions (t text, g text GENERATED ALWAYS AS (unqualified(t)) STORED); INSERT INTO odd_functions VALUES ('A'); CREATE INDEX ON odd_functions (unqualified(t));
        CREATE OR REPLACE FUNCTION unqualified(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT inner_part($1) $$;
        CREATE TABLE held AS SELECT 1 AS n;
        ALTER DATABASE plain SET local_preload_libraries = 'nosuch'; ALTER DATABASE plain SET session_authorization = "odd 'owner"`,
      );
      // A transaction is limited while a session begins already: no client would get in within a millisecond.
      const value = (name: string): string => (name === 'transaction_timeout' ? "'700ms'" : '1');
      const options = [
        'default_transaction_read_only=off',
        'local_preload_libraries=',
        ...names.map((name) => `${name}=0`),
      ]
        .map((option) => `-c ${option}`)
        .join(' ');
      await sql(
        host,
        'postgres',
        `ALTER ROLE ALL SET default_transaction_read_only = on; ${alike((name) => `ALTER DATABASE plain SET ${name} = ${value(name)}; ALTER ROLE postgres SET ${name} = ${value(name)}; ALTER SYSTEM SET ${name} = ${value(name)}`)}; SELECT pg_reload_conf()`,
      );
      try {
        // What pg_dump waits for takes longer than any of that.
        const held = host.run(
          ['env', 'PGDATABASE=plain', `PGOPTIONS=${options}`, 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', '-'],
          {
            user: 'postgres',
            input: `SET SESSION AUTHORIZATION postgres; BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE;
              DO $$ BEGIN FOR i IN 1..600 LOOP EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'held'::regclass); PERFORM pg_sleep(0.1); END LOOP; PERFORM pg_sleep(1); END $$; COMMIT`,
          },
        );
        await host.run(
          `until [ "$(PGOPTIONS='${options}' psql -XqAtc "SELECT 'held' FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND relation = 'held'::regclass" plain)" = held ]; do sleep 0.1; done`,
          { user: 'postgres', timeoutSeconds: 30 },
        );
        const { ok, log } = await backUp(host);
        await held;
        expect(ok, ok ? log : await host.journal('backup-postgresql.service')).toBe(true);
      } finally {
        await host.run(
          "sed -i '/timeout/d' /var/lib/postgresql/*/main/postgresql.auto.conf; systemctl restart postgresql 'postgresql@*'",
        );
        await host.run(
          `PGOPTIONS='${options}' psql -Xq -v ON_ERROR_STOP=1 -c 'ALTER ROLE ALL RESET ALL' -c 'ALTER ROLE postgres RESET ALL' -c 'ALTER DATABASE plain RESET ALL' template1`,
          { user: 'postgres' },
        );
      }
    });

    it('whose programs were removed is told of; one with its socket elsewhere is found, or it is said at once why not', async () => {
      const { host } = fixture;
      const version = (await host.run('ls /etc/postgresql')).stdout.trim();
      await host.run(
        `install -d -o postgres /etc/postgresql/9.6/left /var/lib/postgresql/9.6/left; echo "data_directory = '/var/lib/postgresql/9.6/left'" > /etc/postgresql/9.6/left/postgresql.conf; echo auto > /etc/postgresql/9.6/left/start.conf; chown postgres /etc/postgresql/9.6/left/*
        install -d -o postgres /var/lib/postgresql/sockets /srv/sockets
        pg_createcluster ${version} elsewhere --port 5477 --socketdir /var/lib/postgresql/sockets --start`,
      );
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(await host.journal('backup-postgresql.service')).toContain(
        'cluster 9.6-left has no programs any more, and is not dumped',
      );
      expect(await host.exists(`${target}/${version}-elsewhere/postgres.dump`)).toBe(true);
      await host.run(
        `sed -i "s,/var/lib/postgresql/sockets,/srv/sockets," /etc/postgresql/${version}/elsewhere/postgresql.conf; pg_ctlcluster ${version} elsewhere restart; rm -r /etc/postgresql/9.6 /var/lib/postgresql/9.6`,
      );
      const hidden = await backUp(host);
      expect(hidden.ok).toBe(false);
      expect(await host.journal('backup-postgresql.service')).toContain(
        `cluster ${version}-elsewhere was not dumped; the last good dump, if there is one, is still there. its socket is in /srv/sockets`,
      );
      await host.run(`pg_dropcluster ${version} elsewhere --stop; rm -rf /srv/sockets /var/lib/postgresql/sockets`);
      const refused = await fixture.lab.roles(
        ['postgres'],
        { postgres_clusters: [{ name: 'one', socket: '/srv/sockets' }] },
        { args: ['--limit', 'web'], mayFail: true },
      );
      expect(refused.code).not.toBe(0);
      expect(refused.stdout.replace(/\s+/g, ' ')).toContain('postgres_clusters: the hook does not see /srv/sockets');
      expect((await backUp(host)).ok).toBe(true);
    });

    it('keeps the last good dump when a new one fails, and the backup fails and says why', async () => {
      const { host } = fixture;
      const before = await manifest();
      await sql(
        host,
        'plain',
        'UPDATE data SET n = n; ALTER TABLE data RENAME TO hidden; CREATE VIEW data AS SELECT n, t FROM hidden;',
      );
      // A table whose file is gone cannot be dumped.
      const path = (
        await sql(
          host,
          'plain',
          "CREATE TABLE broken AS SELECT 1; CHECKPOINT; SELECT current_setting('data_directory') || '/' || pg_relation_filepath('broken')",
        )
      ).trim();
      await host.run(`systemctl stop postgresql; mv ${path} ${path}.away; systemctl start postgresql`);
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(false);
      expect(await host.journal('backup-postgresql.service')).toMatch(
        /database "plain" was not dumped; the last good dump.*could not open file/s,
      );
      const after = await manifest();
      expect(after['plain.dump']).toEqual(before['plain.dump']);
      const sum = (await host.run(`sha256sum < ${await directory()}/plain.dump`)).stdout.split(' ')[0];
      expect(sum).toBe(before['plain.dump']?.sha256);
      expect((await host.run(`find ${target} -name '*.partial'`)).stdout).toBe('');
      await host.run(`systemctl stop postgresql; mv ${path}.away ${path}; systemctl start postgresql`);
      expect((await backUp(host)).ok).toBe(true);
    });

    it('loses the dump of a dropped database after the next good run', async () => {
      const { host } = fixture;
      await sql(host, 'postgres', 'DROP DATABASE "UPPER"');
      expect((await backUp(host)).ok).toBe(true);
      expect(Object.keys(await manifest())).not.toContain('UPPER.dump');
      expect(await host.exists(`${await directory()}/UPPER.dump`)).toBe(false);
    });

    it('that is down fails the backup', async () => {
      const { host } = fixture;
      await host.run('systemctl stop postgresql');
      const { ok } = await backUp(host);
      await host.run('systemctl start postgresql');
      expect(ok).toBe(false);
      expect(await host.journal('backup-postgresql.service')).toMatch(/cluster \S+ was not dumped/);
    });

    it('that is online is dumped however it was started; with none to dump the backup fails and no dump goes', async () => {
      const { host } = fixture;
      await host.run("sed -i 's/^auto/manual/' /etc/postgresql/*/main/start.conf");
      expect((await backUp(host)).ok).toBe(true);
      const before = Object.keys(await manifest());
      await host.run('pg_ctlcluster $(ls /etc/postgresql) main stop');
      expect((await backUp(host)).ok).toBe(false);
      expect(await host.journal('backup-postgresql.service')).toContain(
        'There is no PostgreSQL cluster that is online',
      );
      expect(Object.keys(await manifest())).toEqual(before);
      await host.run("sed -i 's/^manual/auto/' /etc/postgresql/*/main/start.conf; systemctl restart postgresql");
    });

    it('keeps the dump of a database that is there but cannot be dumped now', async () => {
      const { host } = fixture;
      await sql(host, 'postgres', 'ALTER DATABASE "-dash" ALLOW_CONNECTIONS false');
      expect((await backUp(host)).ok).toBe(true);
      expect(Object.keys(await manifest())).toContain('-dash.dump');
      await sql(host, 'postgres', 'ALTER DATABASE "-dash" ALLOW_CONNECTIONS true');
    });

    it('is dumped as the settings say: databases left out, several clusters by name and port', async () => {
      const { lab, host } = fixture;
      const version = (await host.run('ls /etc/postgresql')).stdout.trim();
      await host.run(`pg_createcluster ${version} second --port 5433 --start`);
      await lab.roles(
        ['postgres'],
        { postgres_clusters: [{ name: 'one' }, { name: 'two', port: 5433 }], postgres_exclude: ['plain', 'sla/sh'] },
        { args: ['--limit', 'web'] },
      );
      expect((await backUp(host)).ok).toBe(true);
      expect((await host.run(`ls ${target}`)).stdout.split('\n').filter(Boolean)).toEqual(['one', 'two']);
      const dumps = (await host.run(`ls ${target}/one ${target}/two`)).stdout;
      expect(dumps).not.toMatch(/^plain\.dump|^sla/m);
      expect(dumps).toMatch(/^template1000\.dump/m);
    });

    it('lets a hook that hangs end by its time limit, and stopping the backup stops the hook', async () => {
      const { lab, host } = fixture;
      await lab.roles(['postgres'], { postgres_time_limit: '3s' }, { args: ['--limit', 'web'] });
      await host.run(
        "runuser -u postgres -- psql -Xqc 'CREATE TABLE IF NOT EXISTS hidden (n int)' plain; systemd-run --quiet --unit=locker --uid=postgres psql -X -c 'BEGIN; LOCK TABLE hidden IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)' plain; until pgrep --full '^postgres: .* plain .*SELECT' > /dev/null; do sleep 0.1; done",
      );
      const begun = Date.now();
      expect((await backUp(host)).ok).toBe(false);
      expect(Date.now() - begun).toBeLessThan(30_000);
      // What took its place before it was ended is what the manifest says.
      const differing = `import glob, hashlib, json, os
for path in glob.glob('${target}/*/manifest.json'):
    for name, entry in json.load(open(path))['files'].items():
        with open(os.path.join(os.path.dirname(path), name), 'rb') as file:
            if hashlib.sha256(file.read()).hexdigest() != entry['sha256']: print(path, name)`;
      expect((await host.run(['python3', '-c', differing])).stdout).toBe('');
      await lab.roles(['postgres'], {}, { args: ['--limit', 'web'] });
      await host.run(
        'systemctl start --no-block backup.service; until [ "$(systemctl is-active backup-postgresql)" = activating ] && pgrep pg_dump && pgrep --full "[s]ystemctl start backup-postgresql"; do sleep 0.1; done > /dev/null; systemctl stop backup.service; for wait in {1..50}; do [ "$(systemctl is-active backup-postgresql)" = deactivating ] || break; sleep 0.1; done',
      );
      expect(
        (await host.run('systemctl is-active backup-postgresql; pgrep pg_dump', { mayFail: true })).stdout.trim(),
      ).toMatch(/^(inactive|failed)$/);
      await sql(
        host,
        'postgres',
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()",
      );
      await host.run('systemctl reset-failed');
      expect((await backUp(host)).ok).toBe(true);
    });
  },
);
