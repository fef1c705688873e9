import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { archives, backUp, onEachRelease } from './fixture.ts';
import { describeTree, tree } from './tree.ts';

const databases = ['shop', 'wiki', 'my notes'];

async function sql(host: Host, database: string, script: string): Promise<string> {
  return (
    await host.run(['env', `PGDATABASE=${database}`, 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', '-'], {
      user: 'postgres',
      input: script,
    })
  ).stdout;
}

const contents = async (host: Host): Promise<string> =>
  (
    await Promise.all(
      databases.map((name) =>
        sql(
          host,
          name,
          "SELECT count(*), sum(n), md5(string_agg(t, ',' ORDER BY n)), (SELECT relowner::regrole FROM pg_class WHERE relname = 'data') FROM data",
        ),
      ),
    )
  ).join('');

let server: Host;

/** A server of MariaDB, as Debian's package makes it. */
const serve =
  'mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket && systemctl start mariadb';
const readStock = "mariadb -BN -e 'SELECT * FROM stock.item; SHOW GRANTS FOR keeper@localhost'";

/** A SQLite database, and who may read it. */
const readNotes = `python3 -c 'import sqlite3; print(sqlite3.connect("/home/alice/notes/notes.db").execute("SELECT * FROM note").fetchall())'; stat -c '%U %a' /home/alice/notes/notes.db`;

/** An application of one's own: a unit, an account, settings and data, which it holds open, for it and for alice. */
const ledger = `set -e
  useradd --system --uid 976 ledger
  echo 'GREETING=hello' > /etc/ledger.conf
  install -d -o ledger -g ledger -m 0750 /var/lib/ledger
  printf 'seven\n' | install -o ledger -g ledger -m 0640 /dev/stdin /var/lib/ledger/book
  setfacl -m u:alice:r /var/lib/ledger/book
  install -g ssl-cert -m 0640 /dev/null /etc/ssl/private/ledger.key; echo secret > /etc/ssl/private/ledger.key
  printf '%s\n' '[Unit]' 'Description=Ledger' '[Service]' 'User=ledger' 'EnvironmentFile=/etc/ledger.conf' \
    'ExecStart=/bin/sh -c "exec tail --follow /var/lib/ledger/book"' '[Install]' WantedBy=multi-user.target > /etc/systemd/system/ledger.service
  systemctl enable --quiet --now ledger`;
const readLedger =
  "systemctl is-active ledger; pgrep --exact --count master; systemctl is-enabled ledger; cat /var/lib/ledger/book /etc/ssl/private/ledger.key; getfacl -p /var/lib/ledger/book; stat -c '%n %U %G %a' /var/lib/ledger /etc/ssl/private/ledger.key";

/** A package of which there is a service, by whose account it was installed. */
const build = `mkdir -p /tmp/rack/DEBIAN /tmp/rack/var/lib/rack && cd /tmp/rack && printf '%s\n' 'Package: rack' 'Version: 1' 'Architecture: all' \
  'Maintainer: nobody' 'Description: shelves' > DEBIAN/control && mkdir -p /usr/local/own && dpkg-deb --build --root-owner-group . /usr/local/own/rack.deb > /dev/null`;
const rack = `${build} && dpkg --install /usr/local/own/rack.deb > /dev/null; echo shelf > /var/lib/rack/shelf; apt-mark -qq hold rack; apt-mark -qq auto acl
  dpkg-statoverride --update --add root adm 0750 /usr/bin/getfacl`;
/** It can be installed from a source of the machine. */
const offer = `${build} && cd /usr/local/own && apt-ftparchive packages . > Packages && echo 'deb [trusted=yes] file:/usr/local/own ./' > /etc/apt/sources.list.d/own.list &&
  apt-get update -q=2 -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/own.list -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0`;
const readRack =
  "cat /var/lib/rack/shelf; apt-mark showhold; apt-mark showauto acl; stat -c '%U %G %a' /usr/bin/getfacl; dpkg-statoverride --list /usr/bin/getfacl";

/** What postfix is set to, and has delivered. */
const mail =
  "postconf -e 'smtpd_banner = old machine'; echo 'postmaster: alice' > /etc/aliases; newaliases; install -o alice -g mail -m 0600 /dev/stdin /var/mail/alice <<< 'From bob'";
