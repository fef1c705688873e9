import { writeFileSync, rmSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { backUp, newest, onEachRelease, start } from './fixture.ts';

/** Names that MariaDB allows and that have broken something somewhere. */
const names = [
  'plain',
  'plain2',
  'my plain app',
  "quote'd",
  'double"quote',
  'back`tick',
  'sla/sh',
  '-dash',
  '--all-databases',
  'host=elsewhere',
  'percent%20',
  'back\\slash',
  'dollar$HOME',
  '$(touch /tmp/pwned)',
  'new\nline',
  'tab\tbed',
  'semi;colon',
  'UPPER',
  'upper',
  'ümlaut',
  '..',
  '.hidden',
  'users',
  'mysql2',
  'a'.repeat(64),
  'ü'.repeat(64),
  'あ'.repeat(50),
];

const identifier = (name: string): string => `\`${name.replaceAll('`', '``')}\``;
const text = (value: string): string => `CONVERT(0x${Buffer.from(value).toString('hex')} USING utf8mb4)`;

/** Runs SQL as root of the server. */
async function sql(host: Host, script: string, options: readonly string[] = []): Promise<string> {
  return (
    await host.run(['mariadb', '--default-character-set=utf8mb4', '--batch', '--skip-column-names', ...options], {
      input: script,
    })
  ).stdout;
}

async function serve(host: Host): Promise<void> {
  // As Debian's package makes it.
  await host.run(
    'mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket && systemctl start mariadb',
  );
}

/** What a server takes for a column's name, a client for a word of its own; what is behind, it would run as whoever loads it. */
const trap = [
  'CREATE FUNCTION plain2.spring() RETURNS INT SQL SECURITY INVOKER BEGIN INSERT INTO upper.data VALUES (-1, "", ""); RETURN 1; END',
  'CREATE PROCEDURE plain2.trap() SELECT 1\ndelimiter ,\n(SELECT plain2.spring()),\n3',
]
  .map((statement) => `EXECUTE IMMEDIATE 0x${Buffer.from(statement).toString('hex')};`)
  .join(' ');

/** The restore step of the hook as it is, for what no archive holds. */
async function loadBy(host: Host, directory: string, request: object): Promise<{ code: number; stdout: string }> {
  await host.write(`${directory}/request.json`, JSON.stringify({ over: false, globals: false, ...request }));
  await host.run(`chown -R mysql ${directory}`);
  const environment = [
    `SETTINGS=${JSON.stringify({ account: 'mysql', socket: '/run/mysqld/mysqld.sock' })}`,
    `BACKUP_DUMP=${directory}`,
    `BACKUP_REQUEST=${directory}/request.json`,
  ];
  const command = ['env', ...environment, '/usr/local/lib/backup/backup-mariadb', 'restore'];
  return host.run(command, { user: 'mysql', mayFail: true });
}

/** What a database holds and is, to compare. */
const contents = (host: Host, name: string): Promise<string> =>
  sql(
    host,
    `SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE BINARY SCHEMA_NAME = ${text(name)};
    SELECT COUNT(*), SUM(n), MD5(GROUP_CONCAT(HEX(bytes), HEX(t) ORDER BY n)) FROM ${identifier(name)}.data;`,
  );

/** The objects of a database beside tables, and how it remembers its past. */
const objects = (host: Host): Promise<string> =>
  sql(
    host,
    `SELECT ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_DEFINITION, DEFINER, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'plain' ORDER BY 1;
    SELECT EVENT_NAME, EVENT_DEFINITION, DEFINER, INTERVAL_VALUE, STATUS FROM information_schema.EVENTS ORDER BY 1;
    SELECT TRIGGER_NAME, ACTION_STATEMENT, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'plain' ORDER BY 1;
    SELECT TABLE_NAME, VIEW_DEFINITION, DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'plain' ORDER BY 1;
    SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'plain' ORDER BY 1;
    SELECT v, ROW_START, ROW_END FROM plain.past FOR SYSTEM_TIME ALL ORDER BY v; SELECT next_not_cached_value FROM plain.numbers; SELECT * FROM plain.latin; SELECT MD5(b) FROM plain.large; SELECT * FROM plain.viewed;`,
  );

/** Every account and role with all that it may do. */
async function accounts(host: Host): Promise<string> {
  const all = (
    await sql(host, "SELECT User, Host, JSON_VALUE(Priv, '$.is_role') FROM mysql.global_priv ORDER BY User, Host")
  )
    .trimEnd()
    .split('\n')
    .map((row) => row.split('\t'));
  const shown = await sql(
    host,
    all
      .map(([user = '', at = '', role]) => {
        const account =
          user === 'PUBLIC' ? 'PUBLIC' : role === '1' ? identifier(user) : `${identifier(user)}@${identifier(at)}`;
        return `${role === '1' ? '' : `SHOW CREATE USER ${account};`} SHOW GRANTS FOR ${account};`;
      })
      .join('\n'),
  );
  // A server shows grants in no certain order, and PROXY twice once it was granted again.
  return [...new Set(shown.split('\n'))].sort().join('\n');
}

onEachRelease(
  'MariaDB',
  async ({ lab, host }) => {
    await serve(host);
    await host.run('mariadb-tzinfo-to-sql /usr/share/zoneinfo/Europe/Berlin Europe/Berlin | mariadb mysql');
    for (const [index, name] of names.entries())
      await sql(
        host,
        `CREATE DATABASE ${identifier(name)} COLLATE ${index % 2 === 0 ? 'utf8mb4_bin' : 'latin1_swedish_ci'};
        CREATE TABLE ${identifier(name)}.data (n INT PRIMARY KEY, t TEXT CHARACTER SET utf8mb4, bytes BLOB) ENGINE=InnoDB;
        INSERT INTO ${identifier(name)}.data SELECT seq, CONCAT('ä😀''"\\\\', seq), UNHEX(CONCAT('00ff27220a5c80', LPAD(HEX(seq), 4, '0'))) FROM mysql.seq_1_to_${100 + index};`,
      );
    await sql(
      host,
      `USE plain;
      CREATE ROLE inner_role; CREATE ROLE outer_role; GRANT inner_role TO outer_role;
      CREATE USER 'shop keeper'@localhost IDENTIFIED BY 'sold-out'; CREATE USER backup@localhost IDENTIFIED BY 'x';
      CREATE USER locked@'10.%' IDENTIFIED BY 'x' ACCOUNT LOCK; CREATE USER certified@localhost IDENTIFIED BY 'x' REQUIRE SSL WITH MAX_USER_CONNECTIONS 5;
      GRANT outer_role TO 'shop keeper'@localhost WITH ADMIN OPTION; SET DEFAULT ROLE outer_role FOR 'shop keeper'@localhost;
      CREATE TABLE latin (t VARCHAR(20)) CHARACTER SET latin1 ENGINE=MyISAM; INSERT INTO latin VALUES ('naïve');
      CREATE TABLE past (v INT) WITH SYSTEM VERSIONING; INSERT INTO past VALUES (1); UPDATE past SET v = 2;
      CREATE SEQUENCE numbers START WITH 41 NOCACHE; SELECT NEXTVAL(numbers);
      CREATE DEFINER='shop keeper'@localhost VIEW viewed AS SELECT n, HEX(bytes) AS h FROM data WHERE n < 3;
      CREATE TABLE large AS SELECT REPEAT(UNHEX('00ff'), 5000000) AS b;
      CREATE TABLE log (n INT);
      DELIMITER //
      CREATE PROCEDURE fill(IN many INT) BEGIN /* ä */ INSERT INTO log VALUES (many); END//
      CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n//
      CREATE TRIGGER logged AFTER DELETE ON data FOR EACH ROW BEGIN INSERT INTO log VALUES (OLD.n); END//
      CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO BEGIN CALL fill(1); END//
      DELIMITER ;
      CREATE VIEW plain2.across AS SELECT d.n, plain.twice(d.n) AS m FROM \`my plain app\`.data AS d; CREATE VIEW plain2.aaa AS SELECT m FROM plain2.across;
      CREATE TABLE plain2.gone (n INT); CREATE VIEW plain2.lost AS SELECT n FROM plain2.gone; DROP TABLE plain2.gone;
      CREATE TABLE plain2.orders AS SELECT 7 AS n; CREATE VIEW plain2.Orders AS SELECT n FROM plain2.data;
      CREATE TABLE plain2.parted (n INT) PARTITION BY RANGE (n) (PARTITION a VALUES LESS THAN (9));
      CREATE USER clerk@localhost IDENTIFIED BY 'x'; GRANT SELECT (n) ON plain2.data TO clerk@localhost;
      CREATE DEFINER=clerk@localhost VIEW plain2.clerks AS SELECT n FROM plain2.data; CREATE VIEW plain2.above AS SELECT n FROM plain2.clerks;
      SET time_zone = 'Europe/Berlin'; CREATE EVENT plain2.monthly ON SCHEDULE EVERY 1 MONTH STARTS '2030-01-01 03:00:00' DO SET @done = 1; SET time_zone = 'SYSTEM';
      CREATE TRIGGER plain2.first BEFORE INSERT ON plain2.data FOR EACH ROW SET NEW.t = CONCAT(NEW.t, 1); CREATE TRIGGER plain2.another BEFORE INSERT ON plain2.data FOR EACH ROW SET NEW.t = CONCAT(NEW.t, 2);
      CREATE TABLE parent (n INT PRIMARY KEY); CREATE TABLE child (n INT REFERENCES parent (n)); CREATE TABLE plain2.kid (n INT, FOREIGN KEY (n) REFERENCES plain.parent (n));
      ${trap}
      GRANT SELECT (n) ON plain.data TO inner_role; GRANT EXECUTE ON PROCEDURE plain.fill TO outer_role;
      GRANT SELECT ON \`my plain app\`.* TO PUBLIC; GRANT SELECT ON plain.* TO 'shop keeper'@localhost;`,
    );
    const checked = await lab.roles(['borg', 'mariadb'], {}, { args: ['--check'] });
    expect(checked.recap['web']?.failed).toBe(0);
    expect(await host.exists('/etc/systemd/system/backup-mariadb.service')).toBe(false);
    await lab.roles(['borg']);
  },
  (fixture) => {
    const target = '/backup/mariadb';
    const manifest = async (): Promise<Record<string, { database: string | null; size: number; sha256: string }>> =>
      (
        JSON.parse(await fixture.host.read(`${target}/manifest.json`)) as {
          files: Record<string, { database: string | null; size: number; sha256: string }>;
        }
      ).files;
    const web = { args: ['--limit', 'web'] };
    const hook = (): Promise<string> => fixture.host.journal('backup-mariadb.service');
    const sum = async (file: string): Promise<string | undefined> =>
      (await fixture.host.run(`sha256sum < ${target}/${file}`)).stdout.split(' ')[0];

    it('is dumped with every database, whatever its name, by the user mysql out of the box, in a sandbox with an exposure of at most 0.4', async () => {
      const { host, lab } = fixture;
      const { stdout } = await lab.roles(['mariadb'], {}, { args: ['-v'] });
      expect(Number(/"exposure": ([\d.]+)/.exec(stdout)?.[1])).toBeLessThanOrEqual(0.4);
      expect((await lab.roles(['mariadb'])).recap['web']?.changed).toBe(0);
      const { ok, log } = await backUp(host);
      expect(ok, `${log}${await hook()}`).toBe(true);
      const dumped = Object.values(await manifest())
        .map(({ database }) => database)
        .filter((name) => name !== null);
      expect(dumped.sort()).toEqual([...names].sort());
      expect(Object.keys(await manifest())).toEqual(expect.arrayContaining(['system.sql', 'users.sql']));
      expect(await host.exists('/tmp/pwned')).toBe(false);
      expect(await hook()).toContain('"plain": tables of engines without transactions (MyISAM, Aria): 1.');
      expect(await hook()).not.toContain('holds live data');
      // A view whose table is gone costs that view, and not its database.
      expect(await hook()).toContain('"plain2": its view "lost" cannot be read');
      expect((await hook()).match(/its view \S+ cannot be read/g)).toEqual(['its view "lost" cannot be read']);
    });

    it('is proven by the drill in a server that is thrown away, without a false alarm', async () => {
      const { ok, log } = await start(fixture.host, 'backup-drill.service');
      expect(ok, log).toBe(true);
      expect(log).toMatch(new RegExp(`mariadb: ${names.length} databases, \\d+ tables, \\d+ rows proven`));
    });

    it('has rows that are lost while they are loaded found by the drill', async () => {
      const { host } = fixture;
      await host.write(
        '/usr/local/bin/mariadb',
        `#!/bin/bash
/usr/bin/mariadb "$@"
code=$?
[[ "$(id -un) $* " == backup-prove*"--database=plain "*--force* ]] && /usr/bin/mariadb "$1" --database=plain --execute 'DELETE FROM data ORDER BY n LIMIT 1' > /dev/null 2>&1
exit $code
`,
        '0755',
      );
      const { ok, log } = await start(host, 'backup-drill.service');
      await host.run('rm /usr/local/bin/mariadb');
      expect(ok).toBe(false);
      expect(log).toMatch(/mariadb: database "plain": table "data" has \d+ rows, but had \d+/);
      expect(log).toContain('hook mariadb: its dump is not proven');
    });

    const restore = async (...args: string[]): Promise<{ ok: boolean; said: string }> => {
      const { code, stdout, stderr } = await fixture.host.run(['backupctl', 'restore-db', ...args], { mayFail: true });
      return { ok: code === 0, said: stdout + stderr };
    };

    it('comes back by `backupctl restore-db`: beside what is there, with its events switched off; over it; and not over it unless that is asked for', async () => {
      const { host } = fixture;
      const before = {
        contents: await contents(host, 'plain'),
        objects: await objects(host),
        accounts: await accounts(host),
      };
      const beside = await restore('--into', 'it`s 100%_other', 'mariadb', 'plain');
      expect(beside.ok, beside.said).toBe(true);
      expect(beside.said).toContain('its events are switched off, since those of "plain" may run: "nightly"');
      expect(await contents(host, 'it`s 100%_other')).toBe(before.contents);
      expect(
        await sql(
          host,
          'SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = "it`s 100%_other"; SELECT DEFINER, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = "it`s 100%_other"; SHOW TRIGGERS FROM `it``s 100%_other` LIKE "data"',
        ),
      ).toMatch(/^viewed\nroot@localhost\tDISABLED\nlogged\tDELETE\tdata\t/);
      await sql(
        host,
        'DROP DATABASE `it``s 100%_other`; DELETE FROM plain.data WHERE n > 5; DROP VIEW plain.viewed; CREATE TABLE plain.later (n INT)',
      );
      const refused = await restore('mariadb', 'plain');
      expect([refused.ok, refused.said]).toEqual([false, expect.stringContaining('and it is not empty')]);
      const over = await restore('--over', 'mariadb', 'plain', 'plain2');
      expect(over.ok, over.said).toBe(true);
      expect(over.said).toContain('view "lost" could not be read when it was dumped');
      expect(await contents(host, 'plain')).toBe(before.contents);
      expect(await objects(host)).toBe(before.objects);
      expect(await accounts(host)).toBe(before.accounts);
      expect(
        await sql(
          host,
          "SELECT COUNT(*) FROM mysql.global_priv WHERE User REGEXP '^backup_(dump|restore)_'; SHOW DATABASES LIKE 'restoring%'; SELECT SUM(m) FROM plain2.aaa; SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'plain2' ORDER BY ACTION_ORDER; SELECT TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA FROM information_schema.REFERENTIAL_CONSTRAINTS ORDER BY 1",
        ),
      ).toBe('0\n10506\nfirst\nanother\nchild\tplain\nkid\tplain\n');
    });

    it('comes back whole by `backupctl restore-db --globals --all` into a new server: users, grants, events, views into other databases, time zones, large rows', async () => {
      const { host } = fixture;
      const held = async (): Promise<string[]> => {
        const all: string[] = [await objects(host), await accounts(host)];
        for (const name of names) all.push(await contents(host, name));
        return all;
      };
      const before = await held();
      await host.run(
        'systemctl stop mariadb; mv /var/lib/mysql /root/lost; install -d -o mysql -g mysql /var/lib/mysql',
      );
      await serve(host);
      await sql(host, "INSTALL SONAME 'simple_password_check'");
      // It breaks off in the middle twice, when some are begun and none is whole.
      for (const signal of ['KILL', 'TERM']) {
        const [broken] = await Promise.all([
          restore('--globals', '--once', '--all', 'mariadb'),
          host.run(
            `until [ "$(wc -l 2> /dev/null < /var/lib/backup-restore/mariadb/came-back || echo 0)" -ge 3 ]; do sleep 0.02; done
            systemctl kill --signal=${signal} backup-mariadb-restore`,
            { timeoutSeconds: 120 },
          ),
        ]);
        expect(broken.ok, broken.said).toBe(false);
        if (signal === 'KILL')
          // Somebody's own, meanwhile.
          await sql(
            host,
            'DROP DATABASE IF EXISTS plain; CREATE DATABASE plain; CREATE TABLE plain.mine SELECT 1 AS n',
          );
        else
          expect(broken.said).toMatch(/"plain" already, and it is not empty[^]*"[^]+" is not whole: .* makes it anew/);
      }
      expect(await sql(host, 'SELECT n FROM plain.mine; DROP DATABASE plain')).toBe('1\n');
      const { ok, said } = await restore('--globals', '--once', '--all', 'mariadb');
      expect(ok, said).toBe(true);
      expect(said).toMatch(/"plain2" +102 +[\d.]+ {2}restored\n/);
      expect(await held()).toEqual(before);
      expect(
        await sql(
          host,
          "SELECT SUM(m) FROM plain2.aaa; SELECT TIME_ZONE, STARTS, STATUS FROM information_schema.EVENTS WHERE EVENT_NAME = 'monthly'; SELECT @@GLOBAL.max_allowed_packet < 1073741824, @@GLOBAL.strict_password_validation, @@GLOBAL.automatic_sp_privileges; SELECT n FROM plain2.orders; SELECT COUNT(*) FROM plain2.Orders; SELECT COUNT(*) FROM plain2.above",
        ),
      ).toBe('10506\nEurope/Berlin\t2030-01-01 03:00:00\tENABLED\n1\t1\t1\n7\n101\n101\n');
      // What the tests after this one break is in the old server.
      await host.run(
        'systemctl stop mariadb; rm -r /var/lib/mysql; mv /root/lost /var/lib/mysql; systemctl start mariadb',
      );
    });

    it('loads what an older version of this collection dumped, but for what runs as somebody else, which is named', async () => {
      const { host } = fixture;
      const entry = { database: 'plain', finished: '2026-01-01T00:00:00Z', size: 1, sha256: '0'.repeat(64) };
      await host.run('mkdir /run/older');
      await host.run(
        'mariadb-dump --default-character-set=utf8mb4 --routines --events --triggers --hex-blob --dump-history --databases plain > /run/older/plain.sql',
      );
      await host.write('/run/older/manifest.json', JSON.stringify({ files: { 'plain.sql': entry } }));
      const items = [{ file: 'plain.sql', name: 'plain', into: 'older' }];
      const { code, stdout } = await loadBy(host, '/run/older', { items });
      expect([code, stdout]).toEqual([1, expect.stringContaining('"older" was dumped by an older version')]);
      expect(stdout).toMatch(/not loaded: ERROR 1227 .*SET USER/);
      expect(await contents(host, 'older')).toBe(await contents(host, 'plain'));
      expect(await sql(host, "SHOW FULL TABLES FROM older WHERE Table_type = 'VIEW'")).toBe('');
      await sql(host, 'DROP DATABASE older');
      await host.run('rm -r /run/older');
    });

    it('takes the place of nothing unless it is whole, and runs nothing that was smuggled into its tables: no command of the client, nothing in another database', async () => {
      const { host } = fixture;
      const tables = `CREATE TABLE \`t\` (n INT);
INSERT INTO \`t\` VALUES (1);
\\! touch /run/mysqld/pwned
system touch /run/mysqld/pwned
;
INSERT INTO upper.data VALUES (-1, "", "");
CREATE TABLE bound (n INT, FOREIGN KEY (n) REFERENCES upper.data (n));
GRANT ALL ON *.* TO backup@localhost;
SELECT 1 INTO OUTFILE '/run/mysqld/pwned';
LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t;
CREATE DEFINER=root@localhost PROCEDURE p() SELECT 1;
`;
      await host.run('rm -rf /run/smuggled; install -d -o mysql /run/smuggled');
      await host.write('/run/smuggled/shop.sql', tables);
      const entry = { database: 'shop', finished: '2026-01-01T00:00:00Z', size: tables.length, sha256: '0'.repeat(64) };
      await host.write(
        '/run/smuggled/manifest.json',
        JSON.stringify({ files: { 'shop.sql': { ...entry, parts: [0, tables.length], definitions: [], tables: {} } } }),
      );
      const before = await contents(host, 'upper');
      await sql(host, 'CREATE DATABASE shop; CREATE TABLE shop.kept AS SELECT 1 AS n');
      const load = (partial: boolean): Promise<{ code: number; stdout: string }> =>
        loadBy(host, '/run/smuggled', {
          items: [{ file: 'shop.sql', name: 'shop', into: 'shop' }],
          over: true,
          partial,
        });
      const whole = await load(false);
      expect([whole.code, whole.stdout]).toEqual([
        1,
        expect.stringContaining('With --partial the rest takes its place'),
      ]);
      expect(await sql(host, 'SHOW TABLES FROM shop')).toBe('kept\n');
      const partly = await load(true);
      expect([partly.code, partly.stdout]).toEqual([
        1,
        expect.stringContaining('restored but for what is named above'),
      ]);
      expect(await sql(host, "SELECT * FROM shop.t; SHOW TABLES FROM shop; SHOW PROCEDURE STATUS LIKE 'p'")).toBe(
        '1\nt\n',
      );
      expect(await host.exists('/run/mysqld/pwned')).toBe(false);
      expect(await contents(host, 'upper')).toBe(before);
      expect(await sql(host, 'SHOW GRANTS FOR backup@localhost')).not.toContain('ALL PRIVILEGES');
      await sql(host, 'DROP DATABASE shop');
      await host.run('rm -r /run/smuggled');
    });

    it('comes back equal from the archive on another server, with users, roles, grants, routines, events, triggers, views, past rows and blobs', async () => {
      const { lab, host } = fixture;
      const other = await lab.boot({ name: 'other', debian: fixture.release });
      await serve(other);
      const before = { objects: await objects(host), accounts: await accounts(host) };
      await host.run(`backup-borg --into /srv/restored extract ::${await newest(host, 'dumps')} backup/mariadb`);
      for (const [file, { size, sha256 }] of Object.entries(await manifest()))
        expect(
          (
            await host.run([
              'bash',
              '-c',
              'stat -c %s "$1"; sha256sum < "$1"',
              'sum',
              `/srv/restored/backup/mariadb/${file}`,
            ])
          ).stdout,
        ).toMatch(new RegExp(`^${size}\n${sha256} `));
      await other.run('mkdir /srv/restored && tar -C /srv/restored -x', {
        input: (await host.run('tar -C /srv/restored/backup/mariadb -c .')).stdoutBytes,
      });
      // As docs/restore.md says.
      await other.run("mariadb -e 'SET GLOBAL max_allowed_packet = 1073741824'");
      await other.run(
        'cd /srv/restored; shopt -s dotglob; for dump in system.sql users.sql databases/*.sql users.sql; do mariadb --binary-mode --max-allowed-packet=1G --force < "$dump" || :; done',
      );
      for (const name of names) expect([name, await contents(other, name)]).toEqual([name, await contents(host, name)]);
      expect(await objects(other)).toBe(before.objects);
      expect(await accounts(other)).toBe(before.accounts);
      expect(before.accounts).toMatch(/ACCOUNT LOCK[^]*TO PUBLIC/);
      expect(
        (
          await other.run([
            'mariadb',
            '-BN',
            '--user=shop keeper',
            '--password=sold-out',
            '-e',
            'SELECT CURRENT_ROLE(), COUNT(n) FROM plain.data',
          ])
        ).stdout,
      ).toBe('outer_role\t100\n');
    });

    // In `npm run test:long`.
    if (fixture.release === 12 && process.env['ATTACK_ROUNDS'] !== undefined)
      it('comes back in a server of a later version', async () => {
        const { lab, host } = fixture;
        const later = await lab.boot({ name: 'later', debian: 13 });
        await serve(later);
        await later.run('tar -C / -x', {
          input: (await host.run('tar -C / -c backup/mariadb usr/local/lib/backup')).stdoutBytes,
        });
        const items = Object.entries(await manifest())
          .filter(([, { database }]) => database !== null)
          .map(([file, { database }]) => ({ file, name: database, into: database }));
        const { code, stdout } = await loadBy(later, target, { items, all: true, globals: true });
        expect(code, stdout).toBe(0);
        for (const name of names)
          expect([name, await contents(later, name)]).toEqual([name, await contents(host, name)]);
        expect(await sql(later, 'SELECT SUM(m) FROM plain2.aaa; SELECT COUNT(*) FROM plain.viewed')).toBe('10506\n2\n');
        await lab.forget(later);
      });

    it('comes back under another name, and the live one stays as it is', async () => {
      const { host } = fixture;
      const before = await contents(host, 'plain');
      await sql(host, 'CREATE DATABASE plain_restored COLLATE utf8mb4_bin; DELETE FROM plain.data WHERE n = 1');
      await sql(host, 'SET GLOBAL max_allowed_packet = 1073741824');
      await host.run(
        "sed '/^CREATE DATABASE .*`plain`/d; /^USE `plain`;$/d' /srv/restored/backup/mariadb/databases/plain.sql | mariadb --binary-mode --max-allowed-packet=1G plain_restored",
      );
      expect(await contents(host, 'plain_restored')).toBe(before);
      expect(await contents(host, 'plain')).not.toBe(before);
      await sql(host, 'DROP DATABASE plain_restored');
    });

    it('has its dumps for its own eyes only, and its live data directory is not in the archive', async () => {
      const { host } = fixture;
      expect((await host.run(`stat -c '%a %U' ${target}`)).stdout.trim()).toBe('700 mysql');
      expect((await host.run(`find ${target} -perm /077`)).stdout).toBe('');
      expect((await host.run(['ls', target], { user: 'nobody', mayFail: true })).code).not.toBe(0);
      const list = (await host.run(`backup-borg list --format '{path}{NL}' ::${await newest(host, 'files')} var/lib`))
        .stdout;
      expect(list).toContain('var/lib/dpkg');
      expect(list).not.toContain('var/lib/mysql');
    });

    it('is dumped as one moment of each database while others write to it', async () => {
      const { host } = fixture;
      await sql(
        host,
        `CREATE DATABASE moving; USE moving; CREATE TABLE a (n BIGINT); CREATE TABLE z (n BIGINT); INSERT INTO a VALUES (0); INSERT INTO z VALUES (0);
        CREATE TABLE m AS SELECT seq, REPEAT('x', 200) AS t FROM mysql.seq_1_to_100000;
        DELIMITER //
        CREATE PROCEDURE move() LOOP START TRANSACTION; UPDATE a SET n = n + 1; UPDATE z SET n = n - 1; COMMIT; END LOOP//`,
      );
      await host.run("systemd-run --quiet --unit=mover mariadb -e 'CALL moving.move()'");
      for (let round = 0; round < 3; round++) {
        expect((await host.run('systemctl start backup-mariadb', { mayFail: true })).code, await hook()).toBe(0);
        await sql(host, 'DROP DATABASE IF EXISTS still; CREATE DATABASE still');
        await host.run(
          `sed '/^CREATE DATABASE .*\`moving\`/d; /^USE \`moving\`;$/d' ${target}/databases/moving.sql | mariadb still`,
        );
        const [n, total] = (await sql(host, 'SELECT a.n, a.n + z.n FROM still.a JOIN still.z'))
          .trim()
          .split('\t')
          .map(Number);
        expect(n).toBeGreaterThan(0);
        expect(total).toBe(0);
      }
      expect((await host.run('systemctl is-active mover')).stdout.trim()).toBe('active');
      await host.run('systemctl stop mover');
      await sql(host, 'DROP DATABASE moving; DROP DATABASE still');
    });

    it('keeps the last good dump when a new one fails, and the backup fails and says why', async () => {
      const { host } = fixture;
      expect((await backUp(host)).ok).toBe(true);
      const before = await manifest();
      await sql(
        host,
        'CREATE TABLE plain.broken AS SELECT 1; INSERT INTO upper.data VALUES (0, "", ""); DROP DATABASE plain2',
      );
      await host.run('systemctl stop mariadb; mv /var/lib/mysql/plain/broken.ibd /root; systemctl start mariadb');
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(false);
      expect(await hook()).toMatch(/Database "plain" was not dumped; the last good dump.*broken/);
      const after = await manifest();
      expect(after['databases/plain.sql']).toEqual(before['databases/plain.sql']);
      expect(await sum('databases/plain.sql')).toBe(before['databases/plain.sql']?.sha256);
      expect(after['databases/upper.sql']).not.toEqual(before['databases/upper.sql']);
      expect(Object.keys(after)).toContain('databases/plain2.sql');
      expect((await host.run(`find ${target} -name '*.partial'`)).stdout).toBe('');
      await sql(host, 'DROP TABLE plain.broken');
    });

    it('keeps the last good dumps when the disk is full', async () => {
      const { host } = fixture;
      const before = (await manifest())['databases/plain.sql'];
      await host.run(
        `cp -a ${target} /root/copy; mount -t tmpfs -o size=48M,mode=0700,uid=$(id -u mysql) tmpfs ${target}; cp -a /root/copy/. ${target}; head -c 64M /dev/zero > ${target}/filler; chown mysql: ${target}/filler`,
        { mayFail: true },
      );
      const { ok } = await backUp(host);
      expect(ok).toBe(false);
      expect(await hook()).toMatch(/No space left on device|errno 28|Errcode: 28/i);
      expect(await sum('databases/plain.sql')).toBe(before?.sha256);
      await host.run(`umount ${target}; rm -r /root/copy`);
    });

    it('loses the dump of a dropped database, and of one that is left out by its exact name, after a good run', async () => {
      const { lab, host } = fixture;
      await lab.roles(['mariadb'], { mariadb_exclude: ['plain', 'sla/sh', 'pper'] }, web);
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const dumped = Object.values(await manifest())
        .map(({ database }) => database)
        .filter((name) => name !== null);
      expect(dumped.sort()).toEqual(names.filter((name) => !['plain', 'plain2', 'sla/sh'].includes(name)).sort());
      expect((await host.run(`ls -A ${target}/databases | wc -l`)).stdout.trim()).toBe(String(dumped.length));
    });

    it('that is down fails the backup, which says so', async () => {
      const { host } = fixture;
      // Where a socket starts the server when somebody asks, it is not down.
      await host.run('systemctl stop mariadb.socket mariadb.service');
      const { ok, log } = await backUp(host);
      await host.run('systemctl start mariadb');
      expect(ok, `${log}${await hook()}`).toBe(false);
      expect(await hook()).toMatch(
        /The server was not dumped; .*Can't connect to local server through socket '\/run\/mysqld\/mysqld\.sock'/,
      );
    });

    it('warns of a data directory that is not covered', async () => {
      const { lab, host } = fixture;
      await lab.roles(['mariadb'], { mariadb_data_directories: ['/var/lib/mysql/x'] }, web);
      expect((await host.run('systemctl start backup-mariadb', { mayFail: true })).code).toBe(0);
      expect(await hook()).toContain('/var/lib/mysql/ holds live data and is not in mariadb_data_directories');
    });

    it('is dumped by an account with a password from a vault, which is in no log, journal, diff, argument, environment or unit', async () => {
      const { lab, host } = fixture;
      const needle = 'hush-hush';
      const password = `${needle} #1 "double" 'single' \\n 100% $HOME ;ü`;
      const path = (name: string): string => join(lab.directory, name);
      writeFileSync(path('vault-password'), 'open sesame\n', { mode: 0o600 });
      const { stdout: encrypted } = await lab.ansible(
        'ansible-vault',
        ['encrypt_string', '--vault-password-file', path('vault-password'), '--stdin-name', 'mariadb_dump_password'],
        { input: password },
      );
      expect(encrypted).toContain('!vault');
      mkdirSync(path('group_vars'));
      writeFileSync(
        path('group_vars/all.yml'),
        `${encrypted}\nmariadb_dump_account: backup\nmariadb_dump_user: dumper\n`,
      );
      await host.run('useradd --system dumper');
      await lab.playbook([
        {
          hosts: 'web',
          gather_facts: false,
          tasks: [{ 'rootless.backup.hook': { name: 'mariadb', state: 'absent' } }],
        },
      ]);
      await sql(
        host,
        `SET STATEMENT sql_mode = '' FOR SELECT 1; EXECUTE IMMEDIATE CONCAT('ALTER USER backup@localhost IDENTIFIED BY ', QUOTE(${text(password)}))`,
      );
      await host.write(
        '/usr/local/bin/watch',
        '#!/bin/bash\nwhile :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2> /dev/null; sleep 0.01; done > /run/watched\n',
        '0755',
      );
      await host.run('systemd-run --quiet --unit=watch /usr/local/bin/watch');
      const output: string[] = [];
      for (const args of [
        ['--check', '--diff', '-vvv'],
        ['--diff', '-vvv'],
        ['--diff', '-vvv'],
      ]) {
        const { stdout, stderr, recap } = await lab.roles(
          ['mariadb'],
          {},
          { args: [...args, '--limit', 'web', '--vault-password-file', path('vault-password')] },
        );
        output.push(stdout, stderr);
        expect(recap['web']?.changed).toBe(output.length === 6 ? 0 : 1);
      }
      // Without the privileges, what it cannot see would be missing.
      expect((await backUp(host)).ok).toBe(false);
      expect(await hook()).toContain(
        'The account backup@localhost lacks privileges, and what it may not see would be missing without a word. As root: GRANT EVENT, SELECT, SHOW VIEW, TRIGGER ON *.* TO this account.',
      );
      await sql(host, 'GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO backup@localhost');
      const { ok, log } = await backUp(host);
      expect(ok, `${log}${await hook()}`).toBe(true);
      await host.run('systemctl stop watch');
      expect((await host.run(`stat -c %U ${target}/users.sql`)).stdout.trim()).toBe('dumper');
      expect(await host.read('/etc/credstore/backup-mariadb/password')).toBe(password);
      expect((await host.run('stat -c "%a %U" /etc/credstore/backup-mariadb/password')).stdout.trim()).toBe('600 root');
      expect(output.join('')).toContain('/etc/credstore/backup-mariadb/password');
      expect(output.join('')).not.toContain(needle);
      expect((await host.run('journalctl --sync; journalctl --boot --no-pager --all')).stdout).not.toContain(needle);
      expect(
        (
          await host.run(
            'systemctl show backup-mariadb.service; systemctl cat backup-mariadb.service; cat /var/lib/rootless.backup/*',
          )
        ).stdout,
      ).not.toContain(needle);
      const watched = (await host.run('cat /run/watched')).stdout;
      expect(watched).toContain('mariadb-dump');
      expect(watched).not.toContain(needle);
      expect(
        (
          await host.run(`grep -rlF ${needle} /etc /var/lib/rootless.backup /usr/local ${target} /root /tmp /var/tmp`, {
            mayFail: true,
          })
        ).stdout.trim(),
      ).toBe('/etc/credstore/backup-mariadb/password');
      rmSync(path('group_vars'), { recursive: true });
    });

    it('needs the name of the account that a password is for', async () => {
      const { stdout } = await fixture.lab.roles(
        ['mariadb'],
        { mariadb_dump_password: 'hush-hush', mariadb_dump_socket: '/tmp/x.sock' },
        { ...web, mayFail: true },
      );
      expect(stdout).toContain(String.raw`mariadb_dump_socket: \"/tmp/x.sock\" is not allowed. Use an absolute path`);
      const { stdout: second } = await fixture.lab.roles(
        ['mariadb'],
        { mariadb_dump_password: 'hush-hush' },
        { ...web, mayFail: true },
      );
      expect(second).toContain('mariadb_dump_account: it is missing; mariadb_dump_password is given');
      expect(stdout + second).not.toContain('hush-hush');
    });

    it('that is taken away leaves nothing', async () => {
      const { lab, host } = fixture;
      await lab.roles(['mariadb'], { mariadb_state: 'absent' }, web);
      expect(
        (
          await host.run(
            'find /etc/systemd /etc/tmpfiles.d /etc/backup /etc/credstore /usr/local /backup /var/lib/rootless.backup -name "*mariadb*" ! -name mariadb.service ! -name mariadb.socket',
          )
        ).stdout,
      ).toBe('');
      expect((await lab.roles(['mariadb'], { mariadb_state: 'absent' }, web)).recap['web']?.changed).toBe(0);
      expect((await backUp(host)).ok).toBe(true);
    });
  },
);
