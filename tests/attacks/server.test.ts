import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { backUp, newest, onEachRelease } from '../host/fixture.ts';

let server: Host;

onEachRelease(
  'a repository server that lies',
  async (fixture) => {
    const { lab, host, release } = fixture;
    server = await lab.boot({ name: 'server', debian: release });
    await server.run('useradd --create-home --shell /bin/bash store && install -d -o store -m 700 ~store/.ssh');
    // Its words go where Borg hears them, and then it serves as others do.
    await server.write(
      '/usr/local/bin/lie',
      '#!/bin/bash\ncat /home/store/say >&2\nexec borg serve --append-only --restrict-to-repository web\n',
      '0755',
    );
    await server.write('/home/store/say', '');
    await host.run(
      'mkdir -p /srv/gone /srv/there /var/secret; echo x > /srv/gone/x; echo x > /srv/there/x; echo secret > /var/secret/x',
    );
    const settings = {
      borg_repositories: ['ssh://store@server/./web'],
      borg_known_hosts: [`server ${server.hostKey.split(' ').slice(0, 2).join(' ')}`],
      backup_paths: ['/srv/there', '/srv/gone'],
      backup_drill_sample: 50,
    };
    const only = { args: ['--limit', 'web'] };
    await lab.roles(['borg'], settings, { ...only, mayFail: true });
    await server.write(
      '/home/store/.ssh/authorized_keys',
      `command="/usr/local/bin/lie",restrict ${(await host.read('/etc/credstore/borg.ssh-key.pub')).trim()}\n`,
    );
    await lab.roles(['borg'], settings, only);
    expect((await backUp(host)).ok).toBe(true);
  },
  (fixture) => {
    /** A backup while the server says something. */
    const hearing = async (...said: string[]): Promise<{ ok: boolean; log: string }> => {
      await server.write('/home/store/say', said.map((line) => `${line}\n`).join(''));
      const done = await backUp(fixture.host);
      await server.write('/home/store/say', '');
      return done;
    };

    it('proves no path that is not in the archive, and has no file read that is not saved', async () => {
      const { host } = fixture;
      await host.write('/etc/backup/exclude.d/test', '/srv/gone\n');
      const progress = (path: string): string =>
        JSON.stringify({
          type: 'progress_percent',
          operation: 1,
          msgid: 'x',
          finished: false,
          current: 1,
          total: 2,
          status: 'd',
          path,
        });
      const { ok, log } = await hearing(progress('srv/gone'), progress('var/secret'));
      expect(ok).toBe(false);
      expect(log).toMatch(/lacks what was asked for: \/srv\/gone/);
      expect(
        (await host.run('grep --recursive --files-with-matches var/secret /var/lib/borg/records', { mayFail: true }))
          .stdout,
      ).toBe('');
      await host.run('rm /etc/backup/exclude.d/test');
    });

    it('does not have the dumps left out of a backup that is told to be good', async () => {
      const { host } = fixture;
      const before = await newest(host, 'dumps');
      const { ok } = await hearing(
        JSON.stringify({
          type: 'log_message',
          time: 1,
          message: 'Connection closed by remote host',
          levelname: 'WARNING',
          name: 'borg',
          msgid: 'FileChangedWarning',
        }),
        'Connection closed by remote host',
      );
      // The one of before is of the same day, so it is pruned when there is another.
      const after = await newest(host, 'dumps');
      expect(ok && after === before).toBe(false);
    });

    it('names no archive that is not there, and has nobody advised to give up what protects him from it', async () => {
      const { host } = fixture;
      const { log } = await hearing(
        '$LOG INFO borg.output.list Keeping archive (rule: daily #1):          web-files-2020-01-01T00:00:00Z                     Wed, 2020-01-01 00:00:00 [0123456789abcdef]',
        JSON.stringify({
          type: 'log_message',
          time: 1,
          message: 'x',
          levelname: 'ERROR',
          name: 'borg',
          msgid: 'Cache.RepositoryReplay',
        }),
      );
      expect(log).not.toContain('manifest-timestamp');
      await host.run('journalctl --sync');
      expect(
        (await host.run('backupctl list', { mayFail: true })).stdout +
          (await host.run('cat /var/lib/backup-report/status.json')).stdout,
      ).not.toContain('2020-01-01');
    });
  },
);
