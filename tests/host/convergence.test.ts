import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { backUp, onEachRelease } from './fixture.ts';

/** Every file of a host that a role could touch, with mode, owner and checksum; not what reports write at a time of their own. */
const snapshot = `
find /etc /usr/local /backup /var/lib /backup.last -xdev \\( -path /var/lib/systemd -o -path /var/lib/postgresql -o -path /var/lib/private \\) -prune -o -printf '%p %m %u %g %y\\n' 2> /dev/null | grep -v '^/var/lib/backup-report/' | sort
find /etc /usr/local -xdev -type f ! -name '*.pub' ! -path '/etc/ssl/*' -print0 | sort -z | xargs -0 sha256sum
systemctl list-unit-files --no-legend | grep -E 'backup|borg'
getent passwd borg backup-report`;

onEachRelease(
  'the roles',
  () => Promise.resolve(),
  (fixture) => {
    const both = ['borg', 'postgres'];
    const state = async (): Promise<string> => (await fixture.host.run(snapshot, { mayFail: true })).stdout;

    /** Deploys a tree of its own. */
    const deploy = (name: string, templates: Readonly<Record<string, string>>) => {
      const top = join(fixture.lab.directory, name);
      for (const [path, content] of Object.entries(templates)) {
        mkdirSync(dirname(join(top, path)), { recursive: true });
        writeFileSync(join(top, path), content);
      }
      return fixture.lab.playbook([{ hosts: 'all', tasks: [{ 'rootless.backup.deploy': { name, templates: top } }] }], {
        mayFail: true,
      });
    };

    it('change nothing in check mode on a fresh host, and show what they would', async () => {
      const before = await state();
      const { stdout, recap } = await fixture.lab.roles(both, {}, { args: ['--check', '--diff'], facts: true });
      expect(recap['web']).toMatchObject({ failed: 0, changed: 2 });
      expect(stdout).toContain('+++ after: /etc/systemd/system/backup.service');
      expect(await state()).toBe(before);
    });

    it('refuse settings that are wrong before anything on the host is touched, naming each', async () => {
      const before = await state();
      const { stdout, recap } = await fixture.lab.roles(
        ['borg'],
        {
          backup_shedule: 'daily',
          borg_lock_weit: 7,
          backup_schedule: 'dayly',
          borg_compression: 'zstd,99',
          backup_keep_daily: -1,
          backup_exclude: ['var/cache', '/ok'],
          borg_passphrase: 'two\nlines',
        },
        { mayFail: true },
      );
      expect(recap['web']?.failed).toBe(1);
      for (const message of [
        'backup_shedule: there is no such setting. Did you mean backup_schedule?',
        'borg_lock_weit: there is no such setting. Did you mean borg_lock_wait?',
        String.raw`backup_schedule: \"dayly\" is not allowed. Use a calendar event`,
        String.raw`borg_compression: \"zstd,99\" is not allowed. Use `,
        'backup_keep_daily: -1 is not allowed. Use a whole number from 0 to 100000',
        String.raw`backup_exclude[0]: \"var/cache\" is not allowed. Use an absolute path`,
        'borg_passphrase: the value (a secret, not shown) is not allowed. Use one line',
      ])
        expect(stdout).toContain(message);
      expect(stdout).not.toContain('two');
      expect(await state()).toBe(before);
    });

    it('leave variables of other roles alone, with a warning where one is only like a setting', async () => {
      const { stderr, recap } = await fixture.lab.roles(
        ['borg', 'postgres', 'mariadb'],
        {
          backup_dir: '/elsewhere',
          backup_status: 'fine',
          borg_repository: '/elsewhere',
          postgres_users: [{ name: 'app' }],
          mariadb_root_password: 'hush',
          mariadb_data_directory: '/var/lib/mysql',
        },
        { args: ['--check'], mayFail: true },
      );
      expect(recap['web']?.failed).toBe(0);
      expect(stderr.replaceAll(/\s+/g, ' ')).toContain(
        'mariadb_data_directory: rootless.backup.mariadb has no such setting, and leaves it alone. If it is not for another role: did you mean mariadb_data_directories?',
      );
      expect(stderr).not.toContain('hush');
    });

    it('refuse a place for the secrets that cannot be written to, before anything on the host is touched', async () => {
      const before = await state();
      const refused = await fixture.lab.roles(['borg'], { backup_secrets_dir: '/proc/nowhere' }, { mayFail: true });
      expect(refused.recap['web']?.failed).toBe(1);
      expect(refused.stdout).toContain('what opens the repositories could not be saved there, so nothing was done');
      expect(await state()).toBe(before);
    });

    it('refuse a time that never comes, in check mode too, naming the setting', async () => {
      const before = await state();
      const events = {
        backup_schedule: '2020-01-01',
        backup_check_schedule: 'Mon 2021-02-30',
        backup_drill_schedule: '*-02-30 03:00',
      };
      for (const args of [['--check'], []]) {
        const { stdout, recap } = await fixture.lab.roles(['borg'], events, { args, mayFail: true });
        expect(recap['web']?.failed).toBe(1);
        for (const [setting, event] of Object.entries(events))
          expect(stdout).toContain(String.raw`${setting}: \"${event}\" never comes. Use`);
      }
      expect(await state()).toBe(before);
    });

    it('warn in check mode of paths that are not there, but for those that they make', async () => {
      const { stdout, stderr } = await fixture.lab.roles(
        ['borg'],
        { backup_paths: ['/etc', '/backup', '/var/lib/backup-report/', '/nowhere'] },
        { args: ['--check'] },
      );
      const warned = `${stdout}${stderr}`.replaceAll(/\s+/g, ' ');
      expect(warned).toContain('backup_paths: the host has no path "/nowhere". Every backup fails');
      expect(warned.match(/the host has no path/g)).toHaveLength(1);
    });

    it('put everything back if a step fails on a fresh host, new directories too', async () => {
      const before = await state();
      const { stdout } = await deploy('first', {
        'etc/backup/exclude.d/first.j2': '/x\n',
        'etc/tmpfiles.d/first.conf.j2': 'd /etc/backup 0755 root root\nd /etc/backup/more 0755 root root\nnonsense\n',
        'etc/systemd/system/backup.service.j2': '[Service]\nType=oneshot\nExecStart=/bin/true\n',
      });
      expect(stdout).toContain('Everything was put back as it was');
      expect(await state()).toBe(before);
    });

    it('put everything back if a file cannot be replaced', async () => {
      const { host } = fixture;
      await host.run('echo "# old" > /etc/sysctl.d/zz-first.conf; mkdir -p /etc/zz-blocked/file');
      const before = await state();
      const { recap } = await deploy('blocked', {
        'etc/sysctl.d/zz-first.conf.j2': '# new\n',
        'etc/zz-blocked/file.j2': 'a directory is in the way\n',
      });
      expect(recap['web']?.failed).toBe(1);
      expect(await state()).toBe(before);
      await host.run('rm -r /etc/sysctl.d/zz-first.conf /etc/zz-blocked');
    });

    it('refuse settings that do not go together', async () => {
      const { stdout } = await fixture.lab.roles(
        ['borg'],
        {
          borg_repositories: ['ssh://backup/./r'],
          backup_keep_daily: 0,
          backup_keep_weekly: 0,
          backup_keep_monthly: 0,
        },
        { mayFail: true },
      );
      expect(stdout).toContain('borg_known_hosts: borg_repositories names a server');
      expect(stdout).toContain('all are 0');
    });

    it('take quotes, percent signs, dollars and braces in settings as they are', async () => {
      const odd = `/srv/it's "100%" $HOME {x} \\n`;
      const { host } = fixture;
      await host.run(['mkdir', '-p', odd]);
      await host.run(['touch', `${odd}/file`]);
      await fixture.lab.roles(['borg'], { backup_paths: [odd], borg_repositories: [`/var/lib/borg/a "b" 50% $c`] });
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(
        (
          await host.run(
            "backup-borg list --format '{path}{NL}' ::$(backup-borg list --format '{archive}{NL}' | grep files)",
          )
        ).stdout,
      ).toContain(`${odd.slice(1)}/file`);
      await fixture.lab.roles(['borg'], { backup_state: 'absent', borg_delete_repositories: true });
    });

    it('set the host up, with a header in every file that names the collection and the role', async () => {
      const { recap } = await fixture.lab.roles(both, {}, { facts: true });
      expect(recap['web']?.failed).toBe(0);
      const { host } = fixture;
      expect((await host.run('find /root/.ansible/tmp -mindepth 1', { mayFail: true })).stdout).toBe('');
      for (const [role, tree] of [
        ['(?:borg|backup)', 'borg'],
        ['postgres', 'postgresql'],
      ] as const) {
        const { paths, sensitive } = JSON.parse(await host.read(`/var/lib/rootless.backup/${tree}.json`)) as {
          paths: string[];
          sensitive: string[];
        };
        // A credential holds nothing but the secret.
        const readable = paths.filter((path) => !sensitive.includes(path));
        expect(readable.length).toBeGreaterThan(4);
        for (const path of readable)
          expect([path, (await host.read(path)).split('\n').slice(0, 2).join('\n')]).toEqual([
            path,
            expect.stringMatching(
              String.raw`Managed by Ansible \(collection rootless\.backup, role ${role}\): changes made here are overwritten\.`,
            ),
          ]);
      }
      expect((await backUp(host)).ok).toBe(true);
    });

    it('change nothing the second time, at the defaults in one SSH execution for each role beyond connection and facts, with no task skipped', async () => {
      const before = await state();
      const { recap, stdout, sshExecutions } = await fixture.lab.roles(both, {}, { facts: true });
      expect(recap['web']).toMatchObject({ changed: 0, failed: 0, skipped: 0 });
      // Also none of ansible-core's own that check arguments.
      expect(stdout.match(/^TASK \[rootless\.backup/gm)).toHaveLength(2);
      expect(await state()).toBe(before);
      const facts = await fixture.lab.playbook([{ hosts: 'all' }]);
      expect(facts.sshExecutions).toBeGreaterThan(0);
      expect(sshExecutions - facts.sshExecutions).toBe(2);
    });

    it('change nothing in check mode on a configured host, and show a change of one setting', async () => {
      const before = await state();
      const same = await fixture.lab.roles(both, {}, { args: ['--check', '--diff'] });
      expect(same.recap['web']).toMatchObject({ changed: 0, failed: 0 });
      const { stdout, recap } = await fixture.lab.roles(
        both,
        { backup_schedule: 'Mon..Fri 02:30' },
        { args: ['--check', '--diff'] },
      );
      expect(recap['web']?.changed).toBe(1);
      expect(stdout).toContain('-OnCalendar=daily');
      expect(stdout).toContain('+OnCalendar=Mon..Fri 02:30');
      expect(await state()).toBe(before);
    });

    it('put back what drifted: a file, a module of the programs, a mode, a directory, a timer that was turned off', async () => {
      const { host } = fixture;
      const before = await state();
      await host.run(
        'echo "# by hand" >> /etc/systemd/system/backup.service; echo "# by hand" >> /usr/local/lib/backup/rootless_backup/voice.py; chmod 666 /etc/backup/borg.json; rmdir /etc/backup/exclude.d || rm -r /etc/backup/exclude.d; chmod 777 /backup; systemctl disable --now backup.timer',
      );
      const { recap } = await fixture.lab.roles(both);
      expect(recap['web']?.changed).toBeGreaterThan(0);
      expect(await state()).toBe(before);
      expect((await host.run('systemctl is-active backup.timer')).stdout.trim()).toBe('active');
    });

    it('make the timer persistent, randomised and enabled, and the backup wait for the network', async () => {
      const { host } = fixture;
      const { stdout } = await host.run(
        'systemctl show --property=Persistent,RandomizedDelayUSec,FixedRandomDelay,UnitFileState backup.timer; systemctl show --property=After,Wants backup.service',
      );
      expect(stdout).toMatch(/Persistent=yes/);
      expect(stdout).toMatch(/RandomizedDelayUSec=1h/);
      expect(stdout).toMatch(/UnitFileState=enabled/);
      expect(stdout).toMatch(/Wants=.*network-online.target/);
      expect(stdout).toMatch(/After=.*network-online.target/);
    });

    it('leave the host as it was if a unit does not verify', async () => {
      await fixture.host.write(
        '/etc/systemd/system/foreign.service',
        '[Service]\nType=oneshot\nExecStart=/bin/false\n',
        '0640',
      );
      const before = await state();
      const { stdout, recap } = await deploy('broken', {
        'etc/systemd/system/foreign.service.j2': '[Service]\nType=oneshot\nExecStart=/nowhere\nProtectSytem=strict\n',
      });
      expect(recap['web']?.failed).toBe(1);
      expect(stdout).toContain('systemd does not accept the units; nothing was changed');
      expect(await state()).toBe(before);
    });

    it('put everything back if a later step fails', async () => {
      const before = await state();
      const { stdout } = await deploy('late', {
        'etc/tmpfiles.d/late.conf.j2': 'd /var/lib/late 0755 root root\nnonsense\n',
        'etc/systemd/system/late.service.j2': '[Service]\nType=oneshot\nExecStart=/bin/true\n',
        'etc/systemd/system/foreign.service.j2': '[Service]\nType=oneshot\nExecStart=/bin/true\n',
      });
      expect(stdout).toContain('Everything was put back as it was');
      expect(await state()).toBe(before);
      await fixture.host.run('rm /etc/systemd/system/foreign.service; systemctl daemon-reload');
    });

    it('leave a masked unit alone and say so', async () => {
      const { host } = fixture;
      await host.run('mv /etc/systemd/system/backup.timer /root/; ln -s /dev/null /etc/systemd/system/backup.timer');
      const { stdout } = await fixture.lab.roles(['borg'], {}, { mayFail: true });
      expect(stdout).toContain('/etc/systemd/system/backup.timer is a symbolic link to /dev/null (a masked unit?)');
      await host.run('mv /root/backup.timer /etc/systemd/system/; systemctl daemon-reload');
    });

    it('that are taken away leave nothing of theirs but the repository and what opens it', async () => {
      const { host } = fixture;
      await fixture.lab.roles(
        ['postgres', 'borg'],
        { backup_state: 'absent', postgres_state: 'absent' },
        { args: ['--check'] },
      );
      expect(await host.exists('/etc/systemd/system/backup.service')).toBe(true);
      await fixture.lab.roles(['postgres', 'borg'], { backup_state: 'absent', postgres_state: 'absent' });
      const left = (
        await host.run(
          'find / -xdev \\( -name "*borg*" -o -name "*backup*" -o -name "rootless*" \\) ! -path "/proc/*" ! -path "/usr/lib/*" ! -path "/usr/share/*" ! -path "/usr/bin/*" ! -path "/var/lib/dpkg/*" ! -path "/var/local/*" ! -path "/var/lib/borg/*" ! -path "/root/.ansible*" ! -path "/var/cache/*" ! -path "/var/backups" ! -path "/etc/systemd/system/timers.target.wants" ! -path "/usr/sbin/*" ! -path "/run/*" ! -path "/sys/*" ! -path "/var/lib/systemd/deb*" ! -name "pg_*" ! -name "dpkg-db-backup*"',
        )
      ).stdout
        .split('\n')
        .filter(Boolean);
      expect(left.sort()).toEqual([
        '/etc/credstore/borg.passphrase',
        '/etc/credstore/borg.ssh-key',
        '/etc/credstore/borg.ssh-key.pub',
        '/var/lib/borg',
      ]);
      expect((await host.run('getent passwd borg', { mayFail: true })).stdout).toBe('');
      expect(await host.exists('/backup')).toBe(false);
      expect(await host.exists('/var/lib/borg/repository/config')).toBe(true);
      const again = await fixture.lab.roles(['postgres', 'borg'], { backup_state: 'absent', postgres_state: 'absent' });
      expect(again.recap['web']?.changed).toBe(0);
    });

    it('that come back go on with the repository, and the user owns it again', async () => {
      const { host } = fixture;
      await host.run('useradd --system takes-the-free-uid');
      await fixture.lab.roles(both);
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect((await host.run('backup-borg list')).stdout.split('\n').length).toBeGreaterThan(4);
      expect((await host.run('find /var/lib/borg ! -user borg')).stdout).toBe('');
    });

    it('that are taken away with everything leave no repository and no secret', async () => {
      const { host } = fixture;
      await fixture.lab.roles(['postgres', 'borg'], {
        backup_state: 'absent',
        postgres_state: 'absent',
        borg_delete_repositories: true,
      });
      expect(
        (await host.run('ls -d /var/lib/borg /etc/credstore/borg* /var/cache/borg', { mayFail: true })).stdout,
      ).toBe('');
    });

    it('that were killed in the middle are known: the next pass goes on, and what takes them away leaves no user and no file', async () => {
      const { host, lab } = fixture;
      const killed = `mv /usr/bin/systemd-sysusers /usr/bin/sysusers; printf '#!/bin/sh\n/usr/bin/sysusers "$@"\nkill -9 $PPID\n' > /usr/bin/systemd-sysusers; chmod 755 /usr/bin/systemd-sysusers`;
      const whole = 'mv /usr/bin/sysusers /usr/bin/systemd-sysusers';
      const left = (): Promise<{ stdout: string }> =>
        host.run(
          'getent passwd borg; find /etc /usr/local /var/lib -path "*rootless*" -o -name "backup*" -path "*systemd/system*"',
          {
            mayFail: true,
          },
        );
      const absent = { backup_state: 'absent', borg_delete_repositories: true };
      const before = (await left()).stdout;
      for (const again of [false, true]) {
        await host.run(killed);
        const { code } = await lab.roles(['borg'], {}, { mayFail: true });
        await host.run(whole);
        expect(code).not.toBe(0);
        expect((await left()).stdout).toContain('borg:');
        if (again) expect((await lab.roles(['borg'])).recap['web']?.failed).toBe(0);
        await lab.roles(['borg'], absent);
        expect((await left()).stdout).toBe(before);
      }
    });
  },
);
