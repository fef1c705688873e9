import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { backUp, onEachRelease } from './fixture.ts';
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

/** A SQLite database, and who may read it. */
const readNotes = `python3 -c 'import sqlite3; print(sqlite3.connect("/home/alice/notes/notes.db").execute("SELECT * FROM note").fetchall())'; stat -c '%U %a' /home/alice/notes/notes.db`;

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
      backup_paths: ['/etc', '/home', '/opt', '/srv'],
      sqlite_databases: [{ name: 'notes', user: 'alice', paths: ['/home/alice/notes/*.db'] }],
    });
    let before = '';
    let letters = '';
    let rows = '';
    let notes = '';

    it('has a backup on a server, and what opens it on the control node', async () => {
      const { lab, host } = fixture;
      await lab.roles(['borg'], settings(), { args: ['--limit', 'web'], mayFail: true });
      await server.write(
        '/home/store/.ssh/authorized_keys',
        `restrict,command="borg serve --restrict-to-repository web" ${(await host.read('/etc/credstore/borg.ssh-key.pub')).trim()}\n`,
        '0644',
      );
      const { recap } = await lab.roles(['borg', 'postgres', 'sqlite'], settings(), { args: ['--limit', 'web'] });
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
      expect(notes).toContain('remember');
      expect(before.split('\n').length).toBeGreaterThan(60);
      expect(rows.split('\n').length).toBe(4);
    });

    it('comes back, files, users and databases, onto a new one by one playbook', async () => {
      const { lab } = fixture;
      await lab.forget(fixture.host);
      fixture.host = await lab.boot({ name: 'web', debian: fixture.release });
      const { host } = fixture;
      expect(await host.exists('/srv/tree')).toBe(false);
      // Its packages were installed in another order.
      await host.run('useradd --system --uid 977 newcomer');
      const result = await lab.run(`${lab.collection}/playbooks/restore.yml`, {
        args: ['--extra-vars', JSON.stringify({ restore_host: 'web', ...settings() })],
        timeoutSeconds: 400,
      });
      expect(result.recap['web']?.failed).toBe(0);
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
      expect(await host.exists('/etc/app.conf')).toBe(false);
      expect((await host.run('cat /var/tmp/restored-*/etc/app.conf')).stdout).toBe('old\n');
    });

    it('backs itself up again after it, into the same repository, and keeps what was there', async () => {
      const { lab, host } = fixture;
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const list = (await host.run("backup-borg list --format '{archive}{NL}'")).stdout.trim().split('\n');
      expect(list.length).toBe(4);
      expect((await host.run('systemctl is-active backup.timer backup-drill.timer', { mayFail: true })).stdout).toBe(
        'active\nactive\n',
      );
      const again = await lab.run(`${lab.collection}/playbooks/restore.yml`, {
        args: ['--extra-vars', JSON.stringify({ restore_host: 'web', ...settings() })],
        mayFail: true,
      });
      expect(again.stdout.replaceAll(/\s+/g, ' ')).toContain('has made a backup, so it is not a new machine');
    });

    it('is not restored without what opens its repository, nor from a repository that is not there', async () => {
      const { lab, host } = fixture;
      const run = async (vars: object): Promise<string> =>
        (
          await lab.run(`${lab.collection}/playbooks/restore.yml`, {
            args: [
              '--extra-vars',
              JSON.stringify({ restore_host: 'web', restore_again: true, ...settings(), ...vars }),
            ],
            mayFail: true,
          })
        ).stdout.replaceAll(/\s+/g, ' ');
      expect(await run({ backup_secrets_dir: '/nowhere/web' })).toContain(
        'there is no file passphrase in backup_secrets_dir',
      );
      expect(await run({ borg_repositories: ['/mnt/disk/borg'] })).toContain(
        'there is no repository in /mnt/disk/borg on web',
      );
      expect(await host.exists('/mnt/disk/borg')).toBe(false);
    });
  },
);
