import { expect, it } from 'vitest';
import { backUp, onEachRelease } from './fixture.ts';

onEachRelease(
  'a host without Borg',
  async ({ host }) => {
    await host.run('dpkg --purge --force-depends borgbackup');
    await host.run("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*; rm -rf /var/lib/apt/lists/*; echo 'deb [trusted=yes] file:/var/local/debs ./' > /etc/apt/sources.list");
  },
  (fixture) => {
    it('gets it from its package manager, after a refresh of the lists if it has to be', async () => {
      await fixture.lab.roles(['borg'], {}, { args: ['--check'] });
      expect(await fixture.host.exists('/usr/bin/borg')).toBe(false);
      const { recap } = await fixture.lab.roles(['borg']);
      expect(recap['web']?.failed).toBe(0);
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
    });
  },
);
