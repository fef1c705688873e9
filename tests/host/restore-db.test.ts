import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { archives, backUp, newest, onEachRelease, start } from './fixture.ts';

const odd = 'odd "name\' é';
const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

async function sql(host: Host, database: string, script: string): Promise<string> {
  return (
    await host.run(['env', `PGDATABASE=${database}`, 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', '-'], {
      user: 'postgres',
      input: script,
    })
  ).stdout;
}

/** Does something while `shop` has an index that takes three seconds to make; the dump of it goes again. */
async function whileSlow(host: Host, work: () => Promise<void>): Promise<void> {
  await sql(
    host,
    'shop',
    'CREATE TABLE public.slow AS SELECT 1 AS n; CREATE FUNCTION public.wait(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$ SELECT pg_sleep(3); SELECT $1 $$; CREATE INDEX ON public.slow (public.wait(n))',
  );
  try {
    expect((await backUp(host)).ok).toBe(true);
    await work();
  } finally {
    // What failed here is not to take the next tests with it.
    await sql(host, 'postgres', 'DROP DATABASE IF EXISTS first; DROP DATABASE IF EXISTS second');
    await sql(host, 'shop', 'DROP TABLE IF EXISTS public.slow; DROP FUNCTION IF EXISTS public.wait');
    await host.run(`backup-borg delete ::${await newest(host, 'dumps')}`);
  }
}

/** Waits until the slow index is being made, then sends a signal to `backupctl`. */
const interruptLoading = (host: Host, signal: string): Promise<unknown> =>
  host.run(
    `until runuser -u postgres -- psql -XAtqc "SELECT 'loading' FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%'" | grep --quiet loading; do sleep 0.02; done
    pkill --signal=${signal} --full '^/usr/bin/python3 -IB /usr/local/sbin/backupctl restore-db'`,
    { timeoutSeconds: 120 },
  );

/** Runs `backupctl restore-db`. @returns whether it succeeded and what it said. */
async function restore(host: Host, ...args: string[]): Promise<{ ok: boolean; said: string }> {
  const { code, stdout, stderr } = await host.run(['backupctl', 'restore-db', ...args], { mayFail: true });
  return { ok: code === 0, said: stdout + stderr };
}

/** The state of the unit that loads. */
async function loader(host: Host): Promise<string> {
  const { stdout } = await host.run(
    'for each in ActiveState Result; do systemctl show --property=$each --value backup-postgresql-restore; done',
  );
  return stdout.trim().replace('\n', ' ');
}

/** What a database is, beside what is in its tables. */
const properties = (host: Host, name: string): Promise<string> =>
  sql(
    host,
    'postgres',
    `SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datconnlimit, (SELECT array_agg(a ORDER BY a::text) FROM unnest(datacl) a), (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid AND setrole = 0), (SELECT array_agg(setrole::regrole || ' ' || setconfig::text) FROM pg_db_role_setting WHERE setdatabase = d.oid AND setrole <> 0), shobj_description(d.oid, 'pg_database') FROM pg_database d WHERE datname = '${name.replaceAll("'", "''")}'`,
  );
const contents = (host: Host, name: string): Promise<string> =>
  sql(
    host,
    name,
    "SELECT count(*), sum(n), md5(string_agg(t, ',' ORDER BY n)) FROM data; SELECT count(*) FROM pg_indexes WHERE tablename = 'data'",
  );

