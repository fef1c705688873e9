import { expect, it } from 'vitest';
import { archives, backUp, newest, newestOf, onEachRelease } from './fixture.ts';

onEachRelease(
  'software that injects itself',
  async ({ lab, host }) => {
    await lab.roles(['borg']);
    await host.run('useradd --system wiki');
  },
  (fixture) => {
    /** As somebody writes it who has read the article and knows nothing of this collection. */
    const inject = async (name: string, script: string): Promise<void> => {
      const { host } = fixture;
      await host.write(`/usr/local/sbin/backup-${name}.sh`, `#!/bin/bash\nset -e\n${script}\n`, '0755');
      await host.write(
        `/etc/systemd/system/backup-${name}.service`,
        `[Unit]\nDescription=Backup ${name}\n\n[Service]\nType=oneshot\nUser=wiki\nGroup=wiki\nSupplementaryGroups=borg\nExecStart=/usr/local/sbin/backup-${name}.sh\nProtectSystem=strict\nReadWritePaths=/backup/\nPrivateTmp=true\nNoNewPrivileges=true\n`,
      );
      await host.write(
        `/etc/systemd/system/backup.service.d/${name}.conf`,
        `[Service]\nExecStartPre=!/bin/systemctl start backup-${name}.service\n`,
      );
      await host.run('systemctl daemon-reload');
    };

    it('with the snippet of the article runs as its own user before Borg, and its dump is in the archive', async () => {
      const { host } = fixture;
      await inject('wiki', 'id -un > /backup/wiki.dump; date +%s%N >> /backup/wiki.dump');
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const dump = await host.run([
        'backup-borg',
        'extract',
        '--stdout',
        `::${await newest(host, 'dumps')}`,
        'backup/wiki.dump',
      ]);
      expect(dump.stdout).toMatch(/^wiki\n\d+\n$/);
    });

    it('and fails, fails the backup: no archive, no mark', async () => {
      const { host } = fixture;
      // What is saved all the same, marked, may be there by then or not.
      const whole = async (): Promise<string> =>
        newestOf(
          (await archives(host)).filter((name) => !name.endsWith('.incomplete')),
          'dumps',
        );
      const before = await whole();
      await host.run('rm -f /backup.last');
      await inject('wiki', 'echo half > /backup/wiki.dump; exit 3');
      expect((await backUp(host)).ok).toBe(false);
      expect((await host.run('systemctl show --property=Result --value backup.service')).stdout.trim()).toBe(
        'exit-code',
      );
      expect(await whole()).toBe(before);
      expect(await host.exists('/backup.last')).toBe(false);
      await inject('wiki', 'true');
    });

    it('cannot take away what another one left in /backup', async () => {
      const { host } = fixture;
      await host.run('install -o nobody -m 600 /dev/null /backup/of-another');
      await inject('wiki', 'rm -f /backup/of-another');
      expect((await backUp(host)).ok).toBe(false);
      expect(await host.exists('/backup/of-another')).toBe(true);
      await inject('wiki', 'true');
    });

    it('stays through another run of the role', async () => {
      const { recap } = await fixture.lab.roles(['borg']);
      expect(recap['web']?.changed).toBe(0);
      expect(await fixture.host.exists('/etc/systemd/system/backup.service.d/wiki.conf')).toBe(true);
    });

    it('the way of this collection runs beside all others, each exactly once a backup', async () => {
      const { host } = fixture;
      for (const name of ['a', 'b', 'c', 'd', 'e']) {
        await host.write(
          `/etc/systemd/system/backup-${name}.service`,
          `[Unit]\nPartOf=backup.service\nStopWhenUnneeded=true\n[Service]\nType=oneshot\nRemainAfterExit=true\nExecStart=/bin/bash -c 'echo ${name} >> /run/ran; sleep 2'\n`,
        );
        await host.write(
          `/etc/systemd/system/backup.service.d/${name}.conf`,
          `[Unit]\nWants=backup-${name}.service\n[Service]\nExecStartPre=!/bin/systemctl start backup-${name}.service\n`,
        );
      }
      await host.run('systemctl daemon-reload');
      for (const runs of [1, 2]) {
        await backUp(host);
        expect((await host.run('sort /run/ran')).stdout.split('\n').filter(Boolean)).toEqual(
          ['a', 'b', 'c', 'd', 'e'].flatMap((name) => Array<string>(runs).fill(name)),
        );
      }
      const { stdout } = await host.run(
        'systemctl show --timestamp=unix --property=ExecMainStartTimestamp --value backup-a backup-b backup-c backup-d backup-e | grep . | tr -d @ | sort -n',
      );
      const starts = stdout.trim().split('\n').map(Number);
      expect((starts.at(-1) ?? 0) - (starts[0] ?? 0)).toBeLessThanOrEqual(1);
    });
  },
);
