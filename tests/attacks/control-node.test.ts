import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PlaybookOptions } from '../lab/lab.ts';
import { onEachRelease } from '../host/fixture.ts';

/** In place of the Python that Ansible calls: a program of whoever is root there says what the answer is. */
const liar = `#!/bin/bash
if [[ $# == 0 && -e /run/lie ]]; then
  cat > /run/asked
  "$(readlink -f /usr/bin/python3.true)" < /run/asked > /run/answer
  exec "$(readlink -f /usr/bin/python3.true)" -I /run/lie
fi
exec "$(readlink -f /usr/bin/python3.true)" "$@"
`;

onEachRelease(
  'a host whose root answers with lies',
  async ({ lab, host }) => {
    await host.run('mv /usr/bin/python3 /usr/bin/python3.true');
    await host.write('/usr/bin/python3', liar, '0755');
    // What is not to be had: the secrets of another host, an inventory, a program.
    mkdirSync(join(lab.directory, 'backup-secrets/other'), { recursive: true });
    for (const [name, text] of [
      ['passphrase', 'of other'],
      ['ssh-key', 'ssh key of other'],
      ['key-12345678', 'key of other'],
    ] as const)
      writeFileSync(join(lab.directory, 'backup-secrets/other', name), text);
    writeFileSync(join(lab.directory, 'hosts'), readFileSync(join(lab.directory, 'inventory')));
    writeFileSync(join(lab.directory, 'run-me'), `#!/bin/sh\ntouch ${lab.directory}/pwned\nexec node "$@"\n`);
    chmodSync(join(lab.directory, 'run-me'), 0o755);
    await lab.roles(['borg']);
  },
  (fixture) => {
    const at = (name: string): string => join(fixture.lab.directory, name);
    const mine = (): string => at('backup-secrets/web');

    /** Everything on the control node that is not this host's own: paths, modes, contents. */
    const control = (): Record<string, string> => {
      const found: Record<string, string> = {};
      const look = (directory: string): void => {
        for (const entry of readdirSync(directory, { withFileTypes: true })) {
          const path = join(directory, entry.name);
          if (
            [
              'web',
              'tmp',
              'cp',
              'ssh.log',
              '.ansible',
              'playbook.yml',
              'collections',
              '.ssh',
              'console',
              'group_vars',
            ].includes(entry.name)
          )
            continue;
          if (entry.isDirectory()) look(path);
          else found[path] = `${statSync(path).mode} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
        }
      };
      look(fixture.lab.directory);
      return found;
    };

    /** Lets the host lie while something runs, and makes sure that only its own secrets' directory has anything of it. */
    const lying = async <Result>(lie: string, act: () => Promise<Result>): Promise<Result> => {
      const before = control();
      await fixture.host.write(
        '/run/lie',
        `import json, os, base64\nasked = open('/run/asked', errors='replace').read()\ntext = open('/run/answer').read()\ntry:\n    answer = json.loads(text[text.index('{'):])\nexcept ValueError:\n    answer = {}\n` +
          `ours = 'plugins.modules.transaction' in asked\nslurp = 'modules.command' in asked\nlab = ${JSON.stringify(fixture.lab.directory)}\ntemplate = "{{ lookup('pipe', 'touch ' ~ '" + lab + "/pwned') }}"\n${lie}\nprint(json.dumps(answer))\n`,
      );
      try {
        return await act();
      } finally {
        await fixture.host.run('rm /run/lie');
        expect(control()).toEqual(before);
        expect(existsSync(at('pwned'))).toBe(false);
        for (const name of readdirSync(mine()))
          expect(name).toMatch(/^(passphrase|ssh-key|key-[0-9a-f]{8})(\.\d{4}-\d\d-\d\d(?:-\d+)?)?$/);
        for (const name of readdirSync(mine())) expect(statSync(join(mine(), name)).size).toBeLessThanOrEqual(64 << 10);
      }
    };
    const play = (
      tasks: readonly object[],
      options: PlaybookOptions = {},
      vars: object = {},
    ): ReturnType<typeof fixture.lab.playbook> =>
      fixture.lab.playbook([{ hosts: 'all', gather_facts: false, tasks, vars: { borg_packages: [], ...vars } }], {
        mayFail: true,
        ...options,
      });
    const role = (options: PlaybookOptions = {}, vars: object = {}): ReturnType<typeof fixture.lab.roles> =>
      play([useRole], options, vars);
    const probe = { name: 'before', 'ansible.builtin.stat': { path: '/' } };
    const useRole = { name: 'role', 'ansible.builtin.include_role': { name: 'rootless.backup.borg' } };

    it('answers as others do as long as it does not lie', async () => {
      const { recap } = await role();
      expect(recap['web']).toMatchObject({ failed: 0, changed: 0 });
    });

    it('cannot name the files that are written: what it says it created', async () => {
      const created = [at('hosts'), '../../hosts', at('inventory'), '../other/passphrase', 'x/../other/key-12345678'];
      await fixture.host.run([
        'bash',
        '-c',
        'for name; do echo "web ansible_host=evil" > "/var/lib/borg/exported-keys/$(basename "$name")"; done',
        'bash',
        ...created,
      ]);
      await lying(`if ours: answer.update(created=${JSON.stringify(created)}, started=['borg-init.service'])`, () =>
        role({ args: ['-i', 'hosts'] }),
      );
      await fixture.host.run('rm -f /var/lib/borg/exported-keys/{hosts,inventory,passphrase,key-12345678}');
    });

    it('cannot say by a fact where its secrets go, nor which they are', async () => {
      const lie = `answer['ansible_facts'] = {**(answer.get('ansible_facts') or {}), 'backup_secrets_dir': lab + '/backup-secrets/other', '_borg_unsaved': [['/etc/hostname', lab + '/hosts']], 'inventory_dir': lab + '/elsewhere', 'inventory_hostname': 'other', 'role_path': '/', 'ansible_facts': {}}`;
      const { recap } = await lying(`${lie}\nif ours: answer['started'] = ['borg-init.service']`, () =>
        role({}, { borg_packages: ['borgbackup'] }),
      );
      expect(recap['web']?.failed).toBe(0);
      expect(existsSync(at('elsewhere'))).toBe(false);
    });

    it('cannot say any of it before the role comes to it either: the role says which fact it does not take', async () => {
      const { stdout } = await lying(
        "answer['ansible_facts'] = {'backup_secrets_dir': lab + '/backup-secrets/other', 'ansible_facts': {}}",
        () => play([probe, useRole]),
      );
      expect(stdout).toContain('backup_secrets_dir: the host itself says it, as a fact');
      const inventory = await lying(
        "answer['ansible_facts'] = {'inventory_dir': lab + '/elsewhere', 'ansible_facts': {}}",
        () => play([probe, useRole]),
      );
      expect(inventory.stdout).toContain('backup_secrets_dir: it is made of inventory_dir, which the host itself says');
      expect(existsSync(at('elsewhere'))).toBe(false);
    });

    it('cannot change a variable of the inventory that the directory is made of, nor be told apart by its own hostname', async () => {
      mkdirSync(at('group_vars'));
      writeFileSync(
        at('group_vars/all.yml'),
        JSON.stringify({ vault: at('backup-secrets'), backup_secrets_dir: '{{ vault }}/{{ inventory_hostname }}' }),
      );
      const vault = await lying("answer['ansible_facts'] = {'vault': lab + '/elsewhere'}", () =>
        play([probe, useRole]),
      );
      expect(vault.stdout).toContain('backup_secrets_dir: it is made of vault, which the host itself says');
      writeFileSync(
        at('group_vars/all.yml'),
        JSON.stringify({ backup_secrets_dir: `${at('backup-secrets')}/{{ ansible_hostname }}` }),
      );
      const named = await lying("answer['ansible_facts'] = {'ansible_hostname': 'other'}", () =>
        play([probe, useRole]),
      );
      rmSync(at('group_vars'), { recursive: true });
      expect(named.stdout).toContain('backup_secrets_dir: it is made of ansible_hostname, which the host itself says');
      expect(existsSync(at('elsewhere'))).toBe(false);
    });

    it('has nothing installed but what the role names, and once, whatever it says that it lacks', async () => {
      const { recap } = await lying(
        `if ours: answer.update(lacking=['borgbackup', 'evil', ['x'], template], dpkg=True)
if 'modules.apt' in asked: open('/run/installed', 'a').write('x' + ('evil' if 'evil' in asked or 'template' in asked else ''))`,
        () => role({}, { borg_packages: ['borgbackup'] }),
      );
      expect(recap['web']).toMatchObject({ failed: 0, changed: 0 });
      expect(await fixture.host.read('/run/installed')).toBe('x');
    });

    it('cannot choose the program that is run for a hook', async () => {
      const hook = { name: 'hook', 'rootless.backup.hook': { name: 'wiki', user: 'root', command: '/bin/true' } };
      await lying("answer['ansible_facts'] = {'rootless_backup_node': lab + '/run-me'}", () => play([probe, hook]));
    });

    it('cannot bring new hosts, groups or variables of other hosts', async () => {
      const hosts = {
        name: 'who',
        hosts: 'localhost',
        gather_facts: false,
        tasks: [
          {
            name: 'say',
            'ansible.builtin.debug': {
              msg: "all: {{ groups['all'] | sort | join(' ') }} evil: {{ hostvars['web']['evil'] | default('none') }}.",
            },
          },
        ],
      };
      const { stdout } = await lying(
        "answer.update(add_host={'host_name': 'evil', 'groups': ['all'], 'host_vars': {'ansible_connection': 'local'}}, add_group='evil', parent_groups=['all'], changed=True, ansible_facts={'evil': 'yes'}, _ansible_notify=['x'], results=[{'item': 'x', 'add_host': {'host_name': 'evil', 'groups': [], 'host_vars': {}}}])",
        () =>
          fixture.lab.playbook(
            [{ hosts: 'all', gather_facts: false, tasks: [useRole], vars: { borg_packages: [] } }, hosts],
            { mayFail: true },
          ),
      );
      expect(stdout).toContain('all: web evil: none.');
    });

    it('runs no template, in whatever text of its answer it stands', async () => {
      const everywhere =
        "answer.update(msg=template, warnings=[template], told=[template], paths=[template], created=[template], started=[template], exception=template, deprecations=[{'msg': template}], diff=[{'before_header': template, 'after_header': template, 'before': template, 'after': template + 'x'}], invocation={'module_args': template}, exposure=template, content=base64.b64encode(template.encode()).decode(), stdout=template, **{template: template})";
      for (const more of ['', '; answer.update(failed=True)'])
        await lying(`if ours or slurp: ${everywhere}${more}`, () => role({ args: ['--diff', '-v'] }));
    });

    it('moves no terminal, and forges no line of what is printed', async () => {
      for (const failed of ['False', 'True']) {
        const { stdout, stderr } = await lying(
          `evil = '\\x1b]0;evil\\x07\\x1b[2J\\r\\u202e'\nanswer.update(failed=${failed}, changed=True, msg=evil + 'msg', warnings=[evil], told=[evil + 'told'], paths=[evil], diff=[{'before_header': evil, 'after_header': evil, 'before': evil, 'after': evil + 'x'}], module_stderr=evil)`,
          () => role({ args: ['--diff'] }),
        );
        expect(stdout + stderr).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f\u202e]/);
      }
    });

    it('says more than a secret can be, or what is no base64: told, and nothing of it is saved', async () => {
      const before = readFileSync(join(mine(), 'passphrase'));
      const again = "\nif ours: answer['started'] = ['borg-init.service']";
      const large = await lying(`if slurp: answer['stdout'] = base64.b64encode(bytes(20 << 20)).decode()${again}`, () =>
        role(),
      );
      expect(large.stdout).toContain('is larger than 65536 bytes, which no secret is');
      const other = await lying(`if slurp: answer['stdout'] = '%%%'${again}`, () => role());
      expect(other.stdout).toContain('is no base64');
      await lying(`if slurp: answer['stdout'] = [{'x': template}]${again}`, () => role());
      expect(readFileSync(join(mine(), 'passphrase'))).toEqual(before);
    });

    it('cannot have what is saved lost or set aside, by other secrets, by changing them, or by calling itself new', async () => {
      const saved = (): Record<string, string> =>
        Object.fromEntries(readdirSync(mine()).map((name) => [name, readFileSync(join(mine(), name), 'utf8')]));
      const before = saved();
      const others = "if slurp: answer['stdout'] = '.\\n'.join([base64.b64encode(b'of others').decode()] * 2) + '.'";
      const again = await lying(`if ours: answer['new'] = True\n${others}`, () => role());
      expect(again.stdout).toContain('web looks like a machine that was rebuilt');
      expect(saved()).toEqual(before);
      const other = await lying(`if ours: answer['started'] = ['borg-init.service']\n${others}`, () => role());
      // What it says it has now is followed, and told; what it had before stays, with its date.
      expect((other.stdout + other.stderr).replaceAll(/\s+/g, ' ')).toContain(
        'If nobody was to change it, find out who did',
      );
      for (const lie of [
        "answer['differs'] = ['/etc/shadow', '/etc/credstore/borg.passphrase']",
        "answer['handed'] = ['/etc/shadow', '/etc/credstore/borg.passphrase']",
      ])
        for (let round = 0; round < 2; round++) await lying(`if ours: ${lie}\n${others}`, () => role());
      expect(Object.values(saved())).toEqual(expect.arrayContaining(Object.values(before)));
      expect(
        Object.keys(saved()).filter(
          (name) => !/^(?:passphrase|key-[0-9a-f]{8})(?:\.\d{4}-\d\d-\d\d(?:-\d+)?)?$/.test(name),
        ),
      ).toEqual([]);
      for (const name of readdirSync(mine())) rmSync(join(mine(), name));
      for (const [name, content] of Object.entries(before)) writeFileSync(join(mine(), name), content);
    });

    it.each(['mkfifo', 'ln -s /etc/shadow', 'ln -s /dev/zero', 'mkdir'])(
      'where borg has something else in place of an exported key: neither waited for nor saved (%s)',
      async (make) => {
        const { host } = fixture;
        const name = (await host.run('ls /var/lib/borg/exported-keys')).stdout.trim();
        const key = join(mine(), `key-${name.slice(0, 8)}`);
        const before = readFileSync(key);
        rmSync(key);
        await host.run(`cd /var/lib/borg/exported-keys; mv ${name} ../exported; ${make} ${name}`, { user: 'borg' });
        const { stdout, recap } = await role({ timeoutSeconds: 120 });
        await host.run(`cd /var/lib/borg; rm -r exported-keys/${name}; mv exported exported-keys/${name}`, {
          user: 'borg',
        });
        expect(existsSync(key)).toBe(false);
        expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(
          new RegExp(`What opens the repositories was not saved: \\S+${name} of the host could not be read`),
        );
        expect(recap['web']?.failed).toBe(1);
        await role();
        expect(readFileSync(key)).toEqual(before);
      },
    );

    it('that answers with other types is one that failed, and says so', async () => {
      const { stdout, stderr } = await lying(
        "if ours: answer = {'changed': True, 'started': 'borg-init.service', 'created': {'a': 1}, 'diff': 'x', 'paths': 7, 'told': [[]], 'exposure': []}",
        () => role(),
      );
      expect(stdout + stderr).not.toContain('Traceback');
      const { recap } = await lying("if ours: answer = {'changed': 'yes'}", () => role());
      expect(recap['web']?.failed).toBe(1);
    });

    it('that gives another public key than one gets no line to be pasted, and never another command', async () => {
      const repository = 'ssh://store@nowhere.invalid/./it\'s "web"'.replaceAll(' ', '%20');
      const vars = {
        borg_repositories: ['/var/lib/borg/repository', repository],
        borg_known_hosts: [
          'nowhere.invalid ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
        ],
      };
      const key = (name: string): string =>
        `if slurp and '.pub' in asked: answer['stdout'] = base64.b64encode(${name}).decode()`;
      const good = await lying('pass', () => role({}, vars));
      expect(good.stdout).toMatch(
        /^command="borg serve --append-only --restrict-to-repository \S+",restrict ssh-ed25519 [A-Za-z0-9+/=]+ borg@web$/m,
      );
      for (const evil of [
        'b\'ssh-ed25519 AAAA\\ncommand="sh" ssh-ed25519 AAAA\'',
        "b'ssh-rsa ' + base64.b64encode(b'x' * 99)",
      ]) {
        const { stdout } = await lying(
          `import base64\n${key(evil)}\nif ours: answer.update(msg='add: command="sh" ssh-ed25519 AAAA')`,
          () => role({}, vars),
        );
        expect(stdout).not.toMatch(/^\s*command="/m);
      }
    });

    it("that is to be restored is not given what opens another one's repositories", async () => {
      // It stops when all that it is given has been given.
      const lie =
        "answer['ansible_facts'] = {'backup_secrets_dir': lab + '/backup-secrets/other', 'ansible_facts': {}}\nif ours: answer.update(failed=True, msg='enough')";
      const { stdout } = await lying(lie, () =>
        fixture.lab.run(join(fixture.lab.collection, 'playbooks/restore.yml'), {
          mayFail: true,
          args: [
            '-e',
            '{"restore_host": "web", "restore_again": true, "borg_encryption": "keyfile-blake2", "borg_packages": []}',
          ],
        }),
      );
      expect(stdout).toContain('Set the backup up, with the old passphrase');
      const found = await fixture.host.run('grep -rl "of other" /etc/credstore /var/lib/borg/.config 2> /dev/null', {
        mayFail: true,
      });
      expect(found.stdout).toBe('');
    });

    it('is a row of the page of the fleet, with its words as text, and decides nothing about where it is written', async () => {
      const vars = { fleet_directory: at('tmp/fleet'), fleet_fail: false };
      const said = {
        fleet: { known: true, version: '<script>', live: {}, next_run: 'soon', groups: ['forged'], name: 'other' },
      };
      const lie = `answer = dict(${JSON.stringify(said).replaceAll('true', 'True')}, ansible_facts={'fleet_directory': lab + '/pwned', 'ansible_facts': {}}, add_host={'host_name': 'evil'})
answer['fleet']['units'] = {'backup': {'result': template, 'failed': [template, '\\x1b[31m', '</script><script>alert(1)'] * 50, 'archives': 7, 'advice': ['On the control node: \`reboot\`']}, '../../hosts': {}}
answer['fleet']['server'] = {'remembered': True, 'judged': True, 'clients': [['web', 'present', 1, 1, 1, 1, 1, 'all is lost', True]], 'problems': [['web', template, []]]}
answer['fleet']['trouble'] = 'x' * 100000`;
      const { stdout, stderr } = await lying(lie, () =>
        fixture.lab.run(join(fixture.lab.collection, 'playbooks/fleet.yml'), {
          mayFail: true,
          args: ['-e', JSON.stringify(vars)],
        }),
      );
      const found = JSON.parse(readFileSync(at('tmp/fleet/fleet.json'), 'utf8')) as {
        machines: Record<string, unknown>[];
      };
      expect(
        found.machines.map(({ name, groups, state }) => [name, groups, state]),
        stdout + stderr,
      ).toEqual([['web', [], 'failing']]);
      expect(JSON.stringify(found)).not.toMatch(/\\u001b|forged|evil/);
      // What it advises is quoted, and no command; that it is a server of others it cannot make itself.
      expect(found.machines[0]?.['remedies']).toContain("It says: “On the control node: 'reboot'”");
      expect(found.machines[0]).not.toHaveProperty('servers');
      expect(found.machines[0]?.['clients']).toMatchObject([{ client: 'web', remembered: false }]);
      const page = readFileSync(at('tmp/fleet/fleet.html'), 'utf8');
      expect(page).toContain('lookup(&#39;pipe&#39;');
      expect(page.split('<script').length).toBe(4);
      expect(page).not.toContain('alert(1)<');
      expect(page.length).toBeLessThan(100_000);
    });
  },
);
