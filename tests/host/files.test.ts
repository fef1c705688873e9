import { expect, it } from 'vitest';
import { backUp, newest, onEachRelease } from './fixture.ts';
import { describeTree, tree } from './tree.ts';

onEachRelease(
  'a tree comes back equal in content and metadata',
  async ({ lab, host }) => {
    await host.run(tree);
    await lab.roles(['borg'], { backup_paths: ['/srv', '/etc'] });
  },
  (fixture) => {
    it.each(['/restored', '/root/restored', '/tmp/restored', '/home/alice/restored'])(
      'by hand with backup-borg, into %s',
      async (into) => {
        const { host } = fixture;
        const { ok, log } = await backUp(host);
        expect(ok, log).toBe(true);
        await host.run(`backup-borg --into ${into} extract --sparse ::${await newest(host, 'files')} srv/tree`);
        const original = (await host.run(describeTree('/srv/tree'))).stdout;
        expect(original.split('\n').length).toBeGreaterThan(60);
        expect((await host.run(describeTree(`${into}/srv/tree`))).stdout).toBe(original);
        expect((await host.run('find /var/lib/borg ! -user borg')).stdout).toBe('');
      },
    );
  },
);
