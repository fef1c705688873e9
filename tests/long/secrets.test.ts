import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { backUp, onEachRelease } from '../host/fixture.ts';
import { mails } from '../host/mail.ts';
import type { Host } from '../lab/host.ts';
import type { Lab, PlaybookResult } from '../lab/lab.ts';

/** Ends the service in which it is called for the `n`th time, as a power failure would, and else does what sed does. */
const ends = (n: number): string => `#!/bin/bash
echo >> /var/lib/borg/called
if [[ $(wc -l < /var/lib/borg/called) == ${n} ]]; then
  borg=$PPID; program=$(grep ^PPid: /proc/$borg/status | cut -f 2)
  kill -KILL "$program" "$borg"
  sleep 5
fi
exec /usr/bin/sed "$@"
`;

onEachRelease(
  'a secret that is changed',
  async (fixture) => {
    server = await fixture.lab.boot({ name: 'server', debian: fixture.release });
    await server.run('useradd --create-home --shell /bin/bash store && install -d -o store -m 700 ~store/.ssh');
    await fixture.lab.roles(['borg'], first, only);
    const { stdout } = await fixture.lab.roles(['borg'], settings(), { ...only, mayFail: true });
    await server.write('/home/store/.ssh/authorized_keys', `${lineIn(stdout)}\n`);
    expect((await fixture.lab.roles(['borg'], settings(), only)).recap['web']?.failed).toBe(0);
  },
  (fixture) => {
    const directory = (): string => join(fixture.lab.directory, 'backup-secrets/web');
    const saved = (name: string): string => readFileSync(join(directory(), name), 'utf8').trim();
    const dated = (name: string): string[] =>
      readdirSync(directory())
        .filter((each) => each.startsWith(`${name}.`))
        .map(saved);
    const role = (vars: object = {}, args: readonly string[] = []) =>
      fixture.lab.roles(['borg'], settings(vars), { args: [...only.args, ...args], mayFail: true });
    const inUse = async (name: string): Promise<string> =>
      (await fixture.host.read(`/etc/credstore/borg.${name}`)).trim();
    /** Of each repository the exit code with which Borg lists it. */
    const opened = async (passphrase: string): Promise<number[]> => {
      const codes: number[] = [];
      for (const place of [local, keyfile])
        codes.push(
          (
            await fixture.host.run(
              `rm -rf /tmp/other; mkdir -p /tmp/other/.config/borg; cp -r /var/lib/borg/.config/borg/keys /tmp/other/.config/borg/; BORG_PASSPHRASE="$(cat)" BORG_BASE_DIR=/tmp/other borg list --bypass-lock ${place}`,
              { mayFail: true, input: passphrase },
            )
          ).code,
        );
      return codes.map((code) => (code === 0 ? 0 : 1));
    };

    it('as a passphrase while a repository cannot be reached is changed nowhere, and nothing is lost', async () => {
      const before = saved('passphrase');
      await server.run('mv /home/store/.ssh /home/store/.ssh.away');
      const { recap, stdout } = await role({ borg_new_passphrase: true });
      expect(recap['web']?.failed).toBe(1);
      expect(stdout).toContain('The passphrase was changed nowhere');
      expect(stdout).toContain('the server refuses the key of this host');
      expect(await inUse('passphrase')).toBe(before);
      expect(await opened(before)).toEqual([0, 0]);
      // Both are on both ends, for as long as it is under way.
      expect(saved('passphrase')).toBe(before);
      expect((await fixture.host.read('/etc/credstore/borg.passphrase-next')).trim().split('\n')).toEqual([
        before,
        saved('passphrase-new'),
      ]);
      await server.run('mv /home/store/.ssh.away /home/store/.ssh');
      expect((await backUp(fixture.host)).ok).toBe(true);
    });

    it('as a passphrase goes on where it was broken off, and until then each repository is opened by what both ends have', async () => {
      const { host } = fixture;
      const [before, after] = [saved('passphrase'), saved('passphrase-new')];
      // Each repository is asked once; then the first is changed and asked; the sixth call is of the second one.
      await host.write('/usr/local/bin/sed', ends(6), '0755');
      const broken = await role();
      await host.run('rm -f /usr/local/bin/sed /var/lib/borg/called');
      expect(broken.recap['web']?.failed).toBe(1);
      expect(await opened(before)).toEqual([1, 0]);
      expect(await opened(after)).toEqual([0, 1]);
      expect(await inUse('passphrase')).toBe(before);
      expect([saved('passphrase'), saved('passphrase-new')]).toEqual([before, after]);
      await mails(host);
      expect((await backUp(host)).ok).toBe(false);
      expect((await mails(host)).map(({ text }) => text).join()).toContain('Run your playbook again: it goes on');
      const { recap, stdout } = await role();
      expect([recap['web']?.failed, stdout]).toEqual([0, expect.stringContaining('The passphrase of web is changed')]);
      expect(await opened(after)).toEqual([0, 0]);
      expect(await opened(before)).toEqual([1, 1]);
      expect([saved('passphrase'), await inUse('passphrase')]).toEqual([after, after]);
      expect(dated('passphrase')).toEqual([before]);
      expect(await host.exists('/etc/credstore/borg.passphrase-next')).toBe(false);
      expect((await backUp(host)).ok).toBe(true);
      expect((await role()).recap['web']).toMatchObject({ failed: 0, changed: 0 });
    });

    it('as a passphrase that is set back after it was broken off is the old one everywhere', async () => {
      const { host } = fixture;
      const before = saved('passphrase');
      await host.write('/usr/local/bin/sed', ends(6), '0755');
      expect((await role({ borg_passphrase: 'another one' })).recap['web']?.failed).toBe(1);
      await host.run('rm -f /usr/local/bin/sed /var/lib/borg/called');
      expect(await opened('another one')).toEqual([0, 1]);
      expect((await role({ borg_passphrase: before })).recap['web']?.failed).toBe(0);
      expect(await opened(before)).toEqual([0, 0]);
      expect(await host.exists('/etc/credstore/borg.passphrase-next')).toBe(false);
      expect((await backUp(host)).ok).toBe(true);
      expect((await role()).recap['web']?.failed).toBe(0);
      expect(saved('passphrase')).toBe(before);
    });

    it('as an SSH key is used only when the server lets it in; then the copy on the control node is the new one', async () => {
      const { host } = fixture;
      const before = saved('ssh-key');
      const refused = await role({ borg_new_ssh_key: true });
      expect(refused.recap['web']?.failed).toBe(1);
      const line = lineIn(refused.stdout);
      expect(line).not.toContain((await host.read('/etc/credstore/borg.ssh-key.pub')).split(' ')[1]);
      expect(await inUse('ssh-key')).toBe(before);
      expect((await backUp(host)).ok).toBe(true);
      await server.run('cat >> /home/store/.ssh/authorized_keys', { input: `${line}\n` });
      const { recap, stdout } = await role();
      expect([recap['web']?.failed, stdout]).toEqual([0, expect.stringContaining('The SSH key of web is changed')]);
      expect(await inUse('ssh-key')).toBe(saved('ssh-key'));
      expect([saved('ssh-key') === before, dated('ssh-key')]).toEqual([false, [before]]);
      expect(line).toContain((await host.read('/etc/credstore/borg.ssh-key.pub')).split(' ')[1]);
      // Now the old line can go.
      await server.write('/home/store/.ssh/authorized_keys', `${line}\n`);
      expect((await backUp(host)).ok).toBe(true);
      expect((await role()).recap['web']).toMatchObject({ failed: 0, changed: 0 });
      expect(readdirSync(directory()).filter((name) => name.includes('-new'))).toEqual([]);
    });

    it('as a key that was made anew on the host by hand is followed by its copy, by content', async () => {
      const { host } = fixture;
      const before = saved('ssh-key');
      await host.run('cd /etc/credstore && rm borg.ssh-key borg.ssh-key.pub && systemctl start borg-secrets.service');
      const { stdout, stderr, recap } = await role();
      expect(recap['web']).toMatchObject({ failed: 0, changed: 1 });
      expect((stdout + stderr).replaceAll(/\s+/g, ' ')).toContain('ssh-key of web has changed');
      expect(saved('ssh-key')).toBe(await inUse('ssh-key'));
      expect(dated('ssh-key')).toContain(before);
    });

    it('as the password of a mail server counts from the next mail on, and no diff or log has it', async () => {
      const { host } = fixture;
      const smtp = (password: string): object => ({
        backup_mail_smtp: `host mail.example.org\nuser web\nauth on\npassword ${password}`,
      });
      await role(smtp('hush-one'));
      const { stdout, stderr } = await role(smtp('hush-two'), ['--diff', '-vvv']);
      expect(await host.read('/etc/credstore/backup-report.msmtprc')).toContain('password hush-two');
      expect(stdout + stderr).not.toMatch(/hush-(?:one|two)/);
      expect((await host.run('journalctl --sync; journalctl --boot --no-pager')).stdout).not.toMatch(
        /hush-(?:one|two)/,
      );
    });
  },
);

