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

/** What a database holds and is, to compare. */
const contents = (host: Host, name: string): Promise<string> =>
  sql(
    host,
    `SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${text(name)};
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
    SELECT v, ROW_START, ROW_END FROM plain.past FOR SYSTEM_TIME ALL ORDER BY v; SELECT NEXTVAL(plain.numbers); SELECT * FROM plain.latin; SELECT MD5(b) FROM plain.large; SELECT * FROM plain.viewed;`,
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
      CREATE USER locked@'10.%' ACCOUNT LOCK; CREATE USER certified@localhost REQUIRE SSL WITH MAX_USER_CONNECTIONS 5;
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
    });

    it('is held to its manifest by the drill, without a false alarm', async () => {
      const { ok, log } = await start(fixture.host, 'backup-drill.service');
      expect(ok, log).toBe(true);
      expect(log).toContain('hook mariadb brings no proof; its dump was compared with its manifest only');
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
      // As the README says.
      await other.run("mariadb -e 'SET GLOBAL max_allowed_packet = 1073741824'");
      await other.run(
        'cd /srv/restored; shopt -s dotglob; for dump in system.sql databases/*.sql users.sql; do mariadb --max-allowed-packet=1G < "$dump" || exit; done',
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

    it('comes back under another name, and the live one stays as it is', async () => {
      const { host } = fixture;
      const before = await contents(host, 'plain');
      await sql(host, 'CREATE DATABASE plain_restored COLLATE utf8mb4_bin; DELETE FROM plain.data WHERE n = 1');
      await sql(host, 'SET GLOBAL max_allowed_packet = 1073741824');
      await host.run(
        "sed '/^CREATE DATABASE .*`plain`/d; /^USE `plain`;$/d' /srv/restored/backup/mariadb/databases/plain.sql | mariadb --max-allowed-packet=1G plain_restored",
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
      writeFileSync(path('group_vars/all.yml'), `${encrypted}\nmariadb_account: backup\nmariadb_user: dumper\n`);
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
      expect(stdout).toContain('mariadb_dump_socket: given is');
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
