import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { archives, backUp, newest, onEachRelease, start } from '../host/fixture.ts';

/** Runs SQL in a database. */
async function sql(host: Host, database: string, script: string): Promise<string> {
  return (
    await host.run(['env', `PGDATABASE=${database}`, 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', '-'], {
      user: 'postgres',
      input: script,
    })
  ).stdout;
}

/** Runs `backupctl restore-db`. @returns whether it succeeded and what it said. */
async function restore(host: Host, ...args: string[]): Promise<{ ok: boolean; said: string }> {
  const { code, stdout, stderr } = await host.run(['backupctl', 'restore-db', ...args], { mayFail: true });
  return { ok: code === 0, said: stdout + stderr };
}

/** Runs the drill, of the newest dumps only. */
async function drill(host: Host): Promise<{ ok: boolean; log: string }> {
  const newestOnly = await newest(host, 'dumps');
  for (const archive of (await archives(host)).filter((name) => name.includes('-dumps-') && name !== newestOnly))
    await host.run(`backup-borg delete ::${archive}`);
  return start(host, 'backup-drill.service');
}

/**
 * A function of mallory's that leaves a mark, as the user of the server, when it runs as a superuser of the host's own server.
 * What is called immutable may not do it by itself, but call another.
 */
const trap = (
  name: string,
  args = 'int',
  returns = 'int',
  value = '1',
): string => `CREATE FUNCTION ${name}(${args}) RETURNS ${returns} IMMUTABLE LANGUAGE plpgsql AS $trap$ BEGIN
  PERFORM public.mark('${name}'); RETURN ${value}; END $trap$;`;
const mark = `CREATE FUNCTION public.mark(name text) RETURNS void LANGUAGE plpgsql AS $mark$ BEGIN
  IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) current_user) AND pg_catalog.current_setting('cluster_name') OPERATOR(pg_catalog.<>) '' THEN
  EXECUTE pg_catalog.concat('COPY (SELECT 1) TO PROGRAM ''touch /tmp/pwned-', name, ''''); END IF; END $mark$;`;
const marks = async (host: Host): Promise<string> =>
  (await host.run('ls -d /tmp/pwned* /var/lib/postgresql/pwned* 2> /dev/null; true')).stdout;
const superusers = (host: Host): Promise<string> =>
  sql(host, 'postgres', 'SELECT rolname FROM pg_roles WHERE rolsuper');
/** What is set for databases, and for roles in them. */
const settings = (host: Host, database: string): Promise<string> =>
  sql(
    host,
    'postgres',
    `SELECT setrole::regrole, setting FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) setting WHERE datname = '${database}' ORDER BY 1, 2`,
  );

/** A table whose owner has something done where it is loaded by a server that is not the host's own. */
const provenBy = (statement: string): string => `CREATE FUNCTION f(int) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN
  IF current_setting('cluster_name') = '' THEN ${statement}; END IF; RETURN true; END $f$; CREATE TABLE t (n int CHECK (f(n))); INSERT INTO t VALUES (1);`;

