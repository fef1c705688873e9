import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { onEachRelease, start } from './fixture.ts';
import { settle } from './mail.ts';

/**
 * A second engine, which makes tar files: nothing of the frame, of a hook, of the report, of the restore of dumps or of the drill is
 * changed for it, and there is no Borg on the host.
 */
const engine = resolve('tests/engines/tar');

onEachRelease(
  'another engine',
  async ({ lab, host }) => {
    await host.run('dpkg --purge borgbackup');
    await host.run('useradd --system app; install -d -o app /srv/app; runuser -u app -- python3 -', {
      input:
        'import sqlite3\nwith sqlite3.connect("/srv/app/shop.db") as d:\n    d.execute("CREATE TABLE t AS SELECT 7 AS n")\n',
    });
    await host.run(
      'runuser -u postgres -- createdb shop; runuser -u postgres -- psql -qc "CREATE TABLE t AS SELECT generate_series(1, 9) AS n" shop',
    );
    await host.run('install -d -o daemon -m 750 /srv/files; echo first > /srv/files/page; chmod 4711 /srv/files/page');
    await lab.playbook([
      {
        hosts: 'all',
        vars: {
          backup_paths: ['/etc', '/srv'],
          backup_mail_to: [],
          sqlite_databases: [{ name: 'app', user: 'app', paths: ['/srv/app/*.db'] }],
        },
        tasks: [engine, 'rootless.backup.postgres', 'rootless.backup.sqlite'].map((name) => ({
          name,
          'ansible.builtin.include_role': { name },
        })),
      },
    ]);
  },
  (fixture) => {
    const answer = async (...command: string[]): Promise<string> =>
      (await fixture.host.run(['backupctl', ...command])).stdout;

    it('stands in the frame without a word of Borg', async () => {
      const { host } = fixture;
      expect((await host.run('command -v borg backup-borg', { mayFail: true })).stdout).toBe('');
      const named =
        "grep -ril borg /etc/systemd/system/ /etc/backup /usr/local/lib/backup /usr/local/sbin --include='*' | sort";
      // The account, whose name is that of the first engine, and its state.
      const left = `${named} | xargs sed -E 's#/var/(lib|cache)/borg\\b##g; s#^((User|Group|StateDirectory)=)borg$#\\1#' | grep -i borg`;
      const words = (await host.run(left, { mayFail: true })).stdout.split('\n').filter(Boolean);
      expect(
        words.filter(
          (line) =>
            !/"borg_\w+": "backup_|ACCOUNT = "borg"|"(?:User|Group|StateDirectory)=borg"|"borg-check": "backup-check"/.test(
              line,
            ),
        ),
      ).toEqual([]);
    });

    it('saves, and every run is recorded and told', async () => {
      const { ok, log } = await start(fixture.host, 'backup.service');
      expect(ok, log).toBe(true);
      expect(
        (await answer('list')).split('\n').filter((name) => /^web-(?:files|dumps)-[\dT:-]+Z$/.test(name)),
      ).toHaveLength(2);
      await settle(fixture.host);
      const known = JSON.parse(
        (await fixture.host.run(['backupctl', 'status', '--json'], { mayFail: true })).stdout,
      ) as {
        units: Record<
          string,
          { result: string; archives: { series: string; files: number }[]; hooks: { result: string }[] }
        >;
        problems: string[];
      };
      expect(known.problems).toEqual([]);
      expect(known.units['backup']).toMatchObject({
        result: 'success',
        archives: [{ series: 'files' }, { series: 'dumps' }],
      });
      expect(known.units['backup']?.hooks.map(({ result }) => result)).toEqual(['success', 'success']);
      expect(await fixture.host.exists('/backup.last')).toBe(true);
    });

    it('lists what is in an archive, finds every version of a file, and gives it back as it was', async () => {
      const { host } = fixture;
      await host.run('echo second > /srv/files/page');
      expect((await start(host, 'backup.service')).ok).toBe(true);
      expect(
        (await answer('find', 'page')).split('\n').filter((line) => line.endsWith(' /srv/files/page')),
      ).toHaveLength(2);
      expect(await answer('show', 'latest', '/srv/files')).toMatch(/^-rws--x--x root .* \/srv\/files\/page$/m);
      const [, first = ''] = /^(web-files-\S+)$/m.exec(await answer('list')) ?? [];
      expect(await answer('diff', first, 'latest', '/srv/files')).toBe(
        'changed             +7 B       -6 B  /srv/files/page\n',
      );
      await host.run(['backupctl', 'restore', '--archive', first, '--into', '/srv/back', '/srv/files']);
      expect(
        (await host.run('cat /srv/back/srv/files/page; stat -c "%U %a" /srv/back/srv/files /srv/back/srv/files/page'))
          .stdout,
      ).toBe('first\ndaemon 750\nroot 4711\n');
      await host.run('rm /srv/files/page; backupctl restore --in-place /srv/files');
      expect(await host.read('/srv/files/page')).toBe('second\n');
    });

    it('gives databases back, held to their manifests', async () => {
      const { host } = fixture;
      await host.run('runuser -u postgres -- dropdb shop; rm /srv/app/shop.db');
      await host.run('backupctl restore-db postgresql shop');
      expect((await host.run('runuser -u postgres -- psql -Atc "SELECT sum(n) FROM t" shop')).stdout).toBe('45\n');
      await host.run('backupctl restore-db sqlite-app /srv/app/shop.db');
      expect(
        (
          await host.run([
            'python3',
            '-c',
            'import sqlite3; print(sqlite3.connect("/srv/app/shop.db").execute("SELECT n FROM t").fetchone())',
          ])
        ).stdout,
      ).toBe('(7,)\n');
    });

    it('is checked and proven, and what is damaged is told', async () => {
      const { host } = fixture;
      for (const unit of ['backup-check.service', 'backup-drill.service']) {
        const { ok, log } = await start(host, unit);
        expect(ok, log).toBe(true);
      }
      await settle(host);
      const page = await host.run(['backupctl', 'status'], { mayFail: true });
      expect(page.stdout).toMatch(/last check .*success[^]*last drill .*success/);
      expect(page.code, page.stdout).toBe(0);
      await host.run(
        'for each in /var/lib/archives/*-dumps-*; do dd if=/dev/urandom of=$each conv=notrunc bs=4096 count=1 seek=$(($(stat -c %s $each) / 8192)) status=none; done',
      );
      const { ok, log } = await start(host, 'backup-drill.service');
      expect(ok, log).toBe(false);
    });

    it('goes with the frame, and leaves its archives', async () => {
      const { host, lab } = fixture;
      await lab.playbook([
        {
          hosts: 'all',
          vars: { backup_state: 'absent' },
          tasks: [{ name: 'gone', 'ansible.builtin.include_role': { name: engine } }],
        },
      ]);
      expect(await host.exists('/etc/systemd/system/backup.service')).toBe(false);
      expect((await host.run('ls -d /etc/systemd/system/backup-*.d', { mayFail: true })).stdout).toBe(
        '/etc/systemd/system/backup-drill.service.d\n',
      );
      expect((await host.run('ls /var/lib/archives | grep -c dumps')).stdout).toBe('2\n');
    });
  },
);
