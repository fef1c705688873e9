import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { backUp, newest, onEachRelease, start } from './fixture.ts';

/** File names that have broken something somewhere; one is no UTF-8. */
const odd = [
  "it's",
  'double"quote',
  '100% %20',
  'quer?y#fragment',
  'a[1].db',
  '-dash',
  '.hidden',
  'dollar$HOME',
  '$(touch pwned)',
  'new\\nline',
  'back\\\\slash',
  'semi;colon',
  'ümlaut',
  'file:x',
  'inv\\udcffalid',
  'x'.repeat(240),
];

/** Makes databases, each with its own path in it. */
const make = `
import os, sqlite3, sys
for path in PATHS:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE IF NOT EXISTS page (n INTEGER PRIMARY KEY, t TEXT, b BLOB)")
        database.executemany("INSERT OR REPLACE INTO page VALUES (?, ?, ?)", [(n, os.fsencode(path).hex() + "ä\\0" + str(n), bytes([n % 256]) * 300) for n in range(200)])
`;

/** Commits all the time: what it takes from a table at the end of the file it adds to one at its beginning, in one transaction. */
const writer = `
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
database.execute("PRAGMA journal_mode=" + sys.argv[2])
database.execute("CREATE TABLE IF NOT EXISTS a (n INTEGER)")
database.execute("CREATE TABLE IF NOT EXISTS filler AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000) SELECT n, hex(randomblob(200)) AS t FROM c")
database.execute("CREATE TABLE IF NOT EXISTS z (n INTEGER)")
if not database.execute("SELECT * FROM a").fetchall():
    database.execute("INSERT INTO a VALUES (0)"); database.execute("INSERT INTO z VALUES (0)")
while True:
    database.execute("BEGIN IMMEDIATE"); database.execute("UPDATE a SET n = n + 1")
    database.execute("UPDATE filler SET t = hex(randomblob(200)) WHERE n % 1000 = abs(random()) % 1000")
    database.execute("UPDATE z SET n = n - 1"); database.execute("COMMIT")
    time.sleep(0.001)
`;

/** Prints the check, the sums and the contents of databases, as JSON. */
const look = `
import hashlib, json, os, sqlite3, sys
answer = []
for path in sys.argv[1:]:
    database = sqlite3.connect(path)
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master ORDER BY 1")]
    answer.append({"check": database.execute("PRAGMA integrity_check").fetchone()[0], "moved": database.execute("SELECT a.n, a.n + z.n FROM a, z").fetchone() if "a" in tables else None,
        "contents": hashlib.sha256("\\n".join(database.iterdump()).encode("utf-8", "surrogateescape")).hexdigest() if "a" not in tables else None})
print(json.dumps(answer))
`;

interface Seen {
  readonly check: string;
  readonly moved: readonly [number, number] | null;
  readonly contents: string | null;
}

const seen = async (host: Host, paths: readonly string[]): Promise<Seen[]> =>
  JSON.parse((await host.run(['python3', '-c', look, ...paths])).stdout) as Seen[];

const made = (host: Host, user: string, paths: readonly string[]) =>
  host.run(['python3', '-'], {
    user,
    input: `PATHS = [${paths.map((path) => `"${path.replaceAll('"', '\\"')}"`).join(', ')}]\n${make}`,
  });

