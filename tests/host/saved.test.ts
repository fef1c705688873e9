import { afterEach, expect, it } from 'vitest';
import { backUp, newest, onEachRelease, start } from './fixture.ts';

/** What is on the machine is in the archive, however it is mounted, linked or called. */
onEachRelease(
  'what is saved',
  async ({ lab, host }) => {
    await host.run(
      'useradd --create-home alice; echo diary > /home/alice/diary; install -d /srv/data; echo page > /srv/data/page',
    );
    await host.run('runuser -u postgres -- createdb shop');
    await lab.roles(['borg', 'postgres'], { backup_paths: ['/etc', '/home', '/srv'], backup_mail_to: [] });
  },
  (fixture) => {
    const settings = async (changes: object): Promise<void> => {
      await fixture.host.run(
        `python3 -c 'import json, sys; p = "/etc/backup/backup.json"; s = json.load(open(p)); s.update(json.loads(sys.argv[1])); json.dump(s, open(p, "w"))' '${JSON.stringify(changes)}'`,
      );
    };
    /** The paths in the newest archive of a series. */
    const saved = async (series: 'files' | 'dumps'): Promise<string[]> => {
      const archive = await newest(fixture.host, series);
      expect(archive).not.toContain('incomplete');
      const list = `backup-borg list --format '{path}{NL}' ::${archive}`;
      return (await fixture.host.run(list)).stdout.split('\n').filter(Boolean);
    };
    afterEach(async () => {
      await fixture.host.run('rm -f /run/systemd/system/srv-* ; systemctl daemon-reload; systemctl reset-failed');
      await settings({ paths: ['/etc', '/home', '/srv'] });
    });

    it('saves what is mounted when somebody comes', async () => {
      const { host } = fixture;
      await host.run('mkdir -p /srv/auto /var/disk; echo here > /var/disk/file');
      await host.write(
        '/run/systemd/system/srv-auto.mount',
        '[Mount]\nWhat=/var/disk\nWhere=/srv/auto\nType=none\nOptions=bind\n',
      );
      await host.write('/run/systemd/system/srv-auto.automount', '[Automount]\nWhere=/srv/auto\nTimeoutIdleSec=2\n');
      // A container has no such device unless it is made; systemd looks for it once.
      await host.run('mknod /dev/autofs c 10 235 && systemctl daemon-reexec && systemctl start srv-auto.automount');
      expect((await host.run('systemctl is-active srv-auto.mount', { mayFail: true })).stdout.trim()).toBe('inactive');
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(await saved('files')).toContain('srv/auto/file');
      // What cannot be mounted is an error, and not an empty directory.
      await host.run('systemctl stop srv-auto.automount srv-auto.mount');
      await host.write('/run/systemd/system/srv-auto.mount', '[Mount]\nWhat=/none\nWhere=/srv/auto\nType=ext4\n');
      await host.run('systemctl daemon-reload && systemctl start srv-auto.automount');
      const failed = await backUp(host);
      await host.run('systemctl stop srv-auto.automount srv-auto.mount; rmdir /srv/auto');
      expect(failed.log).toMatch(/\/srv\/auto could not be mounted/);
      expect(failed.ok).toBe(false);
    });

    it('saves a directory that is seen twice, with what is mounted below it in one place alone', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir -p /srv/home/alice && mount --bind /srv/home /home && mount -t tmpfs disk /srv/home/alice && echo hers > /srv/home/alice/diary',
      );
      const { ok, log } = await backUp(host);
      const files = ok ? await saved('files') : [];
      await settings({ paths: ['/home', '/srv/home'] });
      const twins = await backUp(host);
      await host.run('umount /srv/home/alice /home');
      expect(ok, log).toBe(true);
      expect(files).toEqual(expect.arrayContaining(['home', 'srv/home', 'srv/home/alice/diary']));
      expect(twins.log).toContain('/home and /srv/home are one directory');
      expect(twins.ok).toBe(false);
    });

    it('saves the dumps where /backup is a link, and proves them from the archive', async () => {
      const { host } = fixture;
      await host.run('mkdir /var/dumps && cp -a /backup/. /var/dumps/ && rm -r /backup && ln -s /var/dumps /backup');
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect((await saved('dumps')).join('\n')).toMatch(/^backup\/postgresql\/.*shop\.dump$/m);
      const drill = await start(host, 'backup-drill.service');
      expect(drill.ok, drill.log).toBe(true);
      await host.run('runuser -u postgres -- dropdb shop && backupctl restore-db postgresql shop');
    });

    it('proves nothing that a link in an archive leads to', async () => {
      const { host } = fixture;
      // As it was saved before: the link alone.
      const archive = (await newest(host, 'dumps')).replace(/\d\d:\d\d:\d\dZ$/, '23:59:59Z');
      await host.run(`systemd-run --quiet --wait --pipe -p User=borg true; backup-borg create ::${archive} /backup`);
      const drill = await start(host, 'backup-drill.service');
      await host.run(`backup-borg delete ::${archive}`);
      await host.run('rm /backup && mkdir /backup && cp -a /var/dumps/. /backup/');
      expect(drill.log).toContain('/backup is no directory');
      expect(drill.ok).toBe(false);
    });

    it('saves all of the machine, without what is no real file system, wherever it is', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir -p /srv/chroot/proc /srv/chroot/run && mount -t proc proc /srv/chroot/proc && mount --bind /run /srv/chroot/run && echo x > /run/gone',
      );
      await settings({ paths: ['/'], exclude: ['/usr', '/var/lib/postgresql', '/var/cache'] });
      const { ok, log } = await backUp(host);
      const drill = await start(host, 'backup-drill.service');
      await host.run('umount /srv/chroot/proc /srv/chroot/run');
      expect(ok, log).toBe(true);
      const files = await saved('files');
      expect(files).toEqual(
        expect.arrayContaining([
          'etc/hostname',
          'home/alice/diary',
          'srv/data/page',
          'proc',
          'sys',
          'run',
          'tmp',
          'dev',
          'srv/chroot/proc',
          'srv/chroot/run',
        ]),
      );
      expect(files.filter((path) => /^(srv\/chroot\/)?(proc|run|sys|dev|tmp)\//.test(path))).toEqual([]);
      expect(files.filter((path) => /^(backup|var\/tmp)\//.test(path))).toEqual([]);
      expect(drill.ok, drill.log).toBe(true);
    });
  },
);