onEachRelease(
  'backupctl restore-db',
  async ({ lab, host }) => {
    await sql(
      host,
      'postgres',
      `CREATE ROLE app LOGIN; CREATE ROLE reader; CREATE DATABASE shop OWNER app; CREATE DATABASE ${identifier(odd)} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;
      ALTER DATABASE shop SET search_path = public, "odd schema"; ALTER DATABASE shop SET work_mem = '7MB'; ALTER DATABASE shop CONNECTION LIMIT 17; ALTER DATABASE shop SET app.motto = 'it''s \\ odd';
      ALTER ROLE app IN DATABASE shop SET search_path = app, public; COMMENT ON DATABASE shop IS 'It''s the shop';
      REVOKE CONNECT ON DATABASE shop FROM PUBLIC; GRANT CONNECT ON DATABASE shop TO reader WITH GRANT OPTION;`,
    );
    for (const name of ['shop', odd])
      await sql(
        host,
        name,
        'CREATE TABLE public.data AS SELECT n, md5(n::text) AS t FROM generate_series(1, 2000) n; CREATE INDEX ON public.data (n)',
      );
    await lab.roles(['borg', 'postgres'], { backup_paths: ['/etc/hostname'] });
    expect((await backUp(host)).ok).toBe(true);
  },
  (fixture) => {
    it('loads a dump into a new database, as its own user, and only what is asked for', async () => {
      const { host } = fixture;
      const { ok, said } = await restore(host, '--into', 'shop_again', 'postgresql', 'shop');
      expect(ok, said).toBe(true);
      expect(said).toMatch(/database "shop_again": restored from "shop", as it was at \S+Z/);
      expect(await contents(host, 'shop_again')).toBe(await contents(host, 'shop'));
      expect(await properties(host, 'shop_again')).toBe(await properties(host, 'shop'));
      for (const property of [/reader=c\*\/app/, /app .*search_path=app, public/, /It's the shop/])
        expect(await properties(host, 'shop')).toMatch(property);
      expect(
        (await host.run('systemctl show -p User --value backup-postgresql-restore backup-stage@postgresql')).stdout,
      ).toBe('postgres\n\nborg\n');
      expect(
        (await host.run('find /var/lib/backup-restore -mindepth 1 ! -name .at-work; find /var/lib/borg ! -user borg'))
          .stdout,
      ).toBe('');
      expect(
        (
          await sql(host, 'postgres', "SELECT count(*) FROM pg_database WHERE datname ~ '^(restoring|replaced)_'")
        ).trim(),
      ).toBe('0');
    });

    it('takes nothing out but what is asked for, whether the record of the archive is there or not', async () => {
      const { host } = fixture;
      // A dump, as another hook may name it, that the pattern for shop matches too.
      await host.write(
        '/usr/local/bin/add',
        `#!/usr/bin/python3
import glob, json, os, shutil
os.chdir(glob.glob("/backup/postgresql/*-main")[0])
shutil.copy2("shop.dump", "shop.old.dump")
with open("manifest.json", "r+") as file:
    manifest = json.load(file)
    manifest["files"]["shop.old.dump"] = dict(manifest["files"]["shop.dump"], database="shop.old")
    file.seek(0)
    file.truncate()
    json.dump(manifest, file)
`,
        '0755',
      );
      await host.write(
        '/run/systemd/system/backup.service.d/tamper.conf',
        '[Service]\nExecStartPre=+/usr/local/bin/add\n',
      );
      await host.run('systemctl daemon-reload');
      expect((await backUp(host)).ok).toBe(true);
      await host.run('rm /run/systemd/system/backup.service.d/tamper.conf');
      await host.write(
        '/run/systemd/system/backup-postgresql-restore.service.d/show.conf',
        '[Service]\nExecStartPost=/usr/bin/find /var/lib/backup-restore/postgresql/dump -type f -printf "taken: %%f\\n"\n',
      );
      await host.run('systemctl daemon-reload');
      for (const name of ['taken_once', 'taken_twice']) {
        const { ok, said } = await restore(host, '--into', name, 'postgresql', 'shop');
        expect(ok, said).toBe(true);
        expect([...said.matchAll(/^taken: (.*)$/gm)].map(([, file]) => file).sort()).toEqual([
          'manifest.json',
          'shop.dump',
        ]);
        await sql(host, 'postgres', `DROP DATABASE ${name}`);
        await host.run('mv /var/lib/borg/records /var/lib/borg/records.away; mkdir /var/lib/borg/records', {
          mayFail: true,
        });
      }
      await host.run(
        'rm -r /var/lib/borg/records /run/systemd/system/backup-postgresql-restore.service.d; mv /var/lib/borg/records.away /var/lib/borg/records; systemctl daemon-reload',
      );
      await host.run(`backup-borg delete ::${await newest(host, 'dumps')}`);
    });

    it('knows the checksum of a file when it is there, also of one that was replaced meanwhile by one of its size', async () => {
      const { host } = fixture;
      await host.write(
        '/root/arrivals.py',
        `
import hashlib, os, sys, time
sys.path.insert(0, "/usr/local/lib/backup")
from rootless_backup.restore.arrivals import Arrivals
os.makedirs("/root/arriving/below")
os.chdir("/root/arriving")
arrivals = Arrivals()
with arrivals:
    for name in ("small", "below/first", "below/second"):
        with open(name, "wb") as file:
            for block in range(3 if name == "small" else 40):
                file.write(os.urandom(100_000))
                time.sleep(0.003)
        os.utime(name, (1, 1))
truth = {name: hashlib.sha256(open(name, "rb").read()).hexdigest() for name in ("small", "below/first", "below/second")}
known = {os.path.relpath(path): entry[2] for path, entry in arrivals.found.items()}
print("known", known == truth)
with open("new", "wb") as file:
    file.write(os.urandom(os.path.getsize("small")))
os.rename("new", "small")
for name in truth:
    print("right", arrivals.checksum(name, open(name, "rb")) == hashlib.sha256(open(name, "rb").read()).hexdigest())
with arrivals:
    with open("below/first", "r+b") as file:
        file.write(b"another")
print("right", arrivals.checksum("below/first", open("below/first", "rb")) == hashlib.sha256(open("below/first", "rb").read()).hexdigest())
`,
      );
      expect((await host.run('python3 -B /root/arrivals.py; rm -r /root/arriving')).stdout).toBe(
        'known True\nright True\nright True\nright True\nright True\n',
      );
    });

    it('does not touch a database that is there, unless it is told to, and then loads it beside it first', async () => {
      const { host } = fixture;
      await sql(host, 'shop', 'UPDATE public.data SET n = 0');
      const changed = await contents(host, 'shop');
      const refused = await restore(host, 'postgresql', 'shop', odd);
      expect(refused.ok).toBe(false);
      expect(refused.said).toMatch(
        /there is a database "shop" already, and it is not empty\. Restore under another name \(--into NAME\), or in its place \(--over\)/,
      );
      expect(await contents(host, 'shop')).toBe(changed);
      // Somebody is connected to it.
      await host.run(
        "systemd-run --quiet --unit=reader --uid=postgres psql -X -c 'SELECT pg_sleep(600)' shop; sleep 0.5",
      );
      const done = await restore(host, '--over', 'postgresql', 'shop', odd);
      expect(done.ok, done.said).toBe(true);
      expect(await contents(host, 'shop')).toBe(await contents(host, 'shop_again'));
      expect(await contents(host, odd)).toMatch(/^2000\|/);
      expect(await properties(host, odd)).toMatch(/^postgres\|LATIN1\|C\|/);
      expect(await properties(host, 'shop')).toBe(await properties(host, 'shop_again'));
      expect(
        (
          await sql(host, 'postgres', "SELECT count(*) FROM pg_database WHERE datname ~ '^(restoring|replaced)_'")
        ).trim(),
      ).toBe('0');
    });

    it('does not take a database for empty that has no table but a function, a large object, or rules of its own for words and rights', async () => {
      const { host } = fixture;
      for (const what of [
        'CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
        'SELECT lo_create(4712)',
        'CREATE VIEW public.v AS SELECT 1 AS n',
        'CREATE SCHEMA s',
        'CREATE TEXT SEARCH CONFIGURATION public.words (COPY = simple)',
        'CREATE COLLATION public.german FROM "C"',
        'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader',
      ]) {
        await sql(host, 'postgres', 'CREATE DATABASE holds');
        await sql(host, 'holds', what);
        const { ok, said } = await restore(host, '--into', 'holds', 'postgresql', 'shop');
        expect(ok, what).toBe(false);
        expect(said).toContain('there is a database "holds" already, and it is not empty');
        await sql(host, 'postgres', 'DROP DATABASE holds');
      }
      await sql(host, 'postgres', 'CREATE DATABASE holds');
      const { ok, said } = await restore(host, '--into', 'holds', 'postgresql', 'shop');
      expect(ok, said).toBe(true);
      await sql(host, 'postgres', 'DROP DATABASE holds');
    });

    it('leaves a role that is there as it is: one that is locked stays locked', async () => {
      const { host } = fixture;
      // It was a member when it was dumped, and is none any more.
      await sql(host, 'postgres', 'GRANT reader TO app');
      expect((await backUp(host)).ok).toBe(true);
      await sql(
        host,
        'postgres',
        "ALTER ROLE app NOLOGIN; REVOKE reader FROM app; ALTER ROLE app SET work_mem = '5MB'",
      );
      const { ok, said } = await restore(host, '--globals', '--into', 'locked', 'postgresql', 'shop');
      expect(ok, said).toBe(true);
      expect(said).toContain('role "app" already exists: left as it is');
      expect(
        await sql(
          host,
          'postgres',
          "SELECT rolcanlogin, rolconfig, pg_has_role('app', 'reader', 'MEMBER') FROM pg_roles WHERE rolname = 'app'",
        ),
      ).toBe('f|{work_mem=5MB}|f\n');
      await sql(host, 'postgres', 'ALTER ROLE app LOGIN; ALTER ROLE app RESET work_mem; DROP DATABASE locked');
    });

    it('that is interrupted ends, says so, and the next one is not taken for it', async () => {
      const { host } = fixture;
      await whileSlow(host, async () => {
        const [{ code, stdout, stderr }] = await Promise.all([
          host.run('exec backupctl restore-db --into first postgresql shop', { mayFail: true }),
          interruptLoading(host, 'INT'),
        ]);
        expect(code).not.toBe(0);
        expect(stderr).toContain('backupctl restore-db: interrupted');
        expect(stderr).not.toContain('Traceback');
        expect(stdout).toMatch(
          /taken out and verified: shop\n.*database "first" was not restored; what was there is as it was\. It was stopped/s,
        );
        expect(
          await sql(
            host,
            'postgres',
            "SELECT datname FROM pg_database WHERE datname = 'first' OR datname ~ '^(restoring|replaced)_'",
          ),
        ).toBe('');
        const second = await restore(host, '--into', 'second', 'postgresql', odd);
        expect(second.ok, second.said).toBe(true);
        expect(second.said).toMatch(/database "second": restored/);
        expect(second.said).not.toContain('"first"');
        expect(
          await sql(
            host,
            'postgres',
            "SELECT datname FROM pg_database WHERE datname IN ('first', 'second') OR datname ~ '^restoring_'",
          ),
        ).toBe('second\n');
        await sql(host, 'postgres', 'DROP DATABASE second');
      });
    });

    it('leaves no loader behind that waits for the dump, and does not take one for done that was ended then', async () => {
      const { host } = fixture;
      const waits =
        "until ls -l /proc/$(pgrep -f 'backup-postgresq[l] restore')/fd 2> /dev/null | grep -q postgresql.ready; do sleep 0.01; done";
      await host.run(`backupctl restore-db --into first postgresql shop & ${waits}; kill -9 $!`, {
        mayFail: true,
        timeoutSeconds: 60,
      });
      await host.run(
        'while systemctl show --property=ActiveState backup-postgresql-restore | grep --quiet activating; do sleep 0.1; done',
        { timeoutSeconds: 30 },
      );
      expect(await loader(host)).toBe('failed exit-code');
      const [ended] = await Promise.all([
        restore(host, '--into', 'first', 'postgresql', 'shop'),
        host.run(`${waits}; systemctl kill backup-postgresql-restore`, { timeoutSeconds: 30 }),
      ]);
      expect(ended.ok, ended.said).toBe(false);
      expect(ended.said).toContain(
        'somebody ended what loads before the dump was there, so nothing was loaded. Run it again.',
      );
      expect(await loader(host)).toBe('inactive success');
      expect((await host.run('find /var/lib/backup-restore -mindepth 1 ! -name .at-work')).stdout).toBe('');
      const next = await restore(host, '--into', 'first', 'postgresql', odd);
      expect(next.ok, next.said).toBe(true);
      await sql(host, 'postgres', 'DROP DATABASE first');
    });

    it('that is interrupted or killed while Borg is at work leaves nothing that the next one could take for its own', async () => {
      const { host } = fixture;
      const inStage = (line: string): Promise<unknown> =>
        host.run(
          `d=/etc/systemd/system/backup-stage@.service.d; mkdir -p $d; printf '[Service]\\n${line}\\n' > $d/test.conf; systemctl daemon-reload`,
        );
      await inStage(
        'ExecStart=\\nExecStart=/bin/sh -c "sleep 4; exec /usr/local/lib/backup/backup-dumps stage postgresql"',
      );
      for (const signal of ['INT', 'TERM', 'HUP']) {
        const { code, stderr } = await host.run(
          `timeout --signal=${signal} --kill-after=60 1.5 backupctl restore-db --into first postgresql shop`,
          { mayFail: true },
        );
        expect(code).not.toBe(0);
        expect(stderr).toContain('backupctl restore-db: interrupted');
        expect((await host.run('find /var/lib/backup-restore -mindepth 1 ! -name .at-work')).stdout).toBe('');
        expect(await loader(host)).toBe('inactive success');
        expect((await host.run('systemctl is-active backup-stage@postgresql', { mayFail: true })).stdout).not.toContain(
          'activating',
        );
      }
      for (const removed of ['', '; rm -r /var/lib/backup-restore/postgresql']) {
        await host.run(
          `backupctl restore-db --into first postgresql shop > /dev/null 2>&1 & sleep 1.5; kill -9 $!${removed}`,
        );
        expect((await host.run('systemctl is-active backup-stage@postgresql', { mayFail: true })).stdout).toContain(
          'activating',
        );
        const next = await restore(host, '--into', 'first', 'postgresql', odd);
        expect(next.ok, next.said).toBe(true);
        expect(next.said).not.toContain('shop');
        await sql(host, 'postgres', 'DROP DATABASE first');
      }
      await inStage('ExecStartPre=/bin/false');
      const failed = await restore(host, '--into', 'first', 'postgresql', 'shop');
      expect(failed.ok).toBe(false);
      expect(failed.said).toContain('backup-stage@postgresql.service failed; all of its log');
      expect(await loader(host)).toBe('inactive success');
      await host.run('rm /etc/systemd/system/backup-stage@.service.d/test.conf; systemctl daemon-reload');
    });

    it('makes indexes in more memory than PostgreSQL comes with, but in what the server was given where that is something else', async () => {
      const { host } = fixture;
      // The session that loads fills it, and says what it has.
      await sql(
        host,
        'shop',
        "CREATE MATERIALIZED VIEW public.memory AS SELECT pg_size_bytes(current_setting('maintenance_work_mem')) >> 20 AS megabytes",
      );
      expect((await backUp(host)).ok).toBe(true);
      const memory = async (): Promise<number> => {
        const { ok, said } = await restore(host, '--into', 'first', 'postgresql', 'shop');
        expect(ok, said).toBe(true);
        const found = Number(await sql(host, 'first', 'SELECT megabytes FROM public.memory'));
        await sql(host, 'postgres', 'DROP DATABASE first');
        return found;
      };
      expect(await sql(host, 'postgres', 'SHOW maintenance_work_mem')).toBe('64MB\n');
      const more = await memory();
      expect(more).toBeGreaterThanOrEqual(128);
      expect(more).toBeLessThanOrEqual(512);
      await sql(host, 'postgres', "ALTER SYSTEM SET maintenance_work_mem = '65MB'; SELECT pg_reload_conf()");
      expect(await memory()).toBe(65);
      await sql(host, 'postgres', 'ALTER SYSTEM RESET maintenance_work_mem; SELECT pg_reload_conf()');
      await sql(host, 'shop', 'DROP MATERIALIZED VIEW public.memory');
      await host.run(`backup-borg delete ::${await newest(host, 'dumps')}`);
    });

    it('does not replace a database that was empty when it began, and is not any more', async () => {
      const { host } = fixture;
      await whileSlow(host, async () => {
        await sql(host, 'postgres', 'CREATE DATABASE first');
        const [raced] = await Promise.all([
          restore(host, '--into', 'first', 'postgresql', 'shop'),
          host.run(
            'until pgrep -f "[p]g_restore .*--jobs" > /dev/null; do sleep 0.01; done; runuser -u postgres -- psql -Xqc "CREATE TABLE public.meanwhile()" first',
            { timeoutSeconds: 60 },
          ),
        ]);
        expect(raced.ok).toBe(false);
        expect(raced.said).toMatch(
          /database "first" was not restored; what was there is as it was\. Somebody has put something into it meanwhile/,
        );
        expect(await sql(host, 'first', "SELECT to_regclass('public.meanwhile'), to_regclass('public.slow')")).toBe(
          'meanwhile|\n',
        );
        await sql(host, 'postgres', 'DROP DATABASE first');
      });
    });

    it('keeps what is there when the load fails, or is killed', async () => {
      const { host } = fixture;
      await whileSlow(host, async () => {
        const before = await contents(host, 'shop');
        // Its dump asks for a role that is gone.
        await sql(host, 'postgres', 'ALTER ROLE app RENAME TO gone');
        const failed = await restore(host, '--over', 'postgresql', 'shop');
        expect(failed.ok).toBe(false);
        expect(failed.said).toMatch(
          /database "shop" was not restored; what was there is as it was\..*role "app" does not exist.*With --globals the roles/s,
        );
        await sql(host, 'postgres', 'ALTER ROLE gone RENAME TO app');
        await sql(host, 'shop', 'UPDATE public.data SET n = n + 1');
        const now = await contents(host, 'shop');
        expect(now).not.toBe(before);
        const [killed] = await Promise.all([
          restore(host, '--over', 'postgresql', 'shop'),
          host.run(
            'until pgrep -f "[p]g_restore .*--jobs" > /dev/null; do sleep 0.01; done; systemctl kill --signal=KILL backup-postgresql-restore',
            { timeoutSeconds: 60 },
          ),
        ]);
        expect(killed.ok).toBe(false);
        expect(await contents(host, 'shop')).toBe(now);
        expect(
          (await sql(host, 'postgres', "SELECT count(*) FROM pg_database WHERE datname ~ '^restoring_'")).trim(),
        ).toBe('1');
        expect((await host.run('find /var/lib/backup-restore -mindepth 1 ! -name .at-work')).stdout).toBe('');
        const again = await restore(host, '--over', 'postgresql', 'shop');
        expect(again.ok, again.said).toBe(true);
        expect(await contents(host, 'shop')).toBe(before);
        // What the killed one began is taken away by the next.
        expect(
          (
            await sql(host, 'postgres', "SELECT count(*) FROM pg_database WHERE datname ~ '^(restoring|replaced)_'")
          ).trim(),
        ).toBe('0');
      });
    });

    it('loads nothing of a dump that is not what its manifest says', async () => {
      const { host } = fixture;
      await host.write(
        '/usr/local/bin/change',
        '#!/bin/bash\nset -e\ncd /backup/postgresql/*-main\nprintf x | dd of=shop.dump bs=1 seek=5000 conv=notrunc status=none\n',
        '0755',
      );
      await host.write(
        '/run/systemd/system/backup.service.d/tamper.conf',
        '[Service]\nExecStartPre=+/usr/local/bin/change\n',
      );
      await host.run('systemctl daemon-reload');
      expect((await backUp(host)).ok).toBe(true);
      await host.run('rm /run/systemd/system/backup.service.d/tamper.conf; systemctl daemon-reload');
      const { ok, said } = await restore(host, '--into', 'spoilt', 'postgresql', 'shop');
      expect(ok).toBe(false);
      expect(said).toMatch(
        /Nothing is restored from archive \S+, which is not what its manifest says:\s+\S+shop\.dump has another checksum/,
      );
      expect(await loader(host)).toBe('inactive success');
      expect((await sql(host, 'postgres', "SELECT count(*) FROM pg_database WHERE datname = 'spoilt'")).trim()).toBe(
        '0',
      );
      await host.run(`backup-borg delete ::${await newest(host, 'dumps')}`);
      await host.write('/usr/local/bin/change', '#!/bin/bash\nrm /backup/postgresql/*-main/globals.sql\n', '0755');
      await host.write(
        '/run/systemd/system/backup.service.d/tamper.conf',
        '[Service]\nExecStartPre=+/usr/local/bin/change\n',
      );
      await host.run('systemctl daemon-reload');
      expect((await backUp(host)).ok).toBe(true);
      await host.run('rm /run/systemd/system/backup.service.d/tamper.conf; systemctl daemon-reload');
      const lacking = await restore(host, '--globals', '--over', '--all', 'postgresql');
      expect(lacking.ok).toBe(false);
      expect(lacking.said).toMatch(
        /Nothing is restored from archive \S+, which is not what its manifest says:\s+\S+globals\.sql is not in it, but the manifest tells of it/,
      );
      const older = (await archives(host)).filter((name) => name.includes('-dumps-')).at(-2) ?? 'none';
      const good = await restore(host, '--archive', older, '--into', 'spoilt', 'postgresql', 'shop');
      expect(good.ok, good.said).toBe(true);
      await host.run(`backup-borg delete ::${await newest(host, 'dumps')}`);
    });

    it('says what there is instead of what is not there, and how it is called', async () => {
      const { host } = fixture;
      expect((await restore(host, 'postgresql', 'nosuch')).said).toMatch(
        /holds no nosuch of hook postgresql; it holds: .*shop/,
      );
      expect((await restore(host, 'nosuch', 'shop')).said).toMatch(
        /no hook nosuch says how it is restored; there are: postgresql/,
      );
      expect((await restore(host, 'postgresql')).said).toMatch(/name what to restore of hook postgresql, or say --all/);
      expect((await restore(host, 'postgresql', 'shop', 'shop')).said).toMatch(
        /"shop" is asked for more than once; nothing was restored/,
      );
      expect((await restore(host, '--into', 'x', '--all', 'postgresql')).said).toMatch(/--into gives one new name/);
      expect((await restore(host, '--repository', '2', 'postgresql', 'shop')).said).toMatch(
        /there is no repository 2; there are 1 \(/,
      );
      expect((await restore(host, '--archive', 'nosuch', 'postgresql', 'shop')).ok).toBe(false);
      expect(await loader(host)).toBe('inactive success');
      expect(
        (
          await restore(
            host,
            '--archive',
            (await archives(host)).find((name) => name.includes('-files-')) ?? '',
            'postgresql',
            'shop',
          )
        ).said,
      ).toMatch(/is an archive of files. Use one of the dumps/);
      await host.run('mount -t tmpfs -o size=100k,mode=711 tmpfs /var/lib/backup-restore');
      const full = await restore(host, '--all', 'postgresql');
      await host.run('umount /var/lib/backup-restore');
      expect(full.said).toMatch(
        /[\d.]+ MB are needed in \/var\/lib\/backup-restore\/postgresql, and [\d.]+ MB are free/,
      );
      expect((await restore(host, '--into', 'template1', 'postgresql', 'shop')).said).toMatch(
        /template1" is a template/,
      );
    });

    it('loads what loads and names what did not; that takes the place of another only if it may be a part, or is all of it', async () => {
      const { host } = fixture;
      const version = (await host.run('ls /etc/postgresql')).stdout.trim();
      const extension = `/usr/share/postgresql/${version}/extension/ours`;
      await host.write(`${extension}.control`, "default_version = '1'\n");
      await host.write(
        `${extension}--1.sql`,
        'CREATE FUNCTION ours(int) RETURNS int LANGUAGE sql AS $$ SELECT $1 $$;\n',
      );
      await sql(host, 'postgres', 'CREATE ROLE passing; CREATE DATABASE parts OWNER app');
      await sql(
        host,
        'parts',
        `CREATE EXTENSION ours; CREATE TABLE public.data AS SELECT n, md5(n::text) AS t FROM generate_series(1, 2000) n; CREATE INDEX ON public.data (n);
        CREATE FUNCTION inner_part(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$ SELECT $1 $$;
        CREATE FUNCTION unqualified(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$ SELECT public.inner_part($1) $$; CREATE INDEX unqualified ON public.data (unqualified(n)); CREATE OR REPLACE FUNCTION unqualified(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$ SELECT inner_part($1) $$;
        CREATE TABLE public.parent (id int PRIMARY KEY); CREATE TABLE public.child (id int REFERENCES public.parent);`,
      );
      expect((await backUp(host)).ok).toBe(true);
      await host.run(`rm ${extension}*`);
      const data = await contents(host, 'parts');
      const held = '2000|2001000|';
      const strict = await restore(host, '--strict', '--into', 'parts_copy', 'postgresql', 'parts');
      expect(strict.ok).toBe(false);
      expect(strict.said).toContain('database "parts_copy" was not restored');
      const copy = await restore(host, '--into', 'parts_copy', 'postgresql', 'parts');
      expect(copy.ok, copy.said).toBe(false);
      expect(copy.said).toContain('extension "ours" is not installed on this machine');
      for (const failed of [/CREATE EXTENSION IF NOT EXISTS ours/, /CREATE INDEX unqualified .*inner_part/])
        expect(copy.said).toMatch(new RegExp(`database "parts_copy": not loaded: .*${failed.source}`));
      expect(copy.said).toMatch(/"parts_copy": restored from "parts" but for what is named above, as it was at/);
      expect(data).toMatch(held);
      expect((await contents(host, 'parts_copy')).split('\n')[0]).toBe(data.split('\n')[0]);
      const limit = (name: string): Promise<string> =>
        sql(host, 'postgres', `SELECT datconnlimit FROM pg_database WHERE datname = '${name}'`);
      // Somebody else could make what the extension made.
      expect(await limit('parts_copy'), copy.said).toBe('0\n');
      await sql(host, 'parts', 'DELETE FROM public.data WHERE n > 10');
      const over = await restore(host, '--over', 'postgresql', 'parts');
      expect(over.ok).toBe(false);
      expect(over.said).toMatch(/"parts" was not restored; what was there is as it was.*With --partial the rest/);
      expect(await sql(host, 'parts', 'SELECT count(*) FROM public.data')).toBe('10\n');
      const partial = await restore(host, '--over', '--partial', 'postgresql', 'parts');
      expect(partial.ok).toBe(false);
      expect(await contents(host, 'parts')).toMatch(held);
      // Whom a function is granted to is gone: that it is not everybody's is in the same breath as the grant. And what refuses rows is gone.
      await host.write(`${extension}.control`, "default_version = '1'\n");
      await host.write(`${extension}--1.sql`, '');
      // Nobody gains anything by an index that is not there.
      const slower = await restore(host, '--into', 'parts_slower', 'postgresql', 'parts');
      expect(slower.ok).toBe(false);
      expect(await limit('parts_slower'), slower.said).toBe('-1\n');
      await sql(
        host,
        'postgres',
        'DROP DATABASE parts_slower; ALTER DATABASE parts OWNER TO app; ALTER DATABASE parts CONNECTION LIMIT -1',
      );
      await sql(
        host,
        'parts',
        'CREATE FUNCTION secret() RETURNS int SECURITY DEFINER LANGUAGE sql AS $$ SELECT 1 $$; REVOKE ALL ON FUNCTION secret FROM PUBLIC; GRANT EXECUTE ON FUNCTION secret TO passing; SET session_replication_role = replica; INSERT INTO public.child VALUES (7)',
      );
      await sql(host, 'postgres', 'DROP DATABASE parts_copy; ALTER ROLE passing IN DATABASE parts SET work_mem = 5000');
      expect((await backUp(host)).ok).toBe(true);
      await sql(host, 'postgres', 'ALTER ROLE passing RENAME TO gone');
      const shut = await restore(host, '--into', 'parts_copy', 'postgresql', 'parts');
      expect(shut.ok).toBe(false);
      expect(shut.said).toMatch(/not loaded: REVOKE ALL ON FUNCTION public\.secret\(\).*role "passing" does not exist/);
      expect(shut.said).toMatch(/not loaded: ALTER TABLE ONLY public\.child .*7/);
      expect(shut.said).toMatch(/not loaded: ALTER ROLE "passing" IN DATABASE/);
      expect(await limit('parts_copy')).toBe('0\n');
      const owner = (): Promise<string> =>
        sql(host, 'postgres', "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'parts_copy'");
      expect(await owner()).toBe('postgres\n');
      const [, advice = ''] =
        /nobody but superusers is let in.*looked: (.*CONNECTION LIMIT -1;) With --globals the roles/.exec(shut.said) ??
        [];
      await sql(host, 'postgres', advice);
      expect([await owner(), await limit('parts_copy')]).toEqual(['app\n', '-1\n']);
      await sql(host, 'postgres', 'DROP DATABASE parts_copy; DROP DATABASE parts; DROP ROLE gone');
      await host.run(`rm ${extension}*; backup-borg delete ::${await newest(host, 'dumps')}`);
    });

    it('has the settings of a database hold while it is loaded, and keeps its tablespace and its rules of sorting', async () => {
      const { host } = fixture;
      await host.run('install -d -m 700 -o postgres /var/lib/postgresql/far');
      await sql(host, 'postgres', "CREATE TABLESPACE far LOCATION '/var/lib/postgresql/far'");
      const rules = fixture.release === 12 ? '' : "LOCALE_PROVIDER icu ICU_LOCALE 'en' ICU_RULES '&z < a'";
      await sql(host, 'postgres', `CREATE DATABASE zoned TEMPLATE template0 TABLESPACE far ${rules}`);
      await sql(
        host,
        'zoned',
        `ALTER DATABASE zoned SET TimeZone = 'Asia/Tokyo'; ALTER DATABASE zoned SET array_nulls = off; ALTER DATABASE zoned SET IntervalStyle = 'sql_standard';
        ALTER DATABASE zoned SET session_authorization = app; SET TimeZone = 'Asia/Tokyo'; SET IntervalStyle = 'sql_standard';
        CREATE TABLE public.times (t timestamptz CHECK (extract(hour FROM t) = 8), a text[], i interval); INSERT INTO public.times VALUES ('2026-01-01 08:00+09', ARRAY[NULL, 'NULL'], '-1 day +2 hours');
        CREATE MATERIALIZED VIEW public.days AS SELECT t::date::text AS day FROM public.times`,
      );
      expect((await backUp(host)).ok).toBe(true);
      const { ok, said } = await restore(host, '--into', 'zoned_copy', 'postgresql', 'zoned');
      expect(ok, said).toBe(true);
      const rows = (name: string): Promise<string> =>
        sql(
          host,
          name,
          'SET session_authorization = postgres; SET IntervalStyle = postgres; SELECT t AT TIME ZONE 0::text, a, i FROM public.times; SELECT day FROM public.days'.replace(
            '0::text',
            "'UTC'",
          ),
        );
      expect(await rows('zoned_copy')).toBe(await rows('zoned'));
      expect(await rows('zoned')).toMatch(/\{NULL,"NULL"\}.*-1 days \+02:00:00\n2026-01-01\n/);
      const known = await sql(
        host,
        'postgres',
        "SELECT to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid}'::text[], (SELECT spcname FROM pg_tablespace t WHERE t.oid = dattablespace) FROM pg_database d WHERE datname LIKE 'zoned%' ORDER BY datname",
      );
      const [first, second] = known.split('\n');
      expect(first).toBe(second);
      expect(first).toMatch(/\|far$/);
      await sql(host, 'postgres', 'DROP DATABASE zoned_copy');
      const drill = await start(host, 'backup-drill.service');
      expect(drill.ok, drill.log).toBe(true);
      // A column that a later version adds has to be thought of: what becomes of it in a restore?
      const columns = (
        await sql(
          host,
          'postgres',
          "SELECT attname FROM pg_attribute WHERE attrelid = 'pg_database'::regclass AND attnum > 0",
        )
      ).split('\n');
      const incidental = (
        await host.run(
          `python3 -IBc 'import sys; sys.path.insert(0, "/usr/local/lib/backup"); from rootless_backup.databases.postgresql import prove; print(*prove.INCIDENTAL, sep="\\n")'`,
        )
      ).stdout.split('\n');
      const compared = [
        'encoding',
        'datlocprovider',
        'datistemplate',
        'datconnlimit',
        'datcollate',
        'datctype',
        'daticulocale',
        'datlocale',
        'daticurules',
      ];
      expect(columns.filter((name) => ![...incidental, ...compared].includes(name))).toEqual([]);
      // Where there is no such tablespace any more, it is said, and the rest comes.
      await sql(host, 'postgres', 'DROP DATABASE zoned; DROP TABLESPACE far');
      const without = await restore(host, 'postgresql', 'zoned');
      expect(without.ok).toBe(false);
      expect(without.said).toMatch(/not loaded: tablespace "far": it is not there/);
      expect(await rows('zoned')).toContain('2026-01-01');
      await host.run('rmdir /var/lib/postgresql/far');
      const globals = await restore(host, '--globals', '--over', 'postgresql', 'zoned');
      expect(globals.ok).toBe(false);
      expect(globals.said).toContain('install -d -m 700 -o postgres /var/lib/postgresql/far');
      await sql(host, 'postgres', 'DROP DATABASE zoned');
      await host.run(`backup-borg delete ::${await newest(host, 'dumps')}`);
    });

    it('loads what is bound to the name of its database in its place', async () => {
      const { host } = fixture;
      const version = (await host.run('ls /etc/postgresql')).stdout.trim();
      const extension = `/usr/share/postgresql/${version}/extension/bound`;
      await host.write(`${extension}.control`, "default_version = '1'\n");
      await host.write(
        `${extension}--1.sql`,
        `DO $$ BEGIN IF pg_catalog.current_database() <> 'bound' THEN RAISE EXCEPTION 'can only create extension in database bound'; END IF; END $$;
        CREATE TABLE jobs (n int); SELECT pg_catalog.pg_extension_config_dump('jobs', '');\n`,
      );
      await sql(host, 'postgres', 'CREATE DATABASE bound OWNER app; ALTER DATABASE bound CONNECTION LIMIT 9');
      await sql(host, 'bound', 'CREATE EXTENSION bound; INSERT INTO jobs VALUES (1)');
      expect((await backUp(host)).ok).toBe(true);
      const archive = await newest(host, 'dumps');
      await sql(host, 'bound', 'INSERT INTO jobs VALUES (2)');
      const refused = await restore(host, '--over', 'postgresql', 'bound');
      expect(refused.ok).toBe(false);
      expect(refused.said).toMatch(
        /can only create extension.*What is bound to the name of its database is loaded with --in-place/s,
      );
      const jobs = (): Promise<string> => sql(host, 'bound', 'SELECT count(*) FROM jobs');
      expect(await jobs()).toBe('2\n');
      const placed = await restore(host, '--over', '--in-place', 'postgresql', 'bound');
      expect(placed.ok, placed.said).toBe(true);
      expect(await jobs()).toBe('1\n');
      // One that is not whole, since the machine died meanwhile, is marked: no dump of it takes the place of the last one.
      const dump = async (): Promise<string> => (await host.run('sha256sum /backup/postgresql/*/bound.dump')).stdout;
      const good = await dump();
      await sql(host, 'postgres', 'ALTER DATABASE bound SET rootless_backup.restoring = on');
      expect((await backUp(host)).ok).toBe(false);
      expect(await host.journal('backup-postgresql.service')).toContain('"bound" is being restored, or was');
      expect(await dump()).toBe(good);
      await sql(host, 'postgres', 'ALTER DATABASE bound RESET rootless_backup.restoring');
      // What does not come leaves what was there.
      await host.run(`mv ${extension}.control /root`);
      await sql(host, 'bound', 'INSERT INTO jobs VALUES (3)');
      const lost = await restore(host, '--over', '--in-place', 'postgresql', 'bound');
      expect(lost.ok).toBe(false);
      expect(await jobs()).toBe('2\n');
      await host.run(`mv /root/bound.control ${extension}.control`);
      // Where there is nothing of this name, nobody has to ask for it.
      for (const before of ['', 'CREATE DATABASE bound']) {
        await sql(host, 'postgres', `DROP DATABASE bound; ${before}`);
        const again = await restore(host, 'postgresql', 'bound');
        expect(again.ok, again.said).toBe(true);
        expect(await jobs()).toBe('1\n');
        expect(
          await sql(
            host,
            'postgres',
            "SELECT datname, datconnlimit, datallowconn, (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = pg_database.oid) FROM pg_database WHERE datname ~ '^(bound|restoring_|replaced_)'",
          ),
        ).toBe('bound|9|t|0\n');
      }
      await sql(host, 'postgres', 'DROP DATABASE bound');
      await host.run(`rm ${extension}*; backup-borg delete ::${archive}`);
    });

    it('says what is not in a dump, with the command that makes it again: slots, subscriptions, prepared transactions', async () => {
      const { host } = fixture;
      await sql(
        host,
        'postgres',
        'ALTER SYSTEM SET wal_level = logical; ALTER SYSTEM SET max_prepared_transactions = 5; CREATE DATABASE linked',
      );
      await host.run('systemctl restart postgresql');
      await sql(
        host,
        'linked',
        `CREATE TABLE t AS SELECT 1 AS n; CREATE PUBLICATION p FOR TABLE t; CREATE SUBSCRIPTION "s's" CONNECTION 'dbname=nowhere' PUBLICATION q WITH (connect = false, slot_name = other);
        SELECT pg_create_logical_replication_slot('slot', 'test_decoding'); BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'it''s'`,
      );
      const backup = await backUp(host);
      expect(backup.ok, backup.log).toBe(true);
      const copy = await restore(host, '--into', 'linked_copy', 'postgresql', 'linked');
      expect(copy.ok, copy.said).toBe(true);
      for (const command of [
        "SELECT pg_create_logical_replication_slot(E'slot', E'test_decoding')",
        "PREPARE TRANSACTION E'it''s'",
        `ALTER SUBSCRIPTION "s's" ENABLE; ALTER SUBSCRIPTION "s's" REFRESH PUBLICATION;`,
      ])
        expect(copy.said).toContain(command);
      expect(await sql(host, 'linked_copy', 'SELECT pubname FROM pg_publication')).toBe('p\n');
      const held = await restore(host, '--over', 'postgresql', 'linked');
      expect(held.ok).toBe(false);
      expect(held.said).toContain('there are prepared transactions in database "linked"');
      await sql(host, 'linked', "ROLLBACK PREPARED 'it''s'");
      const over = await restore(host, '--over', 'postgresql', 'linked');
      expect(over.ok, over.said).toBe(true);
      expect(over.said).not.toContain('still there');
      for (const name of ['linked', 'linked_copy'])
        await sql(
          host,
          name,
          `ALTER SUBSCRIPTION "s's" DISABLE; ALTER SUBSCRIPTION "s's" SET (slot_name = NONE); DROP SUBSCRIPTION "s's"`,
        );
      await sql(
        host,
        'postgres',
        'DROP DATABASE linked; DROP DATABASE linked_copy; ALTER SYSTEM RESET wal_level; ALTER SYSTEM RESET max_prepared_transactions',
      );
      await host.run(`systemctl restart postgresql; backup-borg delete ::${await newest(host, 'dumps')}`);
    });

    it('brings all databases and roles to an empty server', async () => {
      const { host } = fixture;
      const before = await contents(host, 'shop');
      const version = (await host.run('ls /etc/postgresql')).stdout.trim();
      await host.run(`pg_dropcluster ${version} main --stop; pg_createcluster ${version} main --start`);
      const { ok, said } = await restore(host, '--globals', '--all', 'postgresql');
      expect(ok, said).toBe(true);
      expect(await contents(host, 'shop')).toBe(before);
      expect(await contents(host, odd)).toMatch(/^2000\|/);
      expect(await sql(host, 'postgres', "SELECT count(*) FROM pg_roles WHERE rolname IN ('app', 'reader')")).toBe(
        '2\n',
      );
      expect(await properties(host, 'shop')).toContain('reader=c*/app');
      await sql(host, 'postgres', 'CREATE DATABASE shut');
      expect((await backUp(host)).ok).toBe(true);
      // What is there already does not keep the rest from coming, nor does what lets nobody in.
      await sql(host, 'postgres', `DROP DATABASE ${identifier(odd)}`);
      await sql(host, 'postgres', 'ALTER DATABASE shut ALLOW_CONNECTIONS false');
      const rest = await restore(host, '--globals', '--all', 'postgresql');
      expect(rest.ok).toBe(false);
      expect(rest.said).toContain('there is a database "shop" already, and it is not empty');
      expect(rest.said).toContain('there is a database "shut" already, and it lets nobody in');
      expect(await contents(host, odd)).toMatch(/^2000\|/);
      expect(rest.said).toMatch(/^database +rows +seconds +result$/m);
      expect(rest.said).toMatch(/^"shop" +2000 +0\.0 +not restored$/m);
      expect(rest.said).toMatch(/^"odd .*" +2000 +\d+\.\d +restored$/m);
    });
  },
);
