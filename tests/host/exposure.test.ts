import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { onEachRelease } from './fixture.ts';

async function exposure(host: Host, unit: string): Promise<number> {
  const { stdout } = await host.run(['systemd-analyze', 'security', '--no-pager', unit]);
  return Number(/Overall exposure level for \S+ ([\d.]+)/.exec(stdout)?.[1] ?? /: ([\d.]+)/.exec(stdout)?.[1]);
}

onEachRelease(
  'the exposure level',
  ({ lab }) => lab.roles(['borg', 'postgres']).then(),
  (fixture) => {
    it.each([
      ['backup.service', 0.8],
      ['borg-init.service', 0.8],
      ['backup-check.service', 0.8],
      ['borg-secrets.service', 0.6],
      ['borg-passphrase.service', 0.8],
      ['borg-ssh-key.service', 0.8],
      ['backup-report@backup:failure.service', 0.5],
      ['backup-watch.service', 0.5],
      ['backup-postgresql.service', 0.3],
      ['backup-postgresql-restore.service', 0.3],
      ['backup-stage@postgresql.service', 0.5],
      ['backup-drill.service', 0.5],
      ['backup-prove@postgresql.service', 0.3],
    ])('of %s is at most %d with a local repository', async (unit, limit) => {
      expect(await exposure(fixture.host, unit)).toBeLessThanOrEqual(limit);
    });

    it('of backup.service is at most 1.6 with a remote repository', async () => {
      await fixture.lab.roles(
        ['borg'],
        {
          borg_repositories: ['ssh://borg@web/./repository'],
          borg_known_hosts: [`web ${fixture.host.hostKey.split(' ').slice(0, 2).join(' ')}`],
        },
        { mayFail: true },
      );
      expect((await fixture.host.run('systemctl cat backup.service')).stdout).toContain('AF_INET6');
      expect(await exposure(fixture.host, 'backup.service')).toBeLessThanOrEqual(1.6);
    });
  },
);