const readMail =
  "postconf smtpd_banner; postalias -q postmaster /etc/aliases; cat /var/mail/alice; stat -c '%U %G %a' /var/mail/alice";

onEachRelease(
  'a machine that is lost',
  async (fixture) => {
    const { lab, host, release } = fixture;
    server = await lab.boot({ name: 'server', debian: release });
    await server.run('useradd --create-home --shell /bin/bash store && install -d -o store -m 700 ~store/.ssh');
    await host.run(tree);
    await host.run(
      "usermod --password '$6$salt$hash' --append --groups adm alice; echo letter > /home/alice/letter; chown alice: /home/alice/letter; mkdir /opt/app; echo app > /opt/app/app; useradd --system --uid 977 --groups adm --home-dir /srv/service service; useradd --uid 70000 directory; useradd --non-unique --uid $(id -u alice) twin; install -d -o service -g service -m 0700 /srv/service; install -o service -g service /dev/null /srv/service/state; echo old > /etc/app.conf",
    );
    await host.run(
      [
        'bash',
        '-c',
        `umask 077; mkdir -p /home/alice/notes; python3 -c 'import sqlite3; d = sqlite3.connect("/home/alice/notes/notes.db"); d.execute("CREATE TABLE note (t)"); d.execute("INSERT INTO note VALUES (?)", ["remember"]); d.commit()'`,
      ],
      { user: 'alice' },
    );
    await host.run(`${ledger}; ${mail}; ${rack}; echo '192.0.2.1 old-disk' >> /etc/hosts`);
    await host.run(serve);
    await host.run(
      'mariadb -e "CREATE DATABASE stock; CREATE TABLE stock.item AS SELECT 7 AS n; CREATE USER keeper@localhost IDENTIFIED BY \'x\'; GRANT SELECT ON stock.* TO keeper@localhost"',
    );
    await sql(host, 'postgres', 'CREATE ROLE app LOGIN');
    for (const [index, name] of databases.entries()) {
      await sql(host, 'postgres', `CREATE DATABASE "${name}" OWNER app`);
      await sql(
        host,
        name,
        `CREATE TABLE data AS SELECT n, md5(n::text) AS t FROM generate_series(1, ${1000 + index}) n; ALTER TABLE data OWNER TO app`,
      );
    }
  },
  (fixture) => {
    const settings = (): object => ({
      borg_repositories: ['ssh://store@server/./web'],
      borg_known_hosts: [`server ${server.hostKey.split(' ').slice(0, 2).join(' ')}`],
      backup_paths: ['/etc', '/home', '/opt', '/srv', '/var'],
      // Of one day only the newest: whatever comes after a loss would take its place.
      backup_keep_daily: 1,
      backup_keep_weekly: 0,
      backup_keep_monthly: 0,
      sqlite_databases: [{ name: 'notes', user: 'alice', paths: ['/home/alice/notes/*.db'] }],
    });
    /** What opens the repository, on the control node. */
    const secrets = (directory = ''): Record<string, string> => {
      const place = join(fixture.lab.directory, 'backup-secrets/web', directory);
      const files = readdirSync(place, { withFileTypes: true }).filter((entry) => entry.isFile());
      return Object.fromEntries(files.map(({ name }) => [name, readFileSync(join(place, name), 'utf8')]));
    };
    const restore = async (vars: object): Promise<string> => {
      const result = await fixture.lab.run(`${fixture.lab.collection}/playbooks/restore.yml`, {
        args: ['--extra-vars', JSON.stringify({ restore_host: 'web', ...settings(), ...vars })],
        mayFail: true,
      });
      expect(result.recap['web']?.failed).toBe(1);
      return result.stdout.replaceAll(/\s+/g, ' ');
    };
    const timers = async (): Promise<string> =>
      (
        await fixture.host.run(
          'for name in backup backup-check backup-drill; do systemctl is-active $name.timer; systemctl is-enabled $name.timer; done 2> /dev/null | sort -u',
          { mayFail: true },
        )
      ).stdout;
    let saved: string[] = [];
    let opens = {};
    let before = '';
    let letters = '';
    let rows = '';
    let notes = '';
    let stock = '';
    let served = '';

    it('has a backup on a server, and what opens it on the control node', async () => {
      const { lab, host } = fixture;
      await lab.roles(['borg'], settings(), { args: ['--limit', 'web'], mayFail: true });
      await server.write(
        '/home/store/.ssh/authorized_keys',
        `restrict,command="borg serve --restrict-to-repository web" ${(await host.read('/etc/credstore/borg.ssh-key.pub')).trim()}\n`,
        '0644',
      );
      const { recap } = await lab.roles(['borg', 'postgres', 'mariadb', 'sqlite'], settings(), {
        args: ['--limit', 'web'],
      });
      expect(recap['web']?.failed).toBe(0);
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      before = (await host.run(describeTree('/srv/tree'))).stdout;
      letters = (
        await host.run(
          'stat -c "%n %a %U %G %y" /home/alice/letter /home/alice /home/bob /opt/app/app; getent passwd alice bob; getent shadow alice; id -nG alice',
        )
      ).stdout;
      rows = await contents(host);
      notes = (await host.run(readNotes)).stdout;
      saved = await archives(host);
      opens = secrets();
      expect(Object.keys(opens).map((name) => name.slice(0, 4))).toEqual(['key-', 'pass', 'ssh-']);
      expect(notes).toContain('remember');
      served = (await host.run(`${readLedger}; ${readMail}; ${readRack}`)).stdout;
      expect(served).toMatch(/^active\n1\nenabled\nseven\nsecret\n[^]*user:alice:r--[^]*old machine\nalice\nFrom bob/);
      stock = (await host.run(readStock)).stdout;
      expect(stock).toMatch(/^7\n[^]*GRANT SELECT ON `stock`/);
      expect(before.split('\n').length).toBeGreaterThan(60);
      expect(rows.split('\n').length).toBe(4);
    });

    it('is recognised when it is rebuilt: neither its own playbook nor a restore that breaks off endangers what is left', async () => {
      const { lab } = fixture;
      await lab.forget(fixture.host);
      fixture.host = await lab.boot({ name: 'web', debian: fixture.release });
      const { host } = fixture;
      // Its packages were installed in another order.
      await host.run(`useradd --system --uid 977 newcomer; useradd --system --uid 976 another; ${offer}`);
      const both = { ...settings(), borg_repositories: ['/var/lib/borg/repository', 'ssh://store@server/./web'] };
      const own = await lab.roles(['borg'], both, { args: ['--limit', 'web'], mayFail: true });
      expect(own.recap['web']).toMatchObject({ failed: 1, changed: 0 });
      expect(own.stdout).toContain('web looks like a machine that was rebuilt');
      expect(own.stdout).toContain('ansible-playbook rootless.backup.restore -e restore_host=web');
      expect((await host.run('ls -d /etc/credstore/borg* /var/lib/borg /etc/backup', { mayFail: true })).stdout).toBe(
        '',
      );
      expect(await restore({ restore_dumps: 'web-dumps-2020-01-01T00:00:00Z' })).toMatch(
        /TASK \[Find the archive of the dumps, and what is in it\] \S+ fatal/,
      );
      expect(await timers()).toMatch(/^disabled\ninactive\n$/);
      expect(await archives(host)).toEqual(saved);
      expect(secrets()).toEqual(opens);
    });

    it('comes back but for what cannot yet, which is named', async () => {
      const { host } = fixture;
      expect(await host.exists('/srv/tree')).toBe(false);
      const told = await restore({});
      expect(told).toMatch(/Not all came back; what did is in its place.*MariaDB/i);
      expect(told).toContain('"to install: rack"');
      expect(told).toMatch(
        /left +\/var\/lib\/rack +of package rack, which is not installed; see backupctl restore-packages/,
      );
      expect(await contents(host)).toBe(rows);
      expect((await host.run(readLedger)).stdout).toMatch(/^active\n1\nenabled\nseven\n/);
      expect(await timers()).toMatch(/^disabled\ninactive\n$/);
    });

    it('comes back, files, users, services and databases, onto a new one by one playbook', async () => {
      const { lab, host } = fixture;
      await host.run(serve);
      // It came back the first time, and is gone again.
      await host.run('runuser -u postgres -- dropdb wiki');
      const result = await lab.run(`${lab.collection}/playbooks/restore.yml`, {
        args: [
          '--extra-vars',
          // The pair that is advised: the one on the machine went with it.
          JSON.stringify({
            restore_host: 'web',
            restore_packages: true,
            ...settings(),
            borg_repositories: ['/var/lib/borg/repository', 'ssh://store@server/./web'],
          }),
        ],
        timeoutSeconds: 400,
      });
      expect(result.recap['web']?.failed).toBe(0);
      expect(result.stdout).toContain('there is no repository in /var/lib/borg/repository, so it was left out');
      expect(await host.exists('/var/lib/borg/repository')).toBe(false);
      const times = [...result.stdout.matchAll(/"(set up|files|databases|all of it): ([^"]+)"/g)].map(
        ([, part, time]) => `${part} ${time}`,
      );
      console.log(`Debian ${fixture.release}: ${times.join('; ')}`);
      expect(times.map((each) => each.replace(/ [\d:].*/, ''))).toEqual(['set up', 'files', 'databases', 'all of it']);
      expect((await host.run(describeTree('/srv/tree'))).stdout).toBe(before);
      expect(
        (await host.run("stat -c '%U %G %a' /srv/service /srv/service/state; id -nG service; stat -c %u /srv/service"))
          .stdout,
      ).toMatch(/^service service 700\nservice service 755\nservice adm\n(?!977\n)\d{3}\n$/);
      expect((await host.run('id -u directory; test $(id -u twin) = $(id -u alice)')).stdout).toBe('70000\n');
      expect(
        (
          await host.run(
            'stat -c "%n %a %U %G %y" /home/alice/letter /home/alice /home/bob /opt/app/app; getent passwd alice bob; getent shadow alice; id -nG alice',
          )
        ).stdout,
      ).toBe(letters);
      expect(await contents(host)).toBe(rows);
      expect((await host.run(readNotes)).stdout).toBe(notes);
      expect((await host.run(readStock)).stdout).toBe(stock);
      expect((await host.run(`${readLedger}; ${readMail}; ${readRack}`)).stdout).toBe(served);
      expect((await host.run('cat /etc/app.conf')).stdout).toBe('old\n');
      expect((await host.run('cat /etc/hosts')).stdout).not.toContain('old-disk');
      expect((await host.run('cat /var/tmp/restored-*/etc/hosts | sort -u')).stdout).toContain('old-disk');
      expect(result.stdout).toMatch(/"back +\/var\/lib\/ledger +2"/);
      expect(result.stdout).toMatch(
        /"beside +\/etc\/hosts +\/var\/tmp\/restored-\S+\/etc\/hosts: the name and the network of the new machine"/,
      );
      expect(result.stdout).toMatch(/"left +\/var\/lib\/dpkg +the packages of the new machine/);
      expect(result.stdout).not.toMatch(/MISSING|DIFFERS/);
      expect(result.stdout).toMatch(/"services +[^"]*postfix/);
      expect(result.stdout).not.toMatch(/"services +[^"]*(?:mariadb|postgresql|ssh)/);
      expect(result.stdout).toContain('"belong to nobody: none"');
      expect(result.stdout).toMatch(/shop\S* +\S+ +\S+ +came back before"/);
      expect(result.stdout).toMatch(/wiki\S* +\S+ +\S+ +restored"/);
    });

    it('backs itself up again after it, into the same repository, and keeps what was there', async () => {
      const { host } = fixture;
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const list = await archives(host);
      expect(list.length).toBe(4);
      expect(list).toEqual(expect.arrayContaining(saved));
      expect(await timers()).toBe('active\nenabled\n');
      expect(await restore({})).toContain('has made a backup, so it is not a new machine');
    });

    it('says that nothing is forgotten, and restores what was before, until all is back; then that stays', async () => {
      const { host } = fixture;
      const waits = 'nothing is forgotten in ssh://store@server/./web, since this machine was rebuilt';
      const status = async (user: string): Promise<string> =>
        (await host.run(['backupctl', 'status'], { user, mayFail: true })).stdout;
      await host.run('usermod --append --groups adm bob');
      for (const user of ['root', 'bob'])
        expect(await status(user)).toMatch(new RegExp(`${waits}.*\`backupctl restored\``));
      const taken = await host.run(
        'echo other > /home/alice/letter; backupctl restore --in-place /home/alice/letter 2>&1',
      );
      expect(taken.stdout).toContain(`from archive ${saved.find((name) => name.includes('-files-')) ?? ''} in place`);
      expect((await host.run('backupctl restored --list')).stdout).toBe('ssh://store@server/./web\n');
      const { stdout } = await host.run('backupctl restored');
      expect((await host.run('backupctl restored --list')).stdout).toBe('');
      for (const name of saved) expect(stdout).toContain(name);
      expect(await status('root')).not.toContain(waits);
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const list = await archives(host);
      expect(list.length).toBe(4);
      expect(list).toEqual(expect.arrayContaining(saved));
      expect(await status('bob')).not.toContain(waits);
    });

    it('has what was put aside or laid down listed and in no archive, and removed by one command', async () => {
      const { host } = fixture;
      expect((await host.run('backupctl status', { mayFail: true })).stdout).toMatch(
        /laid down +\/etc\/\.backup-kept-[^]+\/home\/alice\/\.backup-kept-\S+ +[\d.]+ k?B\n[^]+ \/var\/tmp\/restored-\S+ +[\d.]+ MB\n/,
      );
      expect((await host.run('backupctl show latest /home/alice')).stdout).not.toContain('.backup-kept-');
      // Of that name, and nobody's that was noted.
      await host.run('mkdir -m 0700 /home/bob/.backup-kept-2026-01-31T02:00:00Z');
      expect((await host.run('backupctl remove-kept < /dev/null', { mayFail: true })).code).toBe(1);
      expect((await host.run('backupctl remove-kept --yes')).stdout).toMatch(/(\d+) of \1 were removed/);
      expect(
        (
          await host.run('ls -d /{etc,var,home}/.backup-kept-* /home/*/.backup-kept-* /var/tmp/restored-*', {
            mayFail: true,
          })
        ).stdout,
      ).toBe('/home/bob/.backup-kept-2026-01-31T02:00:00Z\n');
      expect((await host.run('cat /home/alice/letter')).stdout).toBe('letter\n');
    });

    it('is not restored without what opens its repository, nor from a repository that is not there', async () => {
      const { host } = fixture;
      const again = { restore_again: true };
      expect(await restore({ ...again, backup_secrets_dir: '/nowhere/web' })).toContain(
        'there is no file passphrase in backup_secrets_dir',
      );
      expect(await restore({ ...again, borg_repositories: ['/mnt/disk/borg'] })).toContain(
        'there is no repository in /mnt/disk/borg on web',
      );
      expect(await host.exists('/mnt/disk/borg')).toBe(false);
    });

    it('that was given by hand what opens its repository is set up by the role, and begins anew only if told to', async () => {
      const { lab, host } = fixture;
      const role = (vars: object = {}): ReturnType<typeof lab.roles> =>
        lab.roles(['borg'], { ...settings(), ...vars }, { args: ['--limit', 'web'], mayFail: true });
      await host.run('rm -r /var/lib/borg/initialised /var/lib/borg/before /var/lib/borg/records');
      expect((await role()).recap['web']?.failed).toBe(0);
      expect((await host.run('backupctl status', { mayFail: true })).stdout).toContain('nothing is forgotten');
      await host.run('rm -r /var/lib/borg/initialised; echo another > /etc/credstore/borg.passphrase');
      expect((await role()).stdout).toContain('web looks like a machine that was rebuilt');
      expect(secrets()).toEqual(opens);
      const anew = await role({ backup_begin_anew: true });
      // The old repository is there still, and is nobody's to overwrite.
      expect(anew.recap['web']?.failed).toBe(1);
      expect(anew.stdout).toContain('What opened the repositories of web is in');
      const [aside = ''] = readdirSync(join(lab.directory, 'backup-secrets/web'));
      expect(secrets(aside)).toEqual(opens);
    });
  },
);
