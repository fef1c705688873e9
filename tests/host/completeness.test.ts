import { afterEach, expect, it } from 'vitest';
import { archives, backUp, newest, onEachRelease } from './fixture.ts';

const dropIn = '/run/systemd/system/backup.service.d/test.conf';

onEachRelease(
  'what was asked for is in the archive, or the run fails',
  async ({ lab, host }) => {
    await host.run(
      'useradd --create-home alice && echo diary > /home/alice/diary && chmod 600 /home/alice/diary && chmod 700 /home/alice',
    );
    await lab.roles(['borg'], { backup_paths: ['/etc', '/home', '/srv', '/var/log'] });
  },
  (fixture) => {
    const reconfigure = async (service: string): Promise<void> => {
      await fixture.host.write(dropIn, `[Service]\n${service}\n`);
      await fixture.host.run('systemctl daemon-reload');
    };
    afterEach(async () => {
      await fixture.host.run(`rm -rf ${dropIn} /backup.last; systemctl daemon-reload; systemctl reset-failed`);
    });

    it('succeeds with everything in place', async () => {
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
      const list = await fixture.host.run(
        `backup-borg list --format '{path}{NL}' ::${await newest(fixture.host, 'files')}`,
      );
      expect(list.stdout.split('\n')).toEqual(
        expect.arrayContaining(['etc', 'home', 'srv', 'var/log', 'home/alice/diary']),
      );
      expect(await fixture.host.exists('/backup.last')).toBe(true);
    });

    it.each<[string, RegExp, ('files' | 'dumps')?]>([
      ['ProtectHome=true', /hides \/home/],
      ['ProtectHome=tmpfs', /hides \/home/],
      ['InaccessiblePaths=/home/alice', /hides \/home\/alice/],
      ['TemporaryFileSystem=/srv', /hides \/srv/],
      ['TemporaryFileSystem=/backup', /hides \/backup/, 'dumps'],
      ['PrivateUsers=true', /user namespace/],
      ['CapabilityBoundingSet=\nAmbientCapabilities=', /Permission denied/],
    ])('fails when the sandbox hides something: %s', async (service, message, series = 'files') => {
      await reconfigure(service);
      const { ok, log } = await backUp(fixture.host);
      expect(log).toMatch(message);
      expect(ok).toBe(false);
      expect(await fixture.host.exists('/backup.last')).toBe(false);
      expect(await newest(fixture.host, series)).toMatch(/Z\.incomplete$/);
      expect((await fixture.host.run('backupctl list')).stdout).toContain(`${await newest(fixture.host, series)}\n`);
    });

    it('saves a bind mount and a file system of its own without complaint', async () => {
      await fixture.host.run(
        'mkdir -p /srv/bound /srv/disk && mount --bind /home/alice /srv/bound && mount -t tmpfs tmpfs /srv/disk && echo here > /srv/disk/file',
      );
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
      const list = await fixture.host.run(
        `backup-borg list --format '{path}{NL}' ::${await newest(fixture.host, 'files')} srv`,
      );
      expect(list.stdout.split('\n')).toEqual(expect.arrayContaining(['srv/bound/diary', 'srv/disk/file']));
      await fixture.host.run('umount /srv/bound /srv/disk');
    });

    it('saves what the host mounts while hooks are running', async () => {
      await fixture.host.run('mkdir -p /srv/late');
      await fixture.host.write(
        '/run/systemd/system/late.service',
        '[Service]\nType=oneshot\nExecStart=/bin/mount -t tmpfs late /srv/late\nExecStart=/bin/touch /srv/late/file\n',
      );
      await reconfigure('ExecStartPre=/bin/true\nExecStartPre=!/bin/systemctl start late.service');
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
      const list = await fixture.host.run(
        `backup-borg list --format '{path}{NL}' ::${await newest(fixture.host, 'files')} srv`,
      );
      expect(list.stdout.split('\n')).toContain('srv/late/file');
      await fixture.host.run('umount /srv/late && rmdir /srv/late');
    });

    it('fails when a path is missing, saves the rest, and prunes nothing', async () => {
      await fixture.host.run('mv /srv /srv.away');
      const before = await archives(fixture.host);
      const { ok, log } = await backUp(fixture.host);
      await fixture.host.run('mv /srv.away /srv');
      expect(ok).toBe(false);
      expect(log).toContain('/srv does not exist');
      const list = await fixture.host.run(
        `backup-borg list --format '{path}{NL}' ::${await newest(fixture.host, 'files')} home`,
      );
      expect(list.stdout).toContain('home/alice/diary');
      expect(await archives(fixture.host)).toEqual(expect.arrayContaining(before));
      // It must not take the place of the day's good one when the next run prunes.
      expect(await newest(fixture.host, 'files')).toMatch(/Z\.incomplete$/);
    });

    it('fails when a path is excluded too', async () => {
      await fixture.host.write('/etc/backup/exclude.d/test', '/srv\n');
      const { ok, log } = await backUp(fixture.host);
      await fixture.host.run('rm /etc/backup/exclude.d/test');
      expect(log).toMatch(/lacks what was asked for: \/srv/);
      expect(ok).toBe(false);
    });

    it('fails when a single file is hidden', async () => {
      await fixture.host.run('mkdir /srv/refused && mount -t tmpfs tmpfs /srv/refused && echo x > /srv/refused/file');
      await reconfigure('SystemCallFilter=~@privileged @resources\nInaccessiblePaths=-/srv/refused/file');
      const { ok, log } = await backUp(fixture.host);
      await fixture.host.run('umount /srv/refused && rmdir /srv/refused');
      expect(ok).toBe(false);
      expect(log).toMatch(/refused\/file/);
      expect(await newest(fixture.host, 'files')).toMatch(/Z\.incomplete$/);
    });

    it('reports a file that changes while it is read, and succeeds', async () => {
      const { host } = fixture;
      await host.run('head -c 200M /dev/urandom > /srv/growing');
      await host.run(
        'systemd-run --unit=grow --quiet bash -c "while :; do date >> /srv/growing; head -c 1M /dev/urandom | dd of=/srv/growing conv=notrunc bs=1M seek=150 status=none; done"',
      );
      const { ok, log } = await backUp(host);
      await host.run('systemctl stop grow; rm /srv/growing');
      expect(log).toContain('/srv/growing: file changed while we backed it up');
      expect(ok, log).toBe(true);
      expect((await archives(host)).filter((name) => /-files-.*[.]incomplete$/.test(name)).length).toBeLessThanOrEqual(
        7,
      );
      expect(await host.exists('/backup.last')).toBe(true);
    });
  },
);
