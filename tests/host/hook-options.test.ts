import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PlaybookOptions, PlaybookResult } from '../lab/lab.ts';
import { backUp, newest, onEachRelease } from './fixture.ts';

/** Tells what it was given, in its dump. */
const teller = `#!/usr/bin/python3
import json, os
credentials = os.environ.get("CREDENTIALS_DIRECTORY")
def write_and_run():
    with open("/tmp/program", "w") as file:
        file.write("#!/bin/sh\\n")
    os.chmod("/tmp/program", 0o700)
    return os.system("/tmp/program") == 0
report = {
    "secrets": {name: open(os.path.join(credentials, name)).read() for name in sorted(os.listdir(credentials))} if credentials else {},
    "runs what it writes": write_and_run(),
    "note": os.environ.get("NOTE"),
}
with open(os.path.join("/backup", os.environ["NAME"], "told.json"), "w") as file:
    json.dump(report, file)
`;

onEachRelease(
  'the options of rootless.backup.hook',
  async ({ lab, host }) => {
    await host.run(
      'useradd --create-home wiki; useradd --create-home --shell /bin/bash admin; echo "admin ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/admin; install -d -o admin -m 700 /home/admin/.ssh; install -o admin -m 600 /root/.ssh/authorized_keys /home/admin/.ssh/',
    );
    await host.write('/usr/local/bin/tell', teller, '0755');
    await lab.roles(['borg'], { borg_lock_wait: 20 });
  },
  (fixture) => {
    /** Runs tasks, as YAML, as a role of somebody else would hold them. */
    const tasks = (
      yaml: string,
      { vars = {}, ...play }: { vars?: object; [key: string]: unknown } = {},
      options: PlaybookOptions = {},
    ): Promise<PlaybookResult> => {
      writeFileSync(join(fixture.lab.directory, 'tasks.yml'), yaml);
      return fixture.lab.playbook(
        [
          {
            hosts: 'all',
            gather_facts: false,
            vars,
            ...play,
            tasks: [{ 'ansible.builtin.include_tasks': join(fixture.lab.directory, 'tasks.yml') }],
          },
        ],
        options,
      );
    };
    const told = async (name: string): Promise<Record<string, unknown>> =>
      JSON.parse(await fixture.host.read(`/backup/${name}/told.json`)) as Record<string, unknown>;
    const remove = (name: string): Promise<PlaybookResult> =>
      tasks(`- rootless.backup.hook: {name: ${name}, state: absent}`);
    const forgetAll = async (): Promise<void> => {
      const { stdout } = await fixture.host.run('ls /var/lib/rootless.backup');
      for (const [, name = ''] of stdout.matchAll(/^hook-(.*)\.json$/gm)) await remove(name);
    };

    describe('secrets', () => {
      const secret = 'correct horse "battery" $taple 100%';

      it('come from a vault or are unsafe, reach the hook as they are, and are shown nowhere', async () => {
        const { lab, host } = fixture;
        const password = join(lab.directory, 'vault-password');
        writeFileSync(password, 'of the vault\n');
        const { stdout: vaulted } = await lab.ansible('ansible-vault', [
          'encrypt_string',
          '--vault-password-file',
          password,
          '--name',
          'wiki_password',
          secret,
        ]);
        const yaml = `${vaulted.trimEnd()}\nwiki_note: !unsafe "{{ not a template }} %n"\n`;
        writeFileSync(join(lab.directory, 'vars.yml'), yaml);
        await host.run('journalctl --rotate --vacuum-time=1s');
        const hook = `- rootless.backup.hook:
    name: wiki
    user: wiki
    command: /usr/local/bin/tell
    environment: {NAME: wiki, NOTE: "{{ wiki_note }}"}
    secrets: {password: "{{ wiki_password }}"}
`;
        const play = { vars_files: [join(lab.directory, 'vars.yml')] };
        const options = { args: ['-vvv', '--diff', '--vault-password-file', password] };
        const check = await tasks(hook, play, { args: [...options.args, '--check'] });
        const first = await tasks(hook, play, options);
        const second = await tasks(hook, play, options);
        expect([check, first, second].map(({ recap }) => recap['web']?.changed)).toEqual([1, 1, 0]);
        expect((await backUp(host)).ok).toBe(true);
        expect(await told('wiki')).toMatchObject({ secrets: { password: secret }, note: '{{ not a template }} %n' });
        expect(
          (await host.run('stat -c "%a %U" /etc/credstore/backup-wiki /etc/credstore/backup-wiki/password')).stdout,
        ).toBe('700 root\n600 root\n');
        const shown =
          [check, first, second].map(({ stdout, stderr }) => stdout + stderr).join('') +
          (await host.run('journalctl --sync; journalctl --output=verbose')).stdout;
        const units = (
          await host.run(
            'systemctl show backup-wiki.service; cat /etc/systemd/system/backup-wiki.service /var/lib/rootless.backup/*',
          )
        ).stdout;
        for (const word of ['correct horse', '$taple']) expect(shown + units).not.toContain(word);
        expect(
          (await host.run(['cat', '/etc/credstore/backup-wiki/password'], { user: 'wiki', mayFail: true })).code,
        ).not.toBe(0);
      });

      it('that are changed, renamed or taken away leave nothing of the old ones', async () => {
        const { host } = fixture;
        const hook = (secrets: string): string =>
          `- rootless.backup.hook: {name: wiki, user: wiki, command: /usr/local/bin/tell, environment: {NAME: wiki}, secrets: ${secrets}}`;
        await tasks(hook('{token: other}'));
        expect((await host.run('grep -r . /etc/credstore/backup-wiki')).stdout).toBe(
          '/etc/credstore/backup-wiki/token:other\n',
        );
        expect((await backUp(host)).ok).toBe(true);
        expect(await told('wiki')).toMatchObject({ secrets: { token: 'other' } });
        const { stdout } = await tasks(hook('{}'), {}, { args: ['--diff'] });
        expect(stdout).toContain('(sensitive, removed)');
        await remove('wiki');
        expect(
          (await host.run('find / -xdev -path /proc -prune -o -name "*wiki*" -newer /etc/sudoers.d/admin -print'))
            .stdout,
        ).toBe('');
      });

      it('that are wrong are refused without being shown', async () => {
        const { stdout, stderr } = await tasks(
          `- rootless.backup.hook: {name: wiki, user: wiki, command: /bin/true, secrets: {"a/b": hush}, tiemout: 5min}`,
          {},
          { mayFail: true, args: ['-vvv'] },
        );
        expect(stdout).toContain('the key \\"a/b\\" is not allowed');
        expect(stdout).toContain('tiemout: unknown option. Did you mean timeout?');
        expect(stdout + stderr).not.toContain('hush');
      });
    });

    it('may come from module_defaults and a loop; it may be delegated, and become root from another user', async () => {
      const { host } = fixture;
      const { recap } = await tasks(
        `- module_defaults:
    rootless.backup.hook: {user: wiki, timeout: 7min}
  delegate_to: web
  become: true
  vars: {ansible_user: admin}
  block:
    - rootless.backup.hook:
        name: "{{ item.name }}"
        command: "{{ item.command }}"
        environment: {NAME: "{{ item.name }}"}
      loop:
        - {name: one, command: /usr/local/bin/tell}
        - {name: two, command: [/usr/local/bin/tell, "{{ 5 }}"]}
`,
        { hosts: 'localhost' },
      );
      expect(recap['localhost']?.failed).toBe(0);
      expect((await backUp(host)).ok).toBe(true);
      for (const name of ['one', 'two']) {
        expect(await told(name)).toMatchObject({ secrets: {} });
        expect(await host.read(`/etc/systemd/system/backup-${name}.service`)).toContain('\nTimeoutStartSec=7min\n');
      }
      expect((await host.run('ls -A /home/admin')).stdout).not.toMatch(/hook|plan/);
      await forgetAll();
    });

    it('loosen the sandbox by exactly the directive named, and the unit says why', async () => {
      const { host } = fixture;
      const hook = (more: string): string => `- rootless.backup.hook:
    name: wiki
    user: wiki
    command: /usr/local/bin/tell
    environment: {NAME: wiki}
${more}  register: hook
- debug: {var: hook.exposure}
`;
      await tasks(hook(''));
      expect((await backUp(host)).ok).toBe(true);
      expect(await told('wiki')).toMatchObject({ 'runs what it writes': false });
      const { stdout } = await tasks(
        hook(`    sandbox:\n      NoExecPaths: {value: [], reason: It compiles a program and runs it.}\n`),
      );
      expect(Number(/"hook\.exposure": "?([\d.]+)/.exec(stdout)?.[1])).toBeLessThanOrEqual(0.4);
      expect(await host.read('/etc/systemd/system/backup-wiki.service')).toContain(
        '\n# It compiles a program and runs it.\nNoExecPaths=\n',
      );
      expect((await backUp(host)).ok).toBe(true);
      expect(await told('wiki')).toMatchObject({ 'runs what it writes': true });
      const refused = await tasks(
        hook(
          `    sandbox:\n      ProtectSytem: {value: full, reason: It writes to /opt.}\n      UMask: {value: "0027"}\n      SupplementaryGroups: {value: nobodys, reason: x}\n`,
        ),
        {},
        { mayFail: true },
      );
      expect(refused.stdout).toContain('sandbox.ProtectSytem: unknown directive. Did you mean ProtectSystem?');
      expect(refused.stdout).toContain('sandbox.UMask.reason: it is missing');
      const lacking = await tasks(
        hook(`    sandbox:\n      SupplementaryGroups: {value: nobodys, reason: x}\n`),
        {},
        { mayFail: true },
      );
      expect(lacking.stdout).toContain(
        String.raw`sandbox.SupplementaryGroups: the host has no group \"nobodys\". Make it first.`,
      );
      await forgetAll();
    });

    it('put hooks in order, and refuse an order that goes round in a circle', async () => {
      const { host } = fixture;
      const hook = (name: string, order: string): string => `- rootless.backup.hook:
    name: ${name}
    user: wiki
    order: ${order}
    script: |
      #!/bin/sh
      date +%s%N > /backup/${name}/begun
      sleep 1
      date +%s%N > /backup/${name}/ended
`;
      await tasks(hook('first', '[]') + hook('second', '[first]') + hook('beside', '[]'));
      expect((await backUp(host)).ok).toBe(true);
      const at = async (name: string, what: string): Promise<bigint> =>
        BigInt(await host.read(`/backup/${name}/${what}`));
      expect(await at('second', 'begun')).toBeGreaterThan(await at('first', 'ended'));
      expect(await at('beside', 'begun')).toBeLessThan(await at('first', 'ended'));
      const before = await host.read('/etc/systemd/system/backup-first.service');
      const { stdout } = await tasks(hook('first', '[second]'), {}, { mayFail: true });
      expect(stdout).toContain('ordering cycle');
      expect(await host.read('/etc/systemd/system/backup-first.service')).toBe(before);
      await forgetAll();
    });

    it('remove a dump that was saved, and keep one that was not', async () => {
      const { host } = fixture;
      await tasks(
        `- rootless.backup.hook: {name: wiki, user: wiki, command: /usr/local/bin/tell, environment: {NAME: wiki}, cleanup: remove}`,
      );
      await host.run(
        'mkdir /srv/gone; install -d /etc/systemd/system/backup.service.d; printf "[Service]\\nExecStart=/bin/false\\n" > /etc/systemd/system/backup.service.d/zz-broken.conf; systemctl daemon-reload',
      );
      expect((await backUp(host)).ok).toBe(false);
      expect(await told('wiki')).toBeDefined();
      await host.run('rm /etc/systemd/system/backup.service.d/zz-broken.conf; systemctl daemon-reload');
      expect((await backUp(host)).ok).toBe(true);
      expect((await host.run('ls -A /backup/wiki')).stdout).toBe('');
      expect(
        (await host.run(`backup-borg list ::${await newest(host, 'dumps')} backup/wiki/told.json`)).stdout,
      ).toContain('told.json');
      expect((await backUp(host)).ok).toBe(true);
      await forgetAll();
      expect((await host.run('ls /etc/systemd/system/*wiki*', { mayFail: true })).stdout).toBe('');
    });

    it('leave the live data that a dump stands for out of the archive of files', async () => {
      const { host } = fixture;
      await host.run('mkdir -p /srv/live/data /srv/live/papers; touch /srv/live/data/live /srv/live/papers/paper');
      await tasks(
        `- rootless.backup.hook: {name: wiki, user: wiki, command: /usr/local/bin/tell, environment: {NAME: wiki}, exclude: ["/srv/*/data"]}`,
      );
      expect((await backUp(host)).ok).toBe(true);
      const list = (await host.run(`backup-borg list --format '{path}{NL}' ::${await newest(host, 'files')} srv/live`))
        .stdout;
      expect(list).toContain('srv/live/papers/paper');
      expect(list).not.toContain('srv/live/data');
      await forgetAll();
      expect((await host.run('ls /etc/backup/exclude.d')).stdout).toBe('');
    });

    it('change the user: what the old one left belongs to the new one', async () => {
      const { host } = fixture;
      const hook = (user: string): string =>
        `- rootless.backup.hook: {name: wiki, user: ${user}, command: /usr/local/bin/tell, environment: {NAME: wiki}}`;
      await tasks(hook('wiki'));
      expect((await backUp(host)).ok).toBe(true);
      // A name in its directory of a file elsewhere gives nobody that file.
      await host.run('touch /var/lib/linked; chown wiki /var/lib/linked; ln /var/lib/linked /backup/wiki/linked');
      await tasks(hook('admin'));
      expect((await host.run('stat -c %U /var/lib/linked; rm /backup/wiki/linked')).stdout).toBe('wiki\n');
      expect((await host.run('stat -c %U /backup/wiki /backup/wiki/told.json')).stdout).toBe('admin\nadmin\n');
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      await forgetAll();
    });

    it('may not name what another hook or role has laid down', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir -p /var/lib/rootless.backup; echo \'{"paths": ["/etc/systemd/system/backup-postgresql.service"]}\' > /var/lib/rootless.backup/postgresql.json',
      );
      const { stdout } = await tasks(
        `- rootless.backup.hook: {name: postgresql, user: wiki, command: /bin/true}`,
        {},
        { mayFail: true },
      );
      expect(stdout).toContain('/etc/systemd/system/backup-postgresql.service is laid down by postgresql already');
      expect(await host.exists('/etc/systemd/system/backup-postgresql.service')).toBe(false);
      await host.run('rm /var/lib/rootless.backup/postgresql.json');
    });

    it('of ten hooks in a loop cost ten SSH executions and change nothing the second time', async () => {
      const { host } = fixture;
      const ten = `- rootless.backup.hook:
    name: hook-{{ item }}
    user: wiki
    command: /usr/local/bin/tell
    environment: {NAME: "hook-{{ item }}"}
  loop: "{{ range(10) }}"
`;
      await tasks(ten);
      const { recap, sshExecutions } = await tasks(ten);
      expect(recap['web']).toMatchObject({ changed: 0, failed: 0 });
      expect(sshExecutions).toBe(10);
      expect((await backUp(host)).ok).toBe(true);
      for (let index = 0; index < 10; index++) expect(await host.exists(`/backup/hook-${index}/told.json`)).toBe(true);
    });
  },
);
