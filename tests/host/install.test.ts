import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { copyTree } from '../lab/collection.ts';
import { run } from '../lab/process.ts';
import { backUp, onEachRelease } from './fixture.ts';

onEachRelease(
  'a host without Borg',
  async ({ host }) => {
    await host.run('dpkg --purge --force-depends borgbackup');
    await host.run(
      "rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*; rm -rf /var/lib/apt/lists/*; echo 'deb [trusted=yes] file:/var/local/debs ./' > /etc/apt/sources.list",
    );
  },
  (fixture) => {
    it('gets it from its package manager, after a refresh of the lists if it has to be', async () => {
      expect((await fixture.lab.roles(['borg'], {}, { args: ['--check'] })).recap['web']).toMatchObject({ changed: 1 });
      expect(await fixture.host.exists('/usr/bin/borg')).toBe(false);
      const { recap } = await fixture.lab.roles(['borg']);
      expect(recap['web']?.failed).toBe(0);
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
    });

    it('and again if it is only half there, or there as nobody asked for it, and could go with what brought it', async () => {
      const { host, lab } = fixture;
      const version = (await host.run("dpkg-query --show --showformat='${Version}' borgbackup")).stdout;
      await host.run('dpkg --unpack /var/local/debs/borgbackup_*.deb');
      const packages = { borg_packages: [`borgbackup=${version}`] };
      expect((await lab.roles(['borg'], packages)).recap['web']).toMatchObject({ changed: 1, failed: 0 });
      expect((await host.run("dpkg-query --show --showformat='${db:Status-Status}' borgbackup")).stdout).toBe(
        'installed',
      );
      await host.run('apt-mark auto borgbackup');
      expect((await lab.roles(['borg'], packages)).recap['web']).toMatchObject({ changed: 0, failed: 0 });
      expect((await host.run('apt-mark showmanual borgbackup')).stdout).toBe('borgbackup\n');
    });

    it('and the role fails with what the package manager says where there is none, and lays nothing down', async () => {
      const { stdout, recap } = await fixture.lab.roles(
        ['borg'],
        { borg_packages: ['borgbackup', 'there-is-none'], backup_schedule: 'Sun' },
        { mayFail: true },
      );
      expect(recap['web']).toMatchObject({ changed: 0, failed: 1 });
      expect(stdout).toContain("No package matching 'there-is-none' is available");
      expect(await fixture.host.read('/etc/systemd/system/backup.timer')).toContain('OnCalendar=daily');
    });
  },
);

onEachRelease(
  'the collection runs',
  () => Promise.resolve(),
  (fixture) => {
    const plays = [
      {
        hosts: 'all',
        roles: ['rootless.backup.borg', 'rootless.backup.postgres'],
        tasks: [
          {
            'rootless.backup.hook': {
              name: 'names',
              user: 'nobody',
              command: '/usr/bin/cp /etc/passwd /backup/names/passwd',
            },
          },
        ],
      },
    ];
    const works = async (): Promise<void> => {
      const { recap } = await fixture.lab.playbook(plays);
      expect(recap['web']).toMatchObject({ failed: 0, unreachable: 0 });
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
    };

    it('from its tarball, with all deleted but meta, plugins, roles, playbooks and the manifest', async () => {
      const installed = await fixture.lab.installCollection();
      const kept = ['FILES.json', 'MANIFEST.json', 'meta', 'playbooks', 'plugins', 'roles'];
      for (const name of readdirSync(installed).filter((each) => !kept.includes(each)))
        rmSync(join(installed, name), { recursive: true });
      expect(readdirSync(installed).sort()).toEqual(kept);
      await works();
    });

    it('from its tarball, unpacked, which is what installing it gives', async () => {
      const installed = await fixture.lab.installCollection();
      const again = `${installed}.again`;
      renameSync(installed, again);
      await fixture.lab.unpackCollection();
      const tree = async (at: string): Promise<string> =>
        (await run('find', ['.', '-type', 'f', '-printf', '%P %m %s\n'], { cwd: at })).stdout
          .split('\n')
          .sort()
          .join('\n');
      expect(await tree(installed)).toBe(await tree(again));
      await run('diff', ['--recursive', installed, again]);
      rmSync(again, { recursive: true });
    });

    it('from git+file:// and a clean clone', async () => {
      const clone = join(fixture.lab.directory, 'clone');
      await copyTree(clone);
      await run('git', ['init', '--quiet', clone]);
      await run('git', ['-C', clone, 'add', '--all']);
      await run('git', [
        '-C',
        clone,
        '-c',
        'user.name=a',
        '-c',
        'user.email=a@example.org',
        'commit',
        '--quiet',
        '--message',
        'all',
      ]);
      await fixture.lab.installCollection(`git+file://${clone}`);
      await works();
    });
  },
);