onEachRelease(
  'the SSH key of a host for a server of the inventory',
  async ({ lab, release }) => {
    await lab.boot({ name: 'store', debian: release });
    mkdirSync(join(lab.directory, 'host_vars'));
    writeFileSync(
      join(lab.directory, 'host_vars/web.yml'),
      JSON.stringify({ borg_repositories: [{ server: 'store' }], backup_paths: ['/etc'] }),
    );
    expect((await apply(lab)).recap).toMatchObject({ web: { failed: 0 }, store: { failed: 0 } });
  },
  (fixture) => {
    it('is made anew when it is moved away, and the plays of both are applied', async () => {
      const { lab, host } = fixture;
      const saved = (name: string): string => readFileSync(join(lab.directory, 'backup-secrets/web', name), 'utf8');
      const before = saved('ssh-key');
      mkdirSync(join(lab.directory, 'away'));
      for (const name of ['repository-key', 'repository-key.pub', 'ssh-key'])
        renameSync(join(lab.directory, 'backup-secrets/web', name), join(lab.directory, 'away', name));
      expect((await apply(lab)).recap).toMatchObject({ web: { failed: 0 }, store: { failed: 0 } });
      const key = await host.read('/etc/credstore/borg.ssh-key');
      expect([key === before, saved('ssh-key')]).toEqual([false, key]);
      expect((await backUp(host)).ok).toBe(true);
      expect((await apply(lab)).recap['web']).toMatchObject({ failed: 0, changed: 0 });
    });
  },
);

/** The plays of both ends, as docs/repository.md has them. */
const apply = (lab: Lab): Promise<PlaybookResult> =>
  lab.playbook(
    (
      [
        ['store', 'repository'],
        ['web', 'borg'],
      ] as const
    ).map(([hosts, role]) => ({
      hosts,
      gather_facts: false,
      tasks: [{ 'ansible.builtin.include_role': { name: `rootless.backup.${role}` } }],
    })),
  );

let server: Host;
const [local, keyfile] = ['/var/lib/borg/repository', '/srv/keyfile'];
const only = { args: ['--limit', 'web'] };
/** The first repository has its key in itself, the second on the host. */
const first = { borg_repositories: [local], backup_paths: ['/etc'] };
const settings = (overrides: object = {}): object => ({
  borg_repositories: [local, keyfile, 'ssh://store@server/./web'],
  borg_encryption: 'keyfile-blake2',
  borg_known_hosts: [`server ${server.hostKey.split(' ').slice(0, 2).join(' ')}`],
  backup_paths: ['/etc'],
  ...overrides,
});
const lineIn = (said: string): string => /^command=.*$/m.exec(said)?.[0] ?? '';