const injected = 'public;ALTER/**/ROLE/**/mallory/**/SUPERUSER;--';
const literal = (text: string): string => `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
/** Values that a role gives to its own settings. */
const values: readonly (readonly [string, string])[] = [
  ['search_path', injected],
  ['search_path', '"a""b", "C d", e, pg_temp'],
  ['search_path', "';ALTER/**/ROLE/**/mallory/**/SUPERUSER;--"],
  ['search_path', ''],
  ['search_path', '"x\n;ALTER ROLE mallory SUPERUSER;\n"'],
  ['local_preload_libraries', injected],
  ['temp_tablespaces', injected],
  ['"app.motto"', "it's \\ odd'; ALTER ROLE mallory SUPERUSER; --\n\\! touch /tmp/pwned-setting\n"],
  ['work_mem', '7MB'],
  ['DateStyle', 'German, DMY'],
];

/** Databases in which everything is as odd as PostgreSQL allows, and which come back from a dump with nothing changed. */
const odd = `
CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
CREATE TABLE hashed (m mood, n int) PARTITION BY HASH (m);
${[0, 1, 2].map((n) => `CREATE TABLE hashed_${n} PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER ${n});`).join('\n')}
INSERT INTO hashed SELECT (enum_range(NULL::mood))[1 + n % 8], n FROM generate_series(1, 600) n;
CREATE TABLE child (b int, a int, z text); CREATE TABLE parent (a int, z text); ALTER TABLE child INHERIT parent; INSERT INTO child VALUES (1, 2, E'tab\\tline\\n\\\\.'), (3, 4, NULL);
CREATE TABLE victim (a int); INSERT INTO victim VALUES (1), (2), (3);
CREATE TABLE "x
COPY public.victim (a) FROM stdin;
1
\\.
y" ("c
;" int, "d""'e" text); INSERT INTO "x
COPY public.victim (a) FROM stdin;
1
\\.
y" VALUES (1, E'\\\\.'), (2, E'\\\\\\n\\\\.\\nCOPY public.victim (a) FROM stdin;\\n7\\n');
CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; CREATE TABLE "select" ("from" int, "Ünïcode" text); INSERT INTO "select" VALUES (1, 'é€');
CREATE TABLE wide (n int, t text); ALTER TABLE wide ALTER t SET STORAGE PLAIN; INSERT INTO wide SELECT n, repeat('x', 1 + (n * 7919) % 7900) FROM generate_series(1, 1000) n;
DELETE FROM wide WHERE n % 3 = 0; INSERT INTO wide SELECT n, 'again' FROM generate_series(1, 100) n; UPDATE wide SET t = 'y' WHERE n % 7 = 0;
CREATE TABLE many (a money, t timestamptz DEFAULT now(), f float8 DEFAULT random(), b bytea DEFAULT '\\xdead'); INSERT INTO many SELECT 1234.56 FROM generate_series(1, 10);
CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE RULE r AS ON INSERT TO many DO ALSO NOTIFY x; CREATE POLICY p ON many USING (true); CREATE STATISTICS st ON n, t FROM wide;
CREATE TYPE pair AS (a int); CREATE CAST (pair AS text) WITH INOUT; CREATE UNLOGGED TABLE unlogged (a int); INSERT INTO unlogged VALUES (1); CREATE VIEW v AS SELECT 1 AS x;
CREATE FUNCTION evt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION evt();
CREATE AGGREGATE agg(int) (sfunc = int4pl, stype = int); CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq); CREATE SEQUENCE "s'"";
q"; SELECT nextval('"s''"";
q"'); SELECT lo_from_bytea(0, 'hello'), lo_put(lo_from_bytea(0, ''), 40000, 'far'); CREATE MATERIALIZED VIEW mv AS SELECT 1; CREATE INDEX ON wide (n);
CREATE TABLE listed (a int) PARTITION BY LIST (a); CREATE TABLE listed_1 PARTITION OF listed DEFAULT; ALTER TABLE listed ADD COLUMN b text; INSERT INTO listed VALUES (1, 'a');
ALTER DATABASE odd SET TimeZone = 'Asia/Tokyo'; ALTER DATABASE odd SET bytea_output = 'escape'; ALTER DATABASE odd SET standard_conforming_strings = off; ALTER DATABASE odd SET quote_all_identifiers = on;
ALTER DATABASE odd SET client_encoding = 'LATIN1'; ALTER DATABASE odd SET search_path = public, pg_temp; ALTER DATABASE odd SET extra_float_digits = -10; ALTER DATABASE odd SET IntervalStyle = 'sql_standard';`;
/** Names, each of which would be code for whoever takes it as it stands: SQL behind a quote, a word of psql, or rows of another table. */
const hostileNames = [
  'p\n\\! touch /tmp/pwned-name\n',
  'q\nALTER ROLE mallory SUPERUSER;\n--',
  `r"';ALTER ROLE mallory SUPERUSER;--`,
  's\nCOPY public.victim (a) FROM stdin;\n9\n\\.\n',
  't$$;ALTER ROLE mallory SUPERUSER;--\\',
];
const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** SQL that makes one of everything in a database that has a name, called so, with a comment that says the same. */
function called(name: string, index: number): string {
  const [id, text] = [identifier(name), literal(name)];
  const other = (letter: string): string => `${id}.${identifier(letter + name)}`;
  const remarks = (kinds: readonly string[], what: string): string[] =>
    kinds.map((kind) => `COMMENT ON ${kind} ${what} IS ${text};`);
  return [
    `CREATE SCHEMA ${id}; CREATE TABLE ${id}.${id} (${id} int DEFAULT 1 CONSTRAINT ${id} CHECK (${id} > 0), a int UNIQUE);`,
    `INSERT INTO ${id}.${id} VALUES (${index + 1}, 2); CREATE SEQUENCE ${other('s')} OWNED BY ${id}.${id}.${id};`,
    `CREATE VIEW ${other('v')} AS SELECT ${id} AS ${id} FROM ${id}.${id}; CREATE INDEX ${identifier(`i${name}`)} ON ${id}.${id} (${id});`,
    `CREATE MATERIALIZED VIEW ${other('m')} AS SELECT ${id} FROM ${id}.${id};`,
    `CREATE FUNCTION ${id}.${id}(${id} int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE PROCEDURE ${other('p')}(${id} int) LANGUAGE sql AS 'SELECT 1';`,
    `CREATE AGGREGATE ${other('a')}(int) (sfunc = int4pl, stype = int); CREATE TYPE ${other('e')} AS ENUM (${text}, 'b');`,
    `CREATE TYPE ${other('c')} AS (${id} int); CREATE TYPE ${other('r')} AS RANGE (subtype = int);`,
    `CREATE DOMAIN ${other('d')} AS int DEFAULT 1 CONSTRAINT ${id} CHECK (VALUE > 0); CREATE COLLATION ${id}.${id} (locale = 'C');`,
    `CREATE CONVERSION ${id}.${id} FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8; CREATE STATISTICS ${id}.${id} ON ${id}, a FROM ${id}.${id};`,
    `CREATE TEXT SEARCH DICTIONARY ${id}.${id} (template = simple); CREATE TEXT SEARCH CONFIGURATION ${id}.${id} (copy = simple);`,
    `CREATE OPERATOR FAMILY ${id}.${id} USING btree; CREATE FUNCTION ${other('f')}() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN NEW; END $f$;`,
    `CREATE TRIGGER ${id} BEFORE DELETE ON ${id}.${id} FOR EACH ROW EXECUTE FUNCTION ${other('f')}();`,
    `CREATE RULE ${id} AS ON UPDATE TO ${id}.${id} DO ALSO NOTIFY ${id}; CREATE POLICY ${id} ON ${id}.${id} USING (true);`,
    `CREATE PUBLICATION ${id} FOR TABLE ${id}.${id}; CREATE FOREIGN DATA WRAPPER ${id} OPTIONS (${id} ${text});`,
    `CREATE SERVER ${id} FOREIGN DATA WRAPPER ${id} OPTIONS (${id} ${text});`,
    `CREATE FOREIGN TABLE ${other('o')} (${id} int) SERVER ${id} OPTIONS (${id} ${text});`,
    `CREATE EVENT TRIGGER ${id} ON ddl_command_end WHEN TAG IN ('CREATE LANGUAGE') EXECUTE FUNCTION evt();`,
    `CREATE ACCESS METHOD ${id} TYPE INDEX HANDLER bthandler;`,
    ...remarks(['SCHEMA', 'PUBLICATION', 'FOREIGN DATA WRAPPER', 'SERVER', 'EVENT TRIGGER', 'ACCESS METHOD'], id),
    ...remarks(['TABLE', 'COLLATION', 'CONVERSION', 'STATISTICS'], `${id}.${id}`),
    ...remarks(['TEXT SEARCH DICTIONARY', 'TEXT SEARCH CONFIGURATION'], `${id}.${id}`),
    ...remarks(['TRIGGER', 'RULE', 'POLICY', 'CONSTRAINT'], `${id} ON ${id}.${id}`),
    ...remarks(['COLUMN'], `${id}.${id}.${id}`),
    `SELECT lo_create(${900 + index});`,
    ...remarks(['LARGE OBJECT'], String(900 + index)),
  ].join('\n');
}