onEachRelease(
  'SQLite',
  async ({ lab, host }) => {
    await host.run(
      'useradd --create-home app; useradd --create-home other; chmod 700 /home/app; install -d -o app -m 750 /var/lib/app /srv/app; mkdir /srv/other',
    );
    await made(host, 'app', [
      '/var/lib/app/quiet.db',
      '/srv/app/one/data.db',
      '/srv/app/two/data.db',
      '/home/app/.config/notes.sqlite',
      ...odd.map((name) => `/var/lib/app/odd/${name}`),
      '/var/lib/app/deep/1/2/x.sqlite',
    ]);
    await host.write('/usr/local/bin/writer', `#!/usr/bin/python3\n${writer}`, '0755');
    await host.run(
      'install -d -o app /var/lib/app/live; for mode in wal delete; do systemd-run --quiet --uid=app --unit=writer-$mode writer /var/lib/app/live/$mode.db $mode; done',
    );
    await host.run(
      `for mode in wal delete; do until runuser -u app -- python3 -c 'import sqlite3, sys; sys.exit(sqlite3.connect(sys.argv[1], timeout=60).execute("SELECT n FROM a").fetchone()[0] < 3)' /var/lib/app/live/$mode.db 2> /dev/null; do sleep 0.1; done; done`,
    );
    await lab.roles(['borg']);
  },
  (fixture) => {
    const target = '/backup/sqlite-app';
    const app = {
      name: 'app',
      user: 'app',
      paths: [
        '/var/lib/app/*.db',
        '/var/lib/app/live/*.db',
        '/var/lib/app/odd/*',
        '/var/lib/app/deep/**/*.sqlite',
        '/srv/app/one/data.db',
        '/srv/app/two/data.db',
        '/home/app/.config/notes.sqlite',
      ],
    };
    const role = (entries: readonly object[], vars: object = {}, args: readonly string[] = []) =>
      fixture.lab.roles(
        ['sqlite'],
        { sqlite_databases: entries, ...vars },
        { args: ['--limit', 'web', ...args], mayFail: true },
      );
    const hook = (): Promise<string> => fixture.host.journal('backup-sqlite-app.service');
    /** Runs the hook alone. @returns whether it succeeded, and its journal. */
    const copy = async (): Promise<{ ok: boolean; log: string }> => {
      const { code } = await fixture.host.run('systemctl reset-failed; systemctl start backup-sqlite-app', {
        mayFail: true,
      });
      return { ok: code === 0, log: await hook() };
    };
    const manifest = async (): Promise<Record<string, { database: string; size: number; sha256: string }>> =>
      (
        JSON.parse(await fixture.host.read(`${target}/manifest.json`)) as {
          files: Record<string, { database: string; size: number; sha256: string }>;
        }
      ).files;
    const sum = async (path: string): Promise<string | undefined> =>
      (await fixture.host.run(['bash', '-c', 'sha256sum < "$1"', 'sum', path])).stdout.split(' ')[0];

    it('in check mode is shown and not touched', async () => {
      const { stdout, recap } = await role([app], {}, ['--check', '--diff']);
      expect(recap['web']).toMatchObject({ failed: 0, changed: 1 });
      expect(stdout).toContain('+++ after: /etc/systemd/system/backup-sqlite-app.service');
      expect(await fixture.host.exists('/etc/systemd/system/backup-sqlite-app.service')).toBe(false);
    });

    it('is copied whatever its name and while others write, in a sandbox with an exposure of at most 0.4', async () => {
      const { host } = fixture;
      const { stdout } = await role([app], {}, ['-v']);
      expect(Number(/"exposure": ([\d.]+)/.exec(stdout)?.[1])).toBeLessThanOrEqual(0.4);
      expect((await role([app])).recap['web']).toMatchObject({ failed: 0, changed: 0 });
      for (let round = 0; round < 3; round++) {
        const { ok, log } = await copy();
        expect(ok, log).toBe(true);
        for (const { check, moved } of await seen(host, [
          `${target}/var/lib/app/live/wal.db`,
          `${target}/var/lib/app/live/delete.db`,
        ])) {
          expect(check).toBe('ok');
          expect(moved?.[0]).toBeGreaterThan(0);
          expect(moved?.[1]).toBe(0);
        }
      }
      expect((await host.run('systemctl is-active writer-wal writer-delete')).stdout).toBe('active\nactive\n');
      await host.run('systemctl stop writer-wal writer-delete');
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(Object.keys(await manifest()).length).toBe(7 + odd.length);
    });

    it('comes back equal from the archive on another machine', async () => {
      const { lab, host } = fixture;
      const other = await lab.boot({ name: 'other', debian: fixture.release });
      await host.run(`backup-borg --into /srv/restored extract ::${await newest(host, 'dumps')} backup/sqlite-app`);
      await other.run('mkdir /srv/restored && tar -C /srv/restored -x', {
        input: (await host.run('tar -C /srv/restored/backup/sqlite-app -c .')).stdoutBytes,
      });
      const list = (root: string) => `cd ${root} && find var srv home -type f -print0 | sort -z`;
      const look12 = `xargs -0 python3 -c '${look.replaceAll("'", `'\\''`)}'`;
      const files = (await other.run(list('/srv/restored'))).stdoutBytes;
      const restored = JSON.parse(
        (await other.run(`cd /srv/restored && ${look12}`, { input: files })).stdout,
      ) as Seen[];
      const original = JSON.parse((await host.run(`cd / && ${look12}`, { input: files })).stdout) as Seen[];
      expect(restored.length).toBe(7 + odd.length);
      expect(restored.map(({ check, contents }) => [check, contents])).toEqual(
        original.map(({ contents }) => ['ok', contents]),
      );
      expect(new Set(restored.map(({ contents }) => contents)).size).toBe(restored.length - 1);
      expect(restored.filter(({ moved }) => moved !== null).map(({ moved }) => moved?.[1])).toEqual([0, 0]);
    });

    it('is proven by the drill, and comes back by `backupctl restore-db`: beside what is there, over it, and all that is lost', async () => {
      const { host } = fixture;
      const path = '/srv/app/one/data.db';
      const contents = async (of: string) => (await seen(host, [of]))[0]?.contents;
      const want = await contents(path);
      const drilled = await start(host, 'backup-drill.service');
      expect(drilled.ok, drilled.log).toBe(true);
      expect(drilled.log).toMatch(new RegExp(`sqlite: ${7 + odd.length} databases, \\d+ tables, \\d+ rows`));
      const beside = await host.run([
        'backupctl',
        'restore-db',
        '--into',
        '/srv/app/one/beside.db',
        'sqlite-app',
        path,
      ]);
      expect(beside.stdout).toContain('"/srv/app/one/beside.db" is restored');
      expect(await contents('/srv/app/one/beside.db')).toBe(want);
      await host.run(
        `rm /srv/app/one/beside.db; python3 -c 'import sqlite3; d = sqlite3.connect("${path}"); d.execute("DELETE FROM page"); d.commit()'`,
        { user: 'app' },
      );
      expect((await host.run(['backupctl', 'restore-db', 'sqlite-app', path], { mayFail: true })).stdout).toContain(
        'exists already',
      );
      await host.run(['backupctl', 'restore-db', '--over', 'sqlite-app', path]);
      expect(await contents(path)).toBe(want);
      await host.run(
        'systemctl stop "writer-*"; find /srv/app /var/lib/app /home/app/.config -type f ! -name "writer*" -delete',
      );
      await host.run(['backupctl', 'restore-db', '--all', 'sqlite-app']);
      expect(await contents(path)).toBe(want);
      expect((await host.run('stat -c "%U %a" /srv/app/one/data.db')).stdout).toBe('app 600\n');
    });

    const program = '/usr/local/lib/backup/backup-sqlite';
    const settings = `SETTINGS=${JSON.stringify({ name: 'app', paths: app.paths, busy_timeout: 1 })}`;
    /** A copy of what was archived, as `user` gets it; `change` is run in it. */
    const dump = async (user: string, change = 'true'): Promise<string> => {
      const path = `/run/dump-${user}`;
      await fixture.host.run(
        `rm -rf ${path} && cp -r /srv/restored/backup/sqlite-app ${path} && cd ${path} && ${change} && chown -R ${user}: . && chmod -R go-w .`,
      );
      return path;
    };
    /** As the drill does: as `borg`, without a network or a capability, in an empty directory. */
    const prove = async (change?: string) => {
      const path = await dump('borg', change);
      await fixture.host.run('rm -rf /run/drill && install -d -o borg /run/drill');
      const isolated = [
        '--property=PrivateNetwork=true',
        '--property=CapabilityBoundingSet=',
        '--property=NoNewPrivileges=true',
        '--property=ProtectSystem=strict',
        '--property=ReadWritePaths=/run/drill',
      ];
      const result = await fixture.host.run(
        [
          'systemd-run',
          '--quiet',
          '--wait',
          '--pipe',
          '--uid=borg',
          '--working-directory=/run/drill',
          ...isolated,
          `--setenv=${settings}`,
          `--setenv=BACKUP_DUMP=${path}`,
          program,
          'prove',
        ],
        { mayFail: true },
      );
      expect((await fixture.host.run('ls -A /run/drill')).stdout).toBe('');
      return result;
    };
    /** Runs SQL in a file of a dump, as root. */
    const edit = (file: string, statement: string): string =>
      `python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(sys.argv[2]); d.commit(); d.close()' ${file} '${statement}'`;

    it('is proven by what was recorded in each table when it was copied; lost rows, a changed value, a lost table and a truncated file are each found and named', async () => {
      const good = await prove();
      expect(good.stdout).toMatch(new RegExp(`^<6>sqlite: ${7 + odd.length} databases, \\d+ tables, \\d+ rows\n$`));
      expect(good.code).toBe(0);
      const file = 'srv/app/one/data.db';
      for (const [change, finding] of [
        [edit(file, 'DELETE FROM page WHERE n = 7'), ', table "page": it has 199 rows; it had 200.'],
        [edit(file, 'UPDATE page SET b = CAST(b AS TEXT) WHERE n = 7'), ', table "page": a value is not what it was.'],
        [edit(file, 'DROP TABLE page'), ', table "page": it is missing.'],
        [edit(file, 'CREATE TABLE extra (n)'), ', table "extra": it is not in manifest.json.'],
        [`truncate --size=-4096 ${file}`, ' cannot be restored: '],
        [`rm ${file}`, ' cannot be restored: unable to open database file'],
      ] as const) {
        const { code, stdout } = await prove(change);
        expect([change, code]).toEqual([change, 1]);
        const findings = stdout.split('\n').filter((line) => line.startsWith('<3>'));
        expect(findings).toHaveLength(1);
        expect(findings[0]).toContain(`<3>"/srv/app/one/data.db"${finding}`);
        expect(stdout).toContain('<5>Not proven: ');
      }
      expect((await prove('echo x > stray.db')).stdout).toContain('<3>"stray.db" is not in manifest.json');
      expect((await prove('rm manifest.json')).stdout).toContain(
        '<3>manifest.json cannot be read, so nothing is proven',
      );
      // What an older version of the role copied is read, and no alarm is raised unless that fails.
      const older = `sed -i 's/"tables"/"tablets"/' manifest.json`;
      const unrecorded = await prove(older);
      expect([unrecorded.code, unrecorded.stdout]).toEqual([
        0,
        expect.stringContaining(
          '<5>"/srv/app/one/data.db": nothing was recorded of its tables, since an older version',
        ),
      ]);
      const lost = await prove(`${older}; rm ${file}`);
      expect([lost.code, lost.stdout]).toEqual([
        1,
        expect.stringContaining('<3>"/srv/app/one/data.db" cannot be restored: '),
      ]);
    });

    it('is restored beside what is there, or over it only if that is asked for; a failure, and a program that works on it, keep the old one', async () => {
      const { host } = fixture;
      const path = await dump('app');
      const restore = async (into: readonly string[], over = false, file = 'srv/app/one/data.db') => {
        await host.write(
          '/run/request.json',
          JSON.stringify({
            items: into.map((place) => ({ file, name: `/${file}`, into: place })),
            over,
            globals: false,
          }),
        );
        return host.run(
          ['env', settings, `BACKUP_DUMP=${path}`, 'BACKUP_REQUEST=/run/request.json', program, 'restore'],
          { user: 'app', mayFail: true },
        );
      };
      await host.run('install -d -o app /var/lib/app/again');
      const made = '/var/lib/app/again/made.db';
      const contents = async (of: string) => (await seen(host, [of]))[0]?.contents;
      const want = await contents(`${path}/srv/app/one/data.db`);
      const first = await restore([made]);
      expect([first.code, first.stdout]).toEqual([
        0,
        expect.stringMatching(`^<6>"${made}" is restored, \\d+ bytes\\.\n$`),
      ]);
      expect(await contents(made)).toBe(want);
      expect((await host.run(`stat -c '%U %a' ${made}`)).stdout).toBe('app 600\n');

      const change = (statement: string) =>
        host.run(['python3', '-c', `import os, sqlite3; d = sqlite3.connect("${made}"); ${statement}`], {
          user: 'app',
          mayFail: true,
        });
      await change(
        'd.execute("DELETE FROM page"); d.commit(); d.close(); os.chmod("/var/lib/app/again/made.db", 0o640)',
      );
      const before = (await host.run(`sha256sum ${made}`)).stdout;
      const refused = await restore(['/var/lib/app/again/other.db', made]);
      expect([refused.code, refused.stdout]).toEqual([
        1,
        `<3>"${made}" exists already. Choose another place with --into PATH, or replace it with --over.\n`,
      ]);
      expect((await restore(['/var/lib/app/again/other.db', '/var/lib/app/again/other.db'])).stdout).toContain(
        'more than one database would go there',
      );
      expect((await restore(['/nowhere/x.db'])).stdout).toContain('its directory is not there');
      expect((await host.run(`ls -A /var/lib/app/again; sha256sum ${made}`)).stdout).toBe(`made.db\n${before}`);

      await host.run(`truncate --size=-4096 ${path}/srv/app/two/data.db`);
      const broken = await restore([made], true, 'srv/app/two/data.db');
      expect([broken.code, broken.stdout]).toEqual([
        1,
        expect.stringContaining('was not restored, and what is there stays as it was'),
      ]);
      await host.run(
        `systemd-run --quiet --uid=app --unit=holder python3 -c 'import sqlite3, time; d = sqlite3.connect("${made}", isolation_level=None); d.execute("BEGIN IMMEDIATE"); time.sleep(600)'; sleep 1`,
      );
      const held = await restore([made], true);
      expect([held.code, held.stdout]).toEqual([
        1,
        expect.stringContaining('a program has it open. Stop that program'),
      ]);
      await host.run('systemctl stop holder');
      expect((await host.run(`ls -A /var/lib/app/again; sha256sum ${made}`)).stdout).toBe(`made.db\n${before}`);

      // A WAL that a crash left must not be played into the new one.
      await change(
        'd.execute("PRAGMA journal_mode=WAL"); d.execute("CREATE TABLE late (n)"); d.commit(); os.kill(os.getpid(), 9)',
      );
      expect(await host.exists(`${made}-wal`)).toBe(true);
      const over = await restore([made], true);
      expect(over.code, over.stdout).toBe(0);
      expect(await contents(made)).toBe(want);
      expect((await host.run(`ls -A /var/lib/app/again; stat -c '%U %a' ${made}`)).stdout).toBe('made.db\napp 640\n');
      await host.run(`head -c 9000 /dev/urandom > ${made}`);
      const damaged = await restore([made], true);
      expect([damaged.code, damaged.stdout]).toEqual([
        0,
        expect.stringContaining('is damaged (file is not a database) and replaced all the same'),
      ]);
      expect(await contents(made)).toBe(want);
      await host.run('rm -r /var/lib/app/again');
    });

    it('has its pages where they were, so that Borg knows them again', async () => {
      const { host } = fixture;
      const differing = (
        await host.run(`cmp -l /srv/app/one/data.db ${target}/srv/app/one/data.db`, { mayFail: true })
      ).stdout
        .split('\n')
        .filter(Boolean);
      // The header counts changes and names the version of SQLite.
      for (const line of differing) expect(Number(line.trim().split(' ')[0])).toBeLessThanOrEqual(100);
    });

    it('has its copies for its own eyes only, is given no more than its directories, and the live files are in the archive of files only if they shall be', async () => {
      const { host } = fixture;
      expect((await host.run(`stat -c '%a %U' ${target}; find ${target} -perm /077`)).stdout).toBe('700 app\n');
      const list = async (): Promise<string> =>
        (await host.run(`backup-borg list --format '{path}{NL}' ::${await newest(host, 'files')}`)).stdout;
      expect(await list()).toContain('srv/app/one');
      expect(await list()).not.toMatch(/data\.db|wal\.db|delete\.db|notes\.sqlite|quiet\.db|odd\//);
      const paths = (await host.run('systemctl show --property=BindPaths --property=ReadWritePaths backup-sqlite-app'))
        .stdout;
      expect(paths).not.toMatch(/[: ]\/(?:srv|home|var\/lib)(?::| |$)/m);
      await role([app], { sqlite_exclude_live: false });
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(await list()).toContain('srv/app/one/data.db');
      await role([app]);
    });

    it('is copied if nobody has it open in WAL mode, and if a crash left a transaction half done, which is rolled back', async () => {
      const { host } = fixture;
      const crash = (path: string, mode: string): string =>
        `import os, sqlite3\nd = sqlite3.connect("${path}", isolation_level=None)\nd.execute("PRAGMA journal_mode=${mode}"); d.execute("PRAGMA cache_size=5")\n`;
      await made(host, 'app', ['/var/lib/app/cold.db', '/var/lib/app/left.db', '/var/lib/app/hot.db']);
      const before = await seen(host, ['/var/lib/app/cold.db', '/var/lib/app/left.db', '/var/lib/app/hot.db']);
      await host.run(['python3', '-'], { user: 'app', input: `${crash('/var/lib/app/cold.db', 'wal')}d.close()` });
      const undone =
        'd.execute("BEGIN"); d.execute("UPDATE page SET t = upper(t) || 1, b = randomblob(900)"); os.kill(os.getpid(), 9)';
      for (const [path, mode] of [
        ['/var/lib/app/left.db', 'wal'],
        ['/var/lib/app/hot.db', 'delete'],
      ] as const)
        await host.run(`python3 -c '${crash(path, mode)}${undone}'; true`, { user: 'app', mayFail: true });
      expect(await host.exists('/var/lib/app/hot.db-journal')).toBe(true);
      expect(await host.exists('/var/lib/app/left.db-wal')).toBe(true);
      const { ok, log } = await copy();
      expect(ok, log).toBe(true);
      expect(log).toContain('"/var/lib/app/hot.db": a crash left a transaction half done; it is rolled back.');
      expect(
        (
          await seen(
            host,
            ['cold', 'left', 'hot'].map((name) => `${target}/var/lib/app/${name}.db`),
          )
        ).map(({ contents }) => contents),
      ).toEqual(before.map(({ contents }) => contents));
      expect((await host.run('find /var/lib/app ! -user app')).stdout).toBe('');
    });

    it('that works is saved though SQLite complains of it, comes back, and is proven: the complaint is a warning', async () => {
      const { host } = fixture;
      await host.run(['python3', '-'], {
        user: 'app',
        input: `import sqlite3
d = sqlite3.connect("/var/lib/app/strained.db", isolation_level=None)
d.execute("CREATE TABLE page (n INTEGER PRIMARY KEY, t TEXT)"); d.execute("INSERT INTO page VALUES (1, NULL), (2, 'x')")
d.execute("CREATE TABLE other (n)"); d.execute("CREATE INDEX lagging ON other (n)"); d.execute("INSERT INTO other VALUES (1)")
d.execute("CREATE VIRTUAL TABLE words USING fts5(t, content='page')")
d.execute("PRAGMA writable_schema=ON")
d.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE page (n INTEGER PRIMARY KEY, t TEXT NOT NULL)' WHERE name = 'page'")
root = d.execute("SELECT rootpage FROM sqlite_master WHERE name = 'lagging'").fetchone()[0]
d.execute("DELETE FROM sqlite_master WHERE name = 'lagging'"); d.close()
d = sqlite3.connect("/var/lib/app/strained.db", isolation_level=None)
d.execute("INSERT INTO other VALUES (2)"); d.execute("PRAGMA writable_schema=ON")
d.execute("INSERT INTO sqlite_master VALUES ('index', 'lagging', 'other', ?, 'CREATE INDEX lagging ON other (n)')", (root,))
`,
      });
      const { ok, log } = await backUp(host);
      expect(ok, `${log}${await hook()}`).toBe(true);
      expect(await hook()).toMatch(
        /"\/var\/lib\/app\/strained\.db": every table of it can be read, but .*missing from index lagging.*NULL value in page\.t/,
      );
      const drilled = await start(host, 'backup-drill.service');
      expect(drilled.ok, drilled.log).toBe(true);
      const back = await host.run(
        ['backupctl', 'restore-db', '--into', '/var/lib/app/again.db', 'sqlite-app', '/var/lib/app/strained.db'],
        { mayFail: true },
      );
      expect([back.code, back.stdout]).toEqual([0, expect.stringContaining('"/var/lib/app/again.db" is restored')]);
      expect(
        (
          await host.run(
            `python3 -c 'import sqlite3; print(sqlite3.connect("/var/lib/app/again.db").execute("SELECT * FROM page, other NOT INDEXED").fetchall())'`,
          )
        ).stdout,
      ).toBe("[(1, None, 1), (1, None, 2), (2, 'x', 1), (2, 'x', 2)]\n");
      await host.run('rm /var/lib/app/strained.db /var/lib/app/again.db');
    });

    it('that cannot be copied fails the backup, which names it; the last good copy stays, and the others are copied', async () => {
      const { host } = fixture;
      await made(host, 'app', ['/var/lib/app/damaged.db', '/var/lib/app/scrambled.db', '/var/lib/app/locked.db']);
      expect((await copy()).ok).toBe(true);
      const before = await manifest();
      await host.run(
        'cd /var/lib/app; dd status=none if=/dev/urandom of=damaged.db bs=4096 seek=3 count=4 conv=notrunc; head -c 9000 /dev/urandom > scrambled.db; mkdir directory.db; echo text > text.db; ln -s nowhere link.db',
      );
      await host.run(
        'systemd-run --quiet --uid=app --unit=locker python3 -c \'import sqlite3, time; d = sqlite3.connect("/var/lib/app/locked.db", isolation_level=None); d.execute("BEGIN EXCLUSIVE"); time.sleep(600)\'; while runuser -u app -- python3 -c \'import sqlite3; sqlite3.connect("/var/lib/app/locked.db", timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")\' 2> /dev/null; do sleep 0.1; done',
      );
      await made(host, 'app', ['/srv/app/one/data.db', '/var/lib/app/later.db']);
      await role([{ ...app, paths: [...app.paths, '/var/lib/app/nothing-*.db', '/var/lib/app/gone.db'] }], {
        sqlite_busy_timeout: 2,
      });
      const begun = Date.now();
      expect((await backUp(host)).ok).toBe(false);
      expect(Date.now() - begun).toBeLessThan(60_000);
      const log = await hook();
      for (const [name, reason] of [
        ['damaged', 'it is damaged|malformed'],
        ['scrambled', 'file is not a database'],
        ['directory', 'it is not a file'],
        ['text', 'file is not a database'],
        ['link', 'No such file'],
        ['locked', 'database is locked'],
      ])
        expect(log).toMatch(
          new RegExp(
            `"/var/lib/app/${name}\\.db" was not copied; the last good copy, if there is one, is still there\\. The reason: .*(?:${reason})`,
          ),
        );
      expect(log).toContain('"/var/lib/app/nothing-*.db": there is no such file.');
      expect(log).toContain('"/var/lib/app/gone.db": there is no such file.');
      const after = await manifest();
      for (const name of ['damaged', 'scrambled', 'locked']) {
        expect(after[`var/lib/app/${name}.db`]).toEqual(before[`var/lib/app/${name}.db`]);
        expect(await sum(`${target}/var/lib/app/${name}.db`)).toBe(before[`var/lib/app/${name}.db`]?.sha256);
      }
      expect(Object.keys(after)).toContain('var/lib/app/later.db');
      expect((await host.run(`find ${target} -name '*partial*'`)).stdout).toBe('');
      await host.run(
        'systemctl stop locker; cd /var/lib/app; rm -r damaged.db scrambled.db directory.db text.db link.db',
      );
      await role([app]);
    });

    it('that was deleted loses its copy after the next good run', async () => {
      const { host } = fixture;
      await host.run('rm /var/lib/app/deep/1/2/x.sqlite');
      await made(host, 'app', ['/var/lib/app/deep/y.sqlite']);
      const { ok, log } = await copy();
      expect(ok, log).toBe(true);
      expect((await host.run(`find ${target}/var/lib/app/deep ${target}/var/lib/app/*.db`)).stdout).toBe(
        ['deep', 'deep/y.sqlite', 'cold.db', 'hot.db', 'later.db', 'left.db', 'locked.db', 'quiet.db']
          .map((name) => `${target}/var/lib/app/${name}\n`)
          .join(''),
      );
    });

    it('in a directory that the user cannot search is an error: it would be left out without a word', async () => {
      const { host } = fixture;
      await role([app, { name: 'homes', user: 'other', paths: ['/home/*/.config/*.sqlite'] }]);
      expect((await backUp(host)).ok).toBe(false);
      expect(await host.journal('backup-sqlite-homes')).toMatch(
        /"\/home\/\*\/\.config\/\*\.sqlite": .*Permission denied: '\/home\/app/,
      );
    });

    it('that is taken away, one entry or all, leaves nothing', async () => {
      const { host } = fixture;
      const homes = { name: 'homes', user: 'other', paths: ['/home/*/.config/*.sqlite'], state: 'absent' };
      const find = async (): Promise<string> =>
        (await host.run('find /etc /usr/local /backup /var/lib/rootless.backup -name "*sqlite-*"')).stdout;
      await role([app, homes]);
      expect(await find()).toContain('sqlite-app');
      expect(await find()).not.toContain('homes');
      await role([app, homes], { sqlite_state: 'absent' });
      expect(await find()).toBe('');
      expect((await role([app, homes], { sqlite_state: 'absent' })).recap['web']).toMatchObject({
        failed: 0,
        changed: 0,
      });
      expect((await backUp(host)).ok).toBe(true);
    });

    it('with a path or name that is wrong is refused, and nothing is touched', async () => {
      const { stdout } = await role([{ name: 'Wiki', user: 'app', paths: ['/*.db', 'relative.db', '/srv/a:b/x.db'] }]);
      for (const [part, value] of [
        ['name', 'Wiki'],
        ['paths[0]', '/*.db'],
        ['paths[1]', 'relative.db'],
        ['paths[2]', '/srv/a:b/x.db'],
      ])
        expect(stdout).toContain(String.raw`sqlite_databases[0].${part}: \"${value}\" is not allowed. Use `);
      expect((await role([app, app])).stdout).toContain('two entries have the same name');
    });
  },
);
