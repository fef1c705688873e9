import { afterEach, expect, it } from 'vitest';
import { archives, backUp, newest, onEachRelease, start } from './fixture.ts';

const dropIn = '/run/systemd/system/backup.service.d/test.conf';

/** What is on the machine is in the archive, however it is mounted, linked or called. */
onEachRelease(
  'what is saved',
  async ({ lab, host }) => {
    await host.run(
      'useradd --create-home alice; echo diary > /home/alice/diary; install -d /srv/data; echo page > /srv/data/page',
    );
    await host.run('runuser -u postgres -- createdb shop');
    await lab.roles(['borg', 'postgres'], {
      backup_paths: ['/etc', '/home', '/srv'],
      backup_mail_to: [],
      backup_report_command: ['/usr/bin/tee', '/var/lib/backup-report/told'],
    });
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
      await fixture.host.run(
        `rm -f /run/systemd/system/srv-* ${dropIn}; systemctl daemon-reload; systemctl reset-failed`,
      );
      await settings({ paths: ['/etc', '/home', '/srv'], exclude: [] });
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

    it('warns of an overlay that it saves without all of its attributes, once', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir -p /srv/layers && mount -t tmpfs layers /srv/layers && cd /srv/layers && mkdir lower upper work merged && mount -t overlay -o lowerdir=lower,upperdir=/srv/layers/upper,workdir=work overlay merged',
      );
      const { ok, log } = await backUp(host);
      await settings({ exclude: ['/srv/layers'] });
      const without = await backUp(host);
      await host.run('umount /srv/layers/merged /srv/layers && rmdir /srv/layers');
      expect(ok, log).toBe(true);
      expect(log.match(/\/srv\/layers\/upper is the directory of an overlay/g)).toHaveLength(1);
      expect(without.log).not.toContain('overlay');
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
      await host.run(`backup-borg create ::${archive} /backup`);
      const drill = await start(host, 'backup-drill.service');
      await host.run(`backup-borg delete ::${archive}`);
      await host.run('rm /backup && mkdir /backup && cp -a /var/dumps/. /backup/');
      expect(drill.log).toContain('/backup is no directory');
      expect(drill.ok).toBe(false);
    });

    it('saves what is there when a hook failed, marked, before the report and the next run', async () => {
      const { host } = fixture;
      expect((await backUp(host)).ok).toBe(true);
      const good = await newest(host, 'files');
      await host.write(dropIn, '[Service]\nExecStartPre=/bin/false\n');
      await host.run('systemctl daemon-reload; touch -d @1 /backup.last; echo new > /srv/data/new');
      const run = await host.run('backupctl run', { mayFail: true });
      expect(run.code).toBe(1);
      const names = (await archives(host)).slice(-2);
      expect(names.every((name) => name.endsWith('.incomplete'))).toBe(true);
      expect((await host.run(`backup-borg list --short ::${await newest(host, 'files')}`)).stdout).toContain(
        'srv/data/new',
      );
      const told = (await host.run('cat /var/lib/backup-report/told')).stdout;
      for (const name of names) expect(told).toMatch(new RegExp(`Saved anyway:[^]*${name}: \\d+ files`));
      expect((await host.run('stat -c %Y /backup.last')).stdout).toBe('1\n');
      const listed = (await host.run('backupctl list')).stdout;
      for (const name of [good, ...names]) expect(listed).toContain(name);
      // What is not whole is never the latest.
      expect((await host.run('backupctl show latest /srv/data')).stdout).not.toContain('srv/data/new');
      // Seven stay of each series, while no run succeeds; what had begun to save is not saved twice.
      await host.run(
        'for s in files dumps; do for d in 1 2 3 4 5 6; do backup-borg create --timestamp 2020-01-0${d}T00:00:00 ::web-$s-2020-01-0${d}T00:00:00Z.incomplete /etc/hostname || exit; done; done',
      );
      await host.run('systemctl start backup', { mayFail: true });
      await host.run('while systemctl list-jobs | grep -q "backup-re"; do sleep 0.1; done');
      const marked = (await archives(host)).filter((name) => name.endsWith('.incomplete'));
      expect(marked.filter((name) => name.includes('-files-'))).toHaveLength(7);
      expect(marked.filter((name) => name.includes('-dumps-'))).toHaveLength(7);
      await host.write(dropIn, '[Service]\nExecStartPost=/bin/false\n');
      await host.run('systemctl daemon-reload');
      const late = await host.run('backupctl run', { mayFail: true });
      expect(late.code).toBe(1);
      expect(late.stdout).toContain('Nothing is to be done');
      expect((await host.run('cat /var/lib/backup-report/told')).stdout).not.toContain('Saved anyway');
    });

    it('marks an archive from its making, and leaves none under the name of a good one', async () => {
      const { host } = fixture;
      const before = await archives(host);
      // Deeper than files can be opened at once.
      await host.run('runuser -u alice -- python3 -', {
        input:
          'import os\nos.chdir("/home/alice")\nfor _ in range(6000):\n    os.mkdir("d")\n    os.chdir("d")\nopen("end", "w").close()\n',
      });
      const { ok, log } = await backUp(host);
      const all = await archives(host);
      await host.run('rm -r /home/alice/d');
      expect(ok).toBe(false);
      expect(all.filter((name) => !before.includes(name) && name.includes('-files-'))).toEqual([
        expect.stringMatching(/incomplete$/),
      ]);
      const kept = (await host.run(`backup-borg list --short ::${await newest(host, 'files')}`)).stdout;
      expect(kept).toContain('srv/data/page');
      expect(log).toMatch(/\/home\/alice\/d\//);
    });

    it('shows what would be saved, and what is left out by which pattern, in the order of size', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir -p /srv/large /srv/small /srv/left; head -c 3000000 /dev/zero > /srv/large/file; ln /srv/large/file /srv/small/again; head -c 9000000 /dev/zero > /srv/left/file; echo x > /srv/small/file',
      );
      await settings({ exclude: ['/srv/left', '/srv/none'] });
      const shown = (await host.run('backupctl check-paths')).stdout;
      await host.run('rm -r /srv/large /srv/small /srv/left');
      const [would = '', out = ''] = shown.split('Left out:\n');
      const lines = would.split('\n').map((line) => line.trim().split(/\s+/));
      expect(lines.map((line) => line.at(-1)).filter((path) => path === '/etc' || path === '/srv')).toEqual([
        '/srv',
        '/etc',
      ]);
      expect(would).toMatch(/3\.0 MB +2 +\/srv\/large\n[^]*\/srv\/small\n/);
      expect(out).toMatch(/^ +9\.0 MB +2 +\/srv\/left +backup_exclude/);
      expect(out).toMatch(/nothing matches +\/srv\/none/);
      expect((await host.run('runuser -u alice -- backupctl check-paths', { mayFail: true })).code).toBe(3);
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