/** How many of everything there are in a database that is called so. */
const calledSo = (host: Host, database: string): Promise<string> =>
  sql(
    host,
    database,
    `SELECT count(*), (SELECT count(*) FROM pg_description WHERE description ~ 'mallory|pwned|victim') FROM (SELECT relname FROM pg_class UNION ALL SELECT proname FROM pg_proc UNION ALL SELECT typname FROM pg_type
    UNION ALL SELECT conname FROM pg_constraint UNION ALL SELECT tgname FROM pg_trigger UNION ALL SELECT polname FROM pg_policy UNION ALL SELECT rulename FROM pg_rewrite UNION ALL SELECT evtname FROM pg_event_trigger
    UNION ALL SELECT attname FROM pg_attribute UNION ALL SELECT nspname FROM pg_namespace UNION ALL SELECT srvname FROM pg_foreign_server UNION ALL SELECT enumlabel FROM pg_enum) AS each(name)
    WHERE name ~ 'mallory|pwned|victim'; SELECT count(*) FROM victim`,
  );
const bare = `DROP SCHEMA public; DROP EXTENSION plpgsql; CREATE EXTENSION plpgsql; CREATE SCHEMA s; CREATE TABLE s."1" (a int); INSERT INTO s."1" VALUES (1);
ALTER DATABASE bare SET default_transaction_read_only = on; ALTER DATABASE bare SET statement_timeout = 1; ALTER DATABASE bare SET default_transaction_isolation = 'serializable'; ALTER DATABASE bare SET role = 'pg_monitor';`;

/** Changes the manifest, as root, between the hook and Borg. */
async function backUpChanged(host: Host, script: string): Promise<void> {
  await host.write(
    '/usr/local/bin/change',
    `#!/usr/bin/python3\nimport glob, json\npath = glob.glob("/backup/postgresql/*-main/manifest.json")[0]\nmanifest = json.load(open(path))\nfiles = manifest["files"]\n${script}\njson.dump(manifest, open(path, "w"))\n`,
    '0755',
  );
  await host.write(
    '/run/systemd/system/backup.service.d/tamper.conf',
    '[Service]\nExecStartPre=+/usr/local/bin/change\n',
  );
  await host.run('systemctl daemon-reload');
  const { ok, log } = await backUp(host);
  await host.run('rm /run/systemd/system/backup.service.d/tamper.conf; systemctl daemon-reload');
  expect(ok, log).toBe(true);
}

