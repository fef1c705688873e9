import { expect, it } from 'vitest';
import { archives, backUp, newest, onEachRelease } from './fixture.ts';

/** Waits for the end of a run; it is over when it is not deactivating either. */
const ended = 'while systemctl is-active backup.service | grep -q activating; do sleep 0.1; done';

onEachRelease(
  'runs that meet',
  async ({ lab, host }) => {
    // Enough new data for a run to be caught in its middle.
    await host.run('mkdir -p /srv/data && head -c 150M /dev/urandom > /srv/data/random');
    // Borg looks ten times while it waits for a lock: a short wait makes a short test.
    await lab.roles(['borg'], { backup_paths: ['/srv', '/etc'], borg_compression: 'zlib,6', borg_lock_wait: 20 });
  },
  (fixture) => {
    const killInTheMiddle = async (): Promise<void> => {
      const { host } = fixture;
      await host.run(
        'head -c 150M /dev/urandom > /srv/data/random; systemctl start --no-block backup.service; until pgrep --full "[/]usr/bin/borg .* create "; do sleep 0.05; done; sleep 2',
        { timeoutSeconds: 60 },
      );
    };

    it('a second start during a run joins it', async () => {
      const { host } = fixture;
      const before = (await archives(host)).length;
      const [first, second] = await Promise.all([backUp(host), backUp(host)]);
      expect([first.ok, second.ok], first.log).toEqual([true, true]);
      expect((await archives(host)).length).toBe(before + 2);
    });

    it('two backups right after each other both succeed, with names of their own', async () => {
      const { host } = fixture;
      const { stdout } = await host.run(
        'journalctl --rotate --vacuum-time=1s --quiet; systemctl start backup.service && systemctl start backup.service; journalctl --sync; journalctl --output=cat --unit=backup.service',
      );
      const names = [...stdout.matchAll(/archive (web-files-\S+):/g)].map(([, name]) => name);
      expect(names.length).toBe(2);
      expect(new Set(names).size).toBe(2);
      // Of one day the newest is kept.
      expect(await archives(host)).toEqual(expect.arrayContaining([names[1]]));
    });

    it('a run that was killed fails, and the next one, started by the timer, succeeds without a hand', async () => {
      const { host } = fixture;
      await host.run('rm -f /backup.last');
      await killInTheMiddle();
      await host.run(`pkill -9 --full "[/]usr/bin/borg .* create "; ${ended}`);
      expect((await host.run('systemctl is-failed backup.service')).stdout.trim()).toBe('failed');
      expect(await host.exists('/backup.last')).toBe(false);
      await host.write(
        '/run/systemd/system/backup.timer.d/soon.conf',
        '[Timer]\nOnActiveSec=1\nAccuracySec=100ms\nRandomizedDelaySec=0\n',
      );
      await host.run(
        'systemctl daemon-reload; systemctl restart backup.timer; until [ -e /backup.last ]; do sleep 0.2; done',
        { timeoutSeconds: 90 },
      );
      await host.run(
        'rm -r /run/systemd/system/backup.timer.d; systemctl daemon-reload; systemctl restart backup.timer',
      );
    });

    it('a run that was killed with everything of it leaves no lock that stops the next one', async () => {
      const { host } = fixture;
      await killInTheMiddle();
      await host.run(`systemctl kill --signal=KILL --kill-whom=all backup.service; ${ended}`);
      expect((await host.run('ls -d /var/lib/borg/repository/lock.exclusive')).stdout).toContain('lock');
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(log).toMatch(/stale/i);
    });

    it('a power loss in the middle of a run is made up for after the boot', async () => {
      const { host } = fixture;
      await killInTheMiddle();
      await host.powerOff();
      await host.boot();
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
    });

    it("another host's lock is left alone, and the run fails when its time is up", async () => {
      const { lab, host } = fixture;
      await lab.roles(['borg'], { backup_paths: ['/etc'], borg_lock_wait: 2 });
      await host.run(
        'install -d -o borg -m 700 /var/lib/borg/repository/lock.exclusive; install -o borg /dev/null /var/lib/borg/repository/lock.exclusive/elsewhere@123.4567-0',
      );
      const { ok, log } = await backUp(host);
      expect(ok).toBe(false);
      expect(log).toMatch(/lock/i);
      expect(await host.exists('/var/lib/borg/repository/lock.exclusive/elsewhere@123.4567-0')).toBe(true);
      await host.run('rm -r /var/lib/borg/repository/lock.exclusive');
    });

    it('prune touches only archives of exactly this host', async () => {
      const { lab, host } = fixture;
      await lab.roles(['borg'], {
        backup_paths: ['/etc'],
        backup_keep_daily: 1,
        backup_keep_weekly: 0,
        backup_keep_monthly: 0,
      });
      const foreign = [
        'web-staging-files-2020-01-01T00:00:00Z',
        'web-files-by-hand',
        'web-files-2020-01-01T00:00:00Zx',
        'webfiles-2020-01-01T00:00:00Z',
      ];
      for (const name of foreign) await host.run(`backup-borg create ::${name} /etc/hostname`);
      await host.run(
        'backup-borg create --timestamp 2020-01-01T00:00:00 ::web-files-2020-01-01T00:00:00Z /etc/hostname',
      );
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const names = await archives(host);
      expect(names).toEqual(expect.arrayContaining(foreign));
      expect(names.filter((name) => /^web-files-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(name)).length).toBe(1);
    });

    it('a repository that vanished fails the run and is not made anew, by the run or by the role', async () => {
      const { lab, host } = fixture;
      await host.run('mv /var/lib/borg/repository /var/lib/borg/away');
      const { ok, log } = await backUp(host);
      expect(ok).toBe(false);
      expect(log).toMatch(/repository.*(does not exist|not a valid repository)/i);
      await host.run('rm -rf /var/lib/borg/repository');
      const { stdout, recap } = await lab.roles(
        ['borg'],
        { backup_paths: ['/etc'], borg_repositories: ['/var/lib/borg/repository', '/var/lib/borg/second'] },
        { mayFail: true },
      );
      expect(recap['web']?.failed).toBe(1);
      expect(stdout).toContain('Is its disk mounted?');
      expect(await host.exists('/var/lib/borg/repository/config')).toBe(false);
      await host.run('rm -rf /var/lib/borg/repository; mv /var/lib/borg/away /var/lib/borg/repository');
    });

    it('another repository in its place fails the run', async () => {
      const { lab, host } = fixture;
      await lab.roles(['borg'], { backup_paths: ['/etc'] });
      // One that Borg itself has never seen, so that it has nothing to compare with.
      await host.run(
        'backup-borg init --encryption repokey-blake2 /var/lib/borg/foreign; cd /var/lib/borg; rm -r .config/borg/security /var/cache/borg/*; mv repository away; mv foreign repository',
      );
      const { ok, log } = await backUp(host);
      await host.run('cd /var/lib/borg; rm -rf repository; mv away repository');
      expect(ok).toBe(false);
      expect(log).toContain('another repository');
    });

    it('cuts dumps by the rule, or as the settings say', async () => {
      const { lab, host } = fixture;
      const params = async (): Promise<unknown> => {
        expect((await backUp(host)).ok).toBe(true);
        const { stdout } = await host.run(`backup-borg info --json ::${await newest(host, 'dumps')}`);
        return (JSON.parse(stdout) as { archives: { chunker_params: unknown }[] }).archives[0]?.chunker_params;
      };
      const settings = { backup_paths: ['/etc/hostname'], borg_lock_wait: 20 };
      await lab.roles(['borg'], { ...settings, borg_dump_chunker_params: 'buzhash,11,21,16,4095' });
      expect(await params()).toEqual(['buzhash', 11, 21, 16, 4095]);
      await lab.roles(['borg'], settings);
      expect(await params()).toEqual(['buzhash', 12, 20, 15, 4095]);
    });

    it('a check runs beside no backup, and finds damage', async () => {
      const { lab, host } = fixture;
      await lab.roles(['borg'], { backup_paths: ['/etc'] });
      await host.run('systemctl start backup-check.service');
      await host.run(
        'f=$(find /var/lib/borg/repository/data -type f -size +1k | sort | head -1); printf XXXX | dd of="$f" bs=1 seek=500 conv=notrunc status=none',
      );
      expect((await host.run('systemctl start backup-check.service', { mayFail: true })).code).not.toBe(0);
    });
  },
);
