import { expect, it } from 'vitest';
import { archives, backUp, newest, onEachRelease } from './fixture.ts';

/** Units as somebody wrote them by hand before: everything in /backup, hooks in the group borg, one after another. */
const service = (description: string, user: string, program: string, more: string): string => `[Unit]
Description=${description}

[Service]
Type=oneshot
User=${user}
ExecStart=${program}
ProtectSystem=strict
PrivateTmp=true
NoNewPrivileges=true
${more}`;

const files: readonly (readonly [path: string, content: string, mode?: string])[] = [
  [
    '/etc/systemd/system/backup.service',
    service(
      'Borg',
      'borg',
      '/usr/local/sbin/backup.sh',
      `AmbientCapabilities=CAP_DAC_READ_SEARCH
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
ReadWritePaths=/backup /home/borg /srv/borg /backup.last
ExecStartPost=/usr/bin/touch /backup.last
`,
    ),
  ],
  ['/etc/systemd/system/backup.timer', '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n'],
  [
    '/etc/systemd/system/backup-postgresql.service',
    service(
      'Dump',
      'postgres',
      '/usr/local/sbin/backup-postgresql.sh',
      'SupplementaryGroups=borg\nReadWritePaths=/backup\n',
    ),
  ],
  [
    '/etc/systemd/system/backup-wiki.service',
    service('Wiki', 'wiki', '/usr/local/sbin/backup-wiki.sh', 'SupplementaryGroups=borg\nReadWritePaths=/backup\n'),
  ],
  [
    '/etc/systemd/system/backup.service.d/postgresql.conf',
    '[Service]\nExecStartPre=!/bin/systemctl start backup-postgresql.service\n',
  ],
  [
    '/etc/systemd/system/backup.service.d/wiki.conf',
    '[Service]\nExecStartPre=!/bin/systemctl start backup-wiki.service\n',
  ],
  [
    '/usr/local/sbin/backup.sh',
    '#!/bin/bash\nset -e\nfor repository in /home/borg/repository /srv/borg; do BORG_PASSPHRASE=old-passphrase borg create "$repository::web-$(date +%F-%R)" /etc /backup; done\n',
    '0755',
  ],
  [
    '/usr/local/sbin/backup-postgresql.sh',
    '#!/bin/bash\npg_dump -Fc postgres -f /backup/postgres-postgres.pg_dump\n',
    '0755',
  ],
  ['/usr/local/sbin/backup-wiki.sh', '#!/bin/bash\necho pages > /backup/wiki.xml\n', '0755'],
];

onEachRelease(
  'a host that backs itself up by units of its own',
  async ({ host }) => {
    for (const [path, content, mode = '0644'] of files) await host.write(path, content, mode);
    await host.run(
      'useradd --system --create-home --home-dir /home/borg borg; useradd --system wiki; install -d -o borg -g borg -m 770 /backup; install -d -o borg -m 700 /srv/borg; touch /backup.last; chown borg /backup.last',
    );
    await host.run(
      'borg init --encryption=none /home/borg/repository; BORG_PASSPHRASE=old-passphrase borg init --encryption=repokey /srv/borg',
      { user: 'borg' },
    );
    await host.run('systemctl daemon-reload; systemctl enable --now backup.timer; systemctl start backup.service');
  },
  (fixture) => {
    const settings = {
      borg_repositories: ['/home/borg/repository', '/srv/borg'],
      borg_passphrase: 'old-passphrase',
      borg_encryption: 'none',
      backup_paths: ['/etc', '/srv'],
      borg_lock_wait: 20,
    };

    it('is converged: its archives stay, new ones join them, and snippets of others still inject their software', async () => {
      const { host, lab } = fixture;
      const check = await lab.roles(['borg', 'postgres'], settings, { args: ['--check', '--diff'] });
      expect(check.recap['web']).toMatchObject({ failed: 0 });
      expect(await host.read('/etc/systemd/system/backup.service')).toContain('Description=Borg');
      const doubtful = await lab.roles(['borg'], { ...settings, borg_encryption: 'repokey' }, { mayFail: true });
      expect(doubtful.stdout).toContain('/home/borg/repository is not encrypted, but borg_encryption is repokey');
      await lab.roles(['borg', 'postgres'], settings);
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      for (const repository of ['1', '2']) {
        const { stdout } = await host.run([
          'backup-borg',
          '--repository',
          repository,
          'list',
          '--format',
          '{archive}{NL}',
        ]);
        expect(stdout).toMatch(/^web-\d{4}-\d\d-\d\d-\d\d:\d\d\nweb-files-\S+Z\nweb-dumps-\S+Z\n$/);
      }
      const dumps = (await host.run(`backup-borg list --format '{path}{NL}' ::${await newest(host, 'dumps')}`)).stdout;
      expect(dumps).toContain('backup/wiki.xml');
      expect(dumps).toMatch(/backup\/postgresql\/\S+\/postgres\.dump/);
      expect((await archives(host)).length).toBe(3);
    });

    it('changes nothing the second time, and keeps what is not of the roles', async () => {
      const { host, lab } = fixture;
      const { recap } = await lab.roles(['borg', 'postgres'], settings);
      expect(recap['web']).toMatchObject({ changed: 0, failed: 0 });
      for (const path of ['/etc/systemd/system/backup-wiki.service', '/etc/systemd/system/backup.service.d/wiki.conf'])
        expect(await host.read(path)).toBe(files.find(([file]) => file === path)?.[1]);
    });

    it('lets a hook of the module take the place of a snippet by hand', async () => {
      const { host, lab } = fixture;
      const wiki = { name: 'wiki', user: 'wiki', script: '#!/bin/sh\necho pages > /backup/wiki/wiki.xml\n' };
      await lab.playbook([{ hosts: 'all', gather_facts: false, tasks: [{ 'rootless.backup.hook': wiki }] }]);
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(
        (await host.run(`backup-borg list --format '{path}{NL}' ::${await newest(host, 'dumps')} backup/wiki`)).stdout,
      ).toContain('backup/wiki/wiki.xml');
    });
  },
);