onEachRelease(
  'the owner of a table',
  async ({ lab, host }) => {
    await sql(
      host,
      'postgres',
      `CREATE ROLE mallory LOGIN; CREATE ROLE owner; CREATE DATABASE traps OWNER mallory; CREATE DATABASE shop OWNER owner; CREATE DATABASE odd; CREATE DATABASE bare;`,
    );
    await sql(
      host,
      'shop',
      'CREATE TABLE orders AS SELECT n, md5(n::text) AS t FROM generate_series(1, 500) n; CREATE TABLE secrets AS SELECT 1 AS n',
    );
    await sql(host, 'odd', [odd, ...hostileNames.map(called)].join('\n'));
    await sql(host, 'bare', bare);
    await lab.roles(['borg', 'postgres'], {
      backup_paths: ['/etc/hostname'],
      backup_mail_to: [],
      postgres_exclude: ['postgres', 'template1'],
    });
  },
  (fixture) => {
    it('has no function run as the superuser when it is dumped: of an index, statistics, a partition, a policy, a rule, a cast, or one called like a built-in', async () => {
      const { host } = fixture;
      await sql(
        host,
        'traps',
        `SET SESSION AUTHORIZATION mallory; ${mark} CREATE SCHEMA s; SET search_path = s, public; CREATE TABLE t AS SELECT 1 AS n; CREATE TABLE other AS SELECT 1 AS n;
        ${['of_index', 'of_statistics', 'of_generated', 'of_part', 'of_default', 'of_view'].map((name) => trap(name)).join('\n')}
        ${['of_predicate', 'of_check', 'of_domain', 'of_policy'].map((name) => trap(name, 'int', 'boolean', 'true')).join('\n')} ${trap('of_range', 'int, int', 'float8', '1')} ${trap('of_aggregate', 'int, int')} ${trap('of_cast', 's.t', 'text', "'x'")} ${trap('of_operator', 'name, text', 'boolean', 'true')}
        CREATE INDEX ON t (of_index(n)); CREATE INDEX ON t (n) WHERE of_predicate(n); CREATE STATISTICS st ON (of_statistics(n)), (n + 1) FROM t; ANALYZE t;
        -- Of what is constant the planner knows the value before it plans.
        CREATE INDEX ON other (of_index(2)); CREATE INDEX ON other (n) WHERE of_predicate(2); CREATE STATISTICS st2 ON (of_statistics(2)), (n + 1) FROM other; ALTER TABLE other ADD CHECK (of_check(2));
        CREATE DOMAIN d AS int CHECK (of_domain(VALUE)); CREATE TABLE g (n int CHECK (of_check(n)), d d, x int GENERATED ALWAYS AS (of_generated(n)) STORED, y int DEFAULT of_default(1)); INSERT INTO g VALUES (1, 2);
        CREATE TABLE p (n int) PARTITION BY RANGE (of_part(n)); CREATE TABLE p1 PARTITION OF p DEFAULT; INSERT INTO p VALUES (1); CREATE INDEX ON p (of_index(n));
        ALTER TABLE other ENABLE ROW LEVEL SECURITY; ALTER TABLE other FORCE ROW LEVEL SECURITY; CREATE POLICY p ON other USING (of_policy(n)); CREATE VIEW v AS SELECT of_view(n) FROM t; CREATE MATERIALIZED VIEW mv AS SELECT of_view(n) FROM t;
        CREATE RULE r AS ON UPDATE TO t DO ALSO SELECT of_view(1); CREATE CAST (t AS text) WITH FUNCTION of_cast(t); CREATE OPERATOR !~ (leftarg = name, rightarg = text, function = of_operator);
        CREATE TYPE r AS RANGE (subtype = int, subtype_diff = of_range); CREATE TABLE ranges AS SELECT r(n, n + 9) AS r FROM generate_series(1, 300) n; CREATE INDEX ON ranges USING gist (r); ALTER TABLE ranges ADD EXCLUDE USING gist (r WITH =); ANALYZE ranges;
        CREATE AGGREGATE agg(int) (sfunc = of_aggregate, stype = int, initcond = '0'); CREATE VIEW sums AS SELECT agg(n) FROM t; CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.mark('fired'); RETURN NEW; END $$;
        CREATE TRIGGER tr BEFORE INSERT OR UPDATE ON other FOR EACH ROW EXECUTE FUNCTION fired(); ALTER TABLE other ENABLE ALWAYS TRIGGER tr;
        CREATE TABLE inherits () INHERITS (t); INSERT INTO inherits VALUES (3); CREATE INDEX ON inherits (of_index(n));
        ${['encode', 'textsend', 'format', 'current_setting', 'pg_get_userbyid', 'shobj_description', 'aclexplode'].map((name) => trap(name, { encode: 'bytea, text', textsend: 'text', format: 'text, name, name', current_setting: 'text', pg_get_userbyid: 'oid', shobj_description: 'oid, text', aclexplode: 'aclitem[]' }[name], 'text', "'x'")).join('\n')}
        ALTER DATABASE traps SET search_path = s, public, pg_catalog;`,
      );
      // As in a cluster that was made before PostgreSQL 15: everybody may make something in template1.
      await sql(
        host,
        'template1',
        `GRANT CREATE ON SCHEMA public TO PUBLIC; SET SESSION AUTHORIZATION mallory; ${mark} ${trap('public.jsonb_build_array', 'text, text, boolean', 'jsonb', "'[]'")}
        ${trap('public.to_jsonb', 'pg_database', 'jsonb', "'{}'")} ${trap('public.encode', 'bytea, text', 'text', "'x'")} ${trap('public.pg_encoding_to_char', 'integer', 'name', "'UTF8'")}`,
      );
      await host.run(`rm -f /tmp/pwned*`);
      const { ok, log } = await backUp(host);
      expect(await marks(host)).toBe('');
      expect(ok, log).toBe(true);
      expect(await superusers(host)).toBe('postgres\n');
      await sql(host, 'postgres', 'DROP DATABASE traps');
    });

    it('cannot keep a database from being saved by what is set for it', async () => {
      const { host } = fixture;
      await sql(
        host,
        'shop',
        `ALTER DATABASE shop SET role = 'mallory'; ALTER DATABASE shop SET statement_timeout = 1; ALTER DATABASE shop SET lock_timeout = 1; ALTER DATABASE shop SET client_encoding = 'LATIN1'; CREATE TABLE unicode AS SELECT '→' AS t;`,
      );
      const { ok, log } = await backUp(host);
      await sql(host, 'postgres', 'ALTER DATABASE shop RESET ALL');
      expect(ok, log).toBe(true);
      const manifest = JSON.parse((await host.run('cat /backup/postgresql/*-main/manifest.json')).stdout) as {
        files: Record<string, { tables: Record<string, { rows: number }> }>;
      };
      expect(manifest.files['shop.dump']?.tables['public.orders']?.rows).toBe(500);
    });

    it('keeps nothing of others from being saved, restored or proven by a locale, a comment or a setting of any length', async () => {
      const { host } = fixture;
      const long = (statement: string, size: number): string =>
        `DO $do$ BEGIN EXECUTE format($f$${statement}$f$, repeat('é', ${size})); END $do$;`;
      await sql(
        host,
        'postgres',
        `CREATE ROLE anybody LOGIN; CREATE DATABASE mine OWNER mallory; SET SESSION AUTHORIZATION mallory; ALTER DATABASE mine SET lc_monetary = E'C.UTF-8@\\nx';
        ${long('COMMENT ON DATABASE mine IS %L', 2_000_000)} ${long('ALTER ROLE mallory SET application_name = %L', 10_000_000)}`,
      );
      await sql(
        host,
        'postgres',
        `SET SESSION AUTHORIZATION anybody; ${long('ALTER ROLE anybody IN DATABASE shop SET application_name = %L', 2_000_000)}`,
      );
      // Quoted, it is twice as long, and no argument for any program.
      await sql(
        host,
        'postgres',
        `SET SESSION AUTHORIZATION mallory; ${long('ALTER ROLE mallory IN DATABASE shop SET application_name = %L', 65_519).replace('é', '\\')}`,
      );
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const said = await host.journal('backup-postgresql.service');
      for (const name of ['mine', 'shop']) expect(said).toContain(`"${name}" has settings or a comment of more than`);
      expect((await host.run('stat -c %s /backup/postgresql/*-main/manifest.json')).stdout.length).toBeLessThan(7);
      const restored = await restore(host, '--globals', '--into', 'copy', 'postgresql', 'shop');
      expect(restored.ok, restored.said).toBe(true);
      expect(restored.said).toContain('globals: left out, since it is too long: "ALTER ROLE mallory SET');
      const proven = await drill(host);
      expect(proven.ok, proven.log).toBe(true);
      await sql(
        host,
        'postgres',
        'DROP DATABASE mine; DROP DATABASE copy; DROP ROLE anybody; ALTER ROLE mallory RESET ALL; ALTER ROLE mallory IN DATABASE shop RESET ALL',
      );
    });

    it('gives no SQL to whoever restores a database by the settings of a role in it; they come back as they were', async () => {
      const { host } = fixture;
      for (const [index, [name, value]] of values.entries()) {
        // Its own setting, which every role that may log in can make; one that no module knows only a superuser. FROM CURRENT takes a text as it stands.
        const as = name.includes('.') ? '' : `SET SESSION AUTHORIZATION role_${index};`;
        const set =
          name === 'search_path'
            ? `SELECT set_config('search_path', ${literal(value)}, false); ALTER ROLE role_${index} IN DATABASE shop SET search_path FROM CURRENT`
            : `ALTER ROLE role_${index} IN DATABASE shop SET ${name} = ${literal(value)}`;
        await sql(host, 'postgres', `CREATE ROLE role_${index} LOGIN; ${as} ${set}`);
      }
      await sql(
        host,
        'postgres',
        `CREATE ROLE "r""; ALTER ROLE mallory SUPERUSER; --"; GRANT CONNECT ON DATABASE shop TO "r""; ALTER ROLE mallory SUPERUSER; --";
        COMMENT ON DATABASE shop IS ${literal("x'; ALTER ROLE mallory SUPERUSER; --\n\\! touch /tmp/pwned-comment\n")}; ALTER DATABASE shop SET search_path = ${literal(injected)};`,
      );
      // A name comes back quoted, as pg_dump does it too.
      const plain = async (database: string): Promise<string> =>
        (await settings(host, database)).replaceAll('"', '').toLowerCase();
      const before = await plain('shop');
      expect((await backUp(host)).ok).toBe(true);
      const { ok, said } = await restore(host, '--into', 'settled', 'postgresql', 'shop');
      expect(await superusers(host)).toBe('postgres\n');
      expect(await plain('settled')).toBe(before);
      expect(before.split('role_').length, before).toBeGreaterThan(values.length);
      expect(ok, said).toBe(true);
      await sql(host, 'postgres', 'DROP DATABASE settled; ALTER DATABASE shop RESET ALL');
    });

    it('gives neither SQL nor a word of psql to whoever restores the roles, by the names, comments and settings of these', async () => {
      const { host } = fixture;
      const names = [
        'x\n\\! psql -Xc "ALTER ROLE mallory SUPERUSER"\n',
        'y\nALTER ROLE mallory SUPERUSER;\n--',
        "z'; ALTER ROLE mallory SUPERUSER; --",
        'q:mallory\\',
      ];
      for (const name of names)
        await sql(
          host,
          'postgres',
          `CREATE ROLE ${identifier(name)}; COMMENT ON ROLE ${identifier(name)} IS ${literal(name)}; ALTER ROLE ${identifier(name)} SET "app.x" = ${literal(name)}; ALTER ROLE ${identifier(name)} SET search_path = ${literal(injected)}`,
        );
      const roles = (): Promise<string> =>
        sql(
          host,
          'postgres',
          `SELECT rolname, rolconfig, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname ~ '^[xyzq][^a-z]' ORDER BY 1`,
        );
      const before = await roles();
      expect((await backUp(host)).ok).toBe(true);
      for (const name of names) await sql(host, 'postgres', `DROP ROLE ${identifier(name)}`);
      const { ok, said } = await restore(host, '--globals', '--into', 'with_roles', 'postgresql', 'shop');
      expect(ok, said).toBe(true);
      expect(await superusers(host)).toBe('postgres\n');
      expect(await roles()).toBe(before);
      await sql(host, 'postgres', 'DROP DATABASE with_roles');
    });

    it('gives neither SQL, nor a word of psql, nor rows of another table by the name or the comment of anything', async () => {
      const { host } = fixture;
      const { ok, said } = await restore(host, '--into', 'odd_copy', 'postgresql', 'odd');
      expect(ok, said).toBe(true);
      expect(await marks(host)).toBe('');
      expect(await superusers(host)).toBe('postgres\n');
      const before = await calledSo(host, 'odd');
      expect(Number(before.split('|')[0]), before).toBeGreaterThan(hostileNames.length * 40);
      expect(before).toMatch(/\n3\n$/);
      expect(await calledSo(host, 'odd_copy')).toBe(before);
      await sql(host, 'postgres', 'DROP DATABASE odd_copy');
    });

    it('is proven in a sandbox of its own: it sees no other dump, no socket of the host, and leaves nothing where somebody reads it', async () => {
      const { host } = fixture;
      await sql(host, 'postgres', 'CREATE DATABASE probe');
      await sql(
        host,
        'probe',
        `CREATE FUNCTION f(int) RETURNS boolean LANGUAGE plpgsql AS $$ DECLARE found text; BEGIN
        IF current_setting('cluster_name') <> '' THEN RETURN true; END IF;
        CREATE TEMP TABLE said (t text); COPY said FROM PROGRAM 'for place in /dev/shm /run /run/lock /dev/mqueue /tmp /var/tmp /run/backup-told; do cp -r /var/lib/backup-prove $place/loot; done; chmod -R a+rX /dev/shm/loot; find / -name "*.dump" -o -type s 2> /dev/null; find /run /dev/shm -mindepth 1 2> /dev/null; true';
        SELECT string_agg(t, ' ') INTO found FROM said; RAISE EXCEPTION 'found: %', found; END $$; CREATE TABLE t (n int CHECK (f(n))); INSERT INTO t VALUES (1);`,
      );
      expect((await backUp(host)).ok).toBe(true);
      const { ok, log } = await drill(host);
      const found = /found: (.*)/.exec(log)?.[1] ?? '';
      expect(found).toContain('probe.dump');
      expect(found).not.toMatch(
        /(shop|odd|bare)\.dump|\/run\/postgresql|dbus|notify|journal|\.s\.PGSQL\.5432.*\.s\.PGSQL\.5432 /,
      );
      expect((await host.run('find /dev/shm /run /dev/mqueue /tmp /var/tmp -name loot; true')).stdout).toBe('');
      // It failed for that database only: each of the others came back as it was, however odd.
      expect(ok).toBe(false);
      expect(log).toMatch(/database "probe": cannot be restored/);
      expect(log.match(/: database "/g)?.length, log).toBe(1);
      expect(log).toMatch(/: \d+ databases, \d+ tables, \d+ rows proven/);
      await sql(host, 'postgres', 'DROP DATABASE probe');
    });

    it('fills nothing of the memory of the host while it is proven', async () => {
      const { host } = fixture;
      await sql(host, 'postgres', 'CREATE DATABASE filler');
      await sql(
        host,
        'filler',
        provenBy(
          `COPY (SELECT 1) TO PROGRAM 'for place in /run /run/lock /run/user /run/backup-drill /dev/shm /dev/mqueue; do (head -c 8M /dev/zero > $place/fill; mkdir $place/many); done; exec sleep 1000'`,
        ),
      );
      expect((await backUp(host)).ok).toBe(true);
      await host.run(
        'systemctl start --no-block backup-drill.service; until pgrep -u backup-prove -x sleep; do systemctl is-failed backup-drill.service && exit 1; sleep 0.1; done',
        { timeoutSeconds: 120 },
      );
      const found = (await host.run('find /run /dev/shm /dev/mqueue -user backup-prove')).stdout;
      await host.run('systemctl stop backup-drill.service');
      expect(found).toBe('');
      await sql(host, 'postgres', 'DROP DATABASE filler');
    });

    it('leaves the others their share of the time in the drill, however long its own proof takes', async () => {
      const { host } = fixture;
      await sql(host, 'postgres', 'CREATE DATABASE sleeper');
      await sql(host, 'sleeper', provenBy('PERFORM pg_sleep(100000)'));
      expect((await backUp(host)).ok).toBe(true);
      // So that nobody waits long: a share of it is what the test takes.
      await host.write('/run/systemd/system/backup-drill.service.d/short.conf', '[Service]\nTimeoutStartSec=2min\n');
      await host.run(
        "systemctl daemon-reload; grep --recursive --files-with-matches 'max(60, ' /usr/local/lib/backup | xargs --no-run-if-empty sed -i 's/max(60, /max(5, /'",
      );
      const { ok, log } = await drill(host);
      await host.run('rm /run/systemd/system/backup-drill.service.d/short.conf; systemctl daemon-reload');
      expect(ok).toBe(false);
      expect(log).toMatch(
        /backup-prove@postgresql:\d+\.service did not end within \d+ s, its share of the time for the drill/,
      );
      expect(log).toMatch(/: 3 databases, \d+ tables, \d+ rows proven/);
      expect(log).toContain('hook postgresql: its dump is not proven');
      await sql(host, 'postgres', 'DROP DATABASE sleeper');
    });

    it('is dumped without a table that pg_dump left out: the backup fails, and the dump is kept', async () => {
      const { host } = fixture;
      await host.write(
        '/usr/local/bin/pg_dump',
        '#!/bin/bash\nif [ "$PGDATABASE" = shop ]; then set -- --exclude-table=public.secrets "$@"; fi\nexec /usr/bin/pg_dump "$@"\n',
        '0755',
      );
      const { ok, log } = await backUp(host);
      await host.write(
        '/usr/local/bin/pg_dump',
        '#!/bin/bash\nif [ "$PGDATABASE" = shop ]; then set -- --exclude-table-data=public.secrets "$@"; fi\nexec /usr/bin/pg_dump "$@"\n',
        '0755',
      );
      const data = await backUp(host);
      await host.run('rm /usr/local/bin/pg_dump');
      expect(ok, log).toBe(false);
      expect(data.ok, data.log).toBe(false);
      const said = await host.journal('backup-postgresql.service');
      expect(
        said.match(/database "shop" was dumped, but it lacks "public\.secrets", which is in the database/g)?.length,
      ).toBeGreaterThanOrEqual(2);
      expect((await host.run('pg_restore --list /backup/postgresql/*-main/shop.dump')).stdout).toMatch(
        /TABLE DATA public orders/,
      );
      expect((await host.run('pg_restore --list /backup/postgresql/*-main/shop.dump')).stdout).not.toMatch(
        /TABLE DATA public secrets/,
      );
      expect((await backUp(host)).ok).toBe(true);
    });

    it('has rows that are lost while they are loaded noticed, and others; a manifest of before is held to what it tells', async () => {
      const { host } = fixture;
      await host.write(
        '/usr/local/bin/pg_restore',
        `#!/bin/bash
/usr/bin/pg_restore "$@" || exit
[[ "$(id -un) $* " == backup-prove*--jobs* ]] || exit 0
psql -Xqd drill -c 'DELETE FROM public.orders WHERE n = 7' -c 'UPDATE public.hashed SET n = 0 WHERE n = 7' -c 'UPDATE public.child SET a = 9 WHERE a = 2' -c "SELECT nextval(oid::regclass) FROM pg_class WHERE relkind = 'S' AND relname ~ '^s'" > /dev/null 2>&1
exit 0
`,
        '0755',
      );
      const lost = await drill(host);
      await host.run('rm /usr/local/bin/pg_restore');
      expect(lost.ok).toBe(false);
      for (const message of [
        'database "shop": table public.orders has 499 rows, but had 500',
        'database "odd": table public.hashed has other contents than it had',
        'database "odd": table public.child has other contents than it had',
      ])
        expect(lost.log).toContain(message);
      expect(lost.log).toMatch(/database "odd": sequence .* is at 2, true, but was at 1, true/);
      const former = `
for entry in files.values():
    if entry["database"] is not None:
        tables = {name: {"rows": each["rows"], "checksum": "123"} for name, each in entry["tables"].items()}
        entry["tables"] = {**tables, "indexes": {"rows": 99, "checksum": "0"}, "large objects": {"rows": 2, "checksum": "7"}}
        for each in ("objects", "sequences", "large objects", "lc_monetary"):
            del entry[each]`;
      await backUpChanged(host, former);
      const whole = await drill(host);
      expect(whole.ok, whole.log).toBe(true);
      const again = await restore(host, '--into', 'former', 'postgresql', 'shop');
      expect(again.ok, again.said).toBe(true);
      await backUpChanged(host, `${former}\nfiles["shop.dump"]["tables"]["public.orders"]["rows"] = 501`);
      expect((await drill(host)).log).toContain('database "shop": table public.orders has 500 rows, but had 501');
    });

    it('lets nobody who may only log in into a database while it is restored', async () => {
      const { host } = fixture;
      await sql(host, 'postgres', 'CREATE ROLE watcher LOGIN');
      await sql(
        host,
        'shop',
        'GRANT SELECT ON orders TO PUBLIC; CREATE FUNCTION public.slow(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$ SELECT pg_sleep(2); SELECT $1 $$; CREATE TABLE public.slowly AS SELECT 1 AS n; CREATE INDEX ON slowly (public.slow(n))',
      );
      expect((await backUp(host)).ok).toBe(true);
      const tried = `until name=$(runuser -u postgres -- psql -XAtqc "SELECT datname FROM pg_database WHERE datname LIKE 'restoring_%'" | grep .); do sleep 0.05; done
        until runuser -u postgres -- psql -XAtqc "SELECT 'loading' FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%'" | grep --quiet loading; do sleep 0.05; done
        sed -i '1i local all watcher trust' /etc/postgresql/*/main/pg_hba.conf; runuser -u postgres -- psql -Xqc 'SELECT pg_reload_conf()' > /dev/null; sleep 0.3
        psql -XAt -U watcher -h /var/run/postgresql -d "$name" -c 'SELECT count(*) FROM orders'; sed -i 1d /etc/postgresql/*/main/pg_hba.conf`;
      const [restored, stolen] = await Promise.all([
        restore(host, '--into', 'copy', 'postgresql', 'shop'),
        host.run(tried, { mayFail: true, timeoutSeconds: 120 }),
      ]);
      expect(restored.ok, restored.said).toBe(true);
      expect(stolen.stdout).toBe('');
      expect(stolen.stderr).toMatch(/too many connections for database/);
      expect(await sql(host, 'postgres', "SELECT datconnlimit FROM pg_database WHERE datname = 'copy'")).toBe('-1\n');
      await sql(host, 'postgres', 'DROP DATABASE copy; DROP ROLE watcher');
      await sql(host, 'shop', 'DROP TABLE slowly; DROP FUNCTION public.slow');
    });

    it('does not get what is half loaded, whatever its parts are called and whatever is set for it, and the rest is loaded', async () => {
      const { host } = fixture;
      const forged = '"f\nCommand was: CREATE INDEX i ON t (n);\n"()';
      await sql(host, 'postgres', 'CREATE ROLE passing; CREATE DATABASE half OWNER mallory');
      await sql(
        host,
        'half',
        `CREATE FUNCTION ${forged} RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; END $$;
        ALTER FUNCTION ${forged} OWNER TO passing; CREATE TABLE t AS SELECT n FROM generate_series(1, 100) n;
        CREATE FUNCTION here() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF current_database() <> 'half' THEN RAISE 'not here'; END IF; RETURN 1; END $$; CREATE MATERIALIZED VIEW v AS SELECT here();
        ALTER ROLE postgres IN DATABASE half SET exit_on_error = on; ALTER DATABASE half SET work_mem = '7MB'; ALTER DATABASE half SET session_preload_libraries = 'nosuch'`,
      );
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      await sql(host, 'postgres', 'ALTER ROLE passing RENAME TO gone');
      const restored = await restore(host, '--into', 'half_copy', 'postgresql', 'half');
      expect(restored.ok).toBe(false);
      for (const part of [
        /not loaded: ALTER FUNCTION public\."f/,
        /not loaded: a materialized view has no rows until it is refreshed: .*not here/,
        /not loaded: ALTER DATABASE \S+ SET "session_preload_libraries".*could not access file "nosuch"/,
        /"half_copy": restored from "half" but for what is named above/,
        /nobody but superusers is let in/,
      ])
        expect(restored.said).toMatch(new RegExp(part.source, 's'));
      const { stderr } = await host.run(
        `psql -Xqc 'SET SESSION AUTHORIZATION mallory' -c 'ALTER DATABASE half_copy CONNECTION LIMIT -1' postgres`,
        { user: 'postgres', mayFail: true },
      );
      expect(stderr).toContain('must be owner of database half_copy');
      expect(await superusers(host)).toBe('postgres\n');
      expect(await sql(host, 'half_copy', 'SELECT count(*) FROM t; SHOW work_mem')).toBe('100\n7MB\n');
      await sql(host, 'postgres', 'DROP DATABASE half_copy; DROP DATABASE half; DROP ROLE gone');
    });

    it('keeps no database of others from being saved by a lock that pg_dump waits for without a limit', async () => {
      const { host } = fixture;
      await fixture.lab.roles(['postgres'], { postgres_exclude: ['postgres', 'template1'], postgres_lock_wait: 3 });
      // A name that is no UTF-8: to the server it is bytes.
      await sql(host, 'postgres', `CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
      await host.run(`printf 'CREATE DATABASE "held-\\xe9"' | PGCLIENTENCODING=LATIN1 psql -Xq latin`, {
        user: 'postgres',
      });
      await host.write(
        '/usr/local/bin/hold',
        `#!/bin/bash
export PGDATABASE=$'held-\\xe9'
exec psql -Xqc 'CREATE SEQUENCE q' -c 'BEGIN; ALTER SEQUENCE q RENAME TO q2; SELECT pg_sleep(600); ROLLBACK'
`,
        '0755',
      );
      await host.run('systemd-run --quiet --collect --unit=hold --uid=postgres -- /usr/local/bin/hold');
      await host.run(
        `until runuser -u postgres -- psql -XAtqc "SELECT 'holds' FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()" | grep --quiet holds; do sleep 0.1; done`,
        { timeoutSeconds: 60 },
      );
      const begun = Date.now();
      const { ok } = await backUp(host);
      await host.run('systemctl stop hold.service');
      expect(ok).toBe(false);
      expect(await host.journal('backup-postgresql.service')).toMatch(/database "held-\\udce9" was not dumped/);
      const { files } = JSON.parse((await host.run('cat /backup/postgresql/*-main/manifest.json')).stdout) as {
        files: Record<string, { finished: string }>;
      };
      for (const name of ['shop.dump', 'odd.dump'])
        expect(Date.parse(files[name]?.finished ?? ''), name).toBeGreaterThan(begun - 2000);
    });
  },
);
