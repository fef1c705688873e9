import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Fleet } from '../../src/schema/fleet.ts';
import { formerCollection, isKnown } from '../lab/collection.ts';
import { archives, backUp, onEachRelease, start } from './fixture.ts';
import { settle } from './mail.ts';

/** The last commit in which what is the frame's today was called `borg_…`. */
const before = '851036a';

if (isKnown(before))
  onEachRelease(
    'a host that was set up before the frame had a role of its own',
    async ({ lab, host }) => {
      await lab.installCollection(await formerCollection(before));
      await host.run('mkdir /srv/files; echo saved > /srv/files/page');
      await lab.roles(['borg', 'postgres'], { borg_paths: ['/srv/files'], borg_keep_daily: 7, borg_mail_to: [] });
      expect((await backUp(host)).ok).toBe(true);
      expect((await start(host, 'borg-check.service')).ok).toBe(true);
      await lab.installCollection();
    },
    (fixture) => {
      const settings = { backup_paths: ['/srv/files'], backup_keep_daily: 7, backup_mail_to: [] };
      const upgrade = (args: string[] = []) => fixture.lab.roles(['borg', 'postgres'], settings, { args });
      /** What may not be lost: the secrets, the keys, what is known of repositories and archives; of when the timers last ran. */
      const kept = async (): Promise<string> =>
        (
          await fixture.host.run(
            'cd /; sha256sum etc/credstore/borg.* $(find var/lib/borg/initialised var/lib/borg/exported-keys var/lib/borg/records -type f | sort)',
          )
        ).stdout;
      let valuables = '';

      it('is read by the page of all machines, which says that it is older', async () => {
        const { lab } = fixture;
        await lab.run(join(lab.collection, 'playbooks/fleet.yml'));
        const { machines } = JSON.parse(readFileSync(join(lab.directory, 'backup-fleet/fleet.json'), 'utf8')) as Fleet;
        expect(machines).toMatchObject([
          { name: 'web', state: 'ok', problems: [], older: true, last_result: 'success' },
        ]);
        expect(machines[0]?.check_result).toBe('success');
      });

      it('is told of each setting what it is called now, before anything is touched', async () => {
        const { stdout, recap } = await fixture.lab.roles(
          ['borg'],
          { borg_paths: ['/srv/files'], borg_keep_daily: 7 },
          { mayFail: true },
        );
        expect(recap['web']?.failed).toBe(1);
        expect(stdout).toContain('borg_paths: this setting is called backup_paths now');
        expect(stdout).toContain('borg_keep_daily: this setting is called backup_keep_daily now');
        expect(await fixture.host.exists('/etc/systemd/system/borg-check.timer')).toBe(true);
      });

      it('shows in check mode what would change', async () => {
        const { stdout, recap } = await upgrade(['--check', '--diff']);
        expect(recap['web']).toMatchObject({ failed: 0 });
        expect(stdout).toContain('+++ after: /etc/systemd/system/backup-check.service');
        expect(await fixture.host.exists('/etc/systemd/system/backup-check.service')).toBe(false);
      });

      it('keeps archives, records and keys, and nothing of the old names is left', async () => {
        const { host } = fixture;
        const names = await archives(host);
        valuables = await kept();
        expect(valuables.split('\n').length).toBeGreaterThan(5);
        expect((await upgrade()).recap['web']).toMatchObject({ failed: 0 });
        expect(await kept()).toBe(valuables);
        expect(await archives(host)).toEqual(names);
        const left =
          'find /etc /usr/local /run /var/lib /var/cache -xdev -name "*borg-check*"; systemctl list-units --all --no-legend --plain "borg-check*"; grep -rl borg-check /etc /var/lib/rootless.backup /var/lib/borg 2> /dev/null';
        expect((await host.run(left, { mayFail: true })).stdout).toBe('');
        expect(
          (await host.run('grep -rlE "borg_(paths|state|keep)" /etc/systemd/system /etc/backup', { mayFail: true }))
            .stdout,
        ).toBe('');
        for (const timer of ['backup', 'backup-check', 'backup-drill', 'backup-watch'])
          expect([
            timer,
            (await host.run(`systemctl is-enabled ${timer}.timer; systemctl is-active ${timer}.timer`)).stdout,
          ]).toEqual([timer, 'enabled\nactive\n']);
        expect((await upgrade()).recap['web']).toMatchObject({ failed: 0, changed: 0 });
      });

      it('goes on with what was known of its runs, and saves beside what it had', async () => {
        const { host } = fixture;
        const { stdout } = await host.run(['backupctl', 'status'], { mayFail: true });
        expect(stdout).toMatch(/last check .*success/);
        const { ok, log } = await backUp(host);
        expect(ok, log).toBe(true);
        expect(await archives(host)).toHaveLength(4);
        expect((await start(host, 'backup-drill.service')).ok).toBe(true);
        await settle(host);
        const status = JSON.parse(await host.read('/var/lib/backup-report/status.json')) as { units: object };
        expect(Object.keys(status.units).sort()).toEqual(['backup', 'backup-check', 'backup-drill']);
      });
    },
  );
else it.skip('a host that was set up before: needs the history of the repository, which this clone does not have');
