import { expect, it } from 'vitest';
import { hookExamples } from '../../src/emit/module-docs.ts';
import type { PlaybookOptions } from '../lab/lab.ts';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { backUp, newest, onEachRelease } from './fixture.ts';

/** Prints what it was given and what it can reach, as JSON, into its dump. */
const program = `#!/usr/bin/python3
import json, os, socket, sys
def works(action):
    try:
        return action() is not False
    except OSError:
        return False
report = {"arguments": sys.argv[1:], "uid": os.getuid(), "variable": os.environ.get("ODD"),
    "its own": works(lambda: open("/srv/wiki/page").read()),
    "another's in /srv": works(lambda: open("/srv/other/page").read()),
    "homes": works(lambda: os.listdir("/home") != []),
    "another's dump": works(lambda: os.listdir("/backup") != ["wiki"]),
    "write /srv/wiki": works(lambda: open("/srv/wiki/new", "w")),
    "network": works(lambda: socket.socket(socket.AF_INET)),
    "secret": open(os.environ["CREDENTIALS_DIRECTORY"] + "/key").read() if "CREDENTIALS_DIRECTORY" in os.environ else None}
target = sys.argv[-1]
with open(target, "w") as file:
    json.dump(report, file)
`;

onEachRelease(
  'rootless.backup.hook',
  async ({ lab, host }) => {
    await host.run(
      'useradd --create-home wiki; useradd --system queue; mkdir -p /srv/wiki /srv/other /var/lib/queue; echo p | tee /srv/wiki/page > /srv/other/page; echo state > /var/lib/queue/state',
    );
    await host.write('/usr/local/bin/wiki', program, '0755');
    await lab.roles(['borg']);
  },
  (fixture) => {
    const hook = (options: object, more: PlaybookOptions = {}) =>
      fixture.lab.playbook(
        [
          {
            hosts: 'all',
            gather_facts: false,
            tasks: [{ 'rootless.backup.hook': options, register: 'hook' }, { debug: { var: 'hook' } }],
          },
        ],
        more,
      );
    const wiki = {
      name: 'wiki',
      user: 'wiki',
      command: '/usr/local/bin/wiki export --to /backup/wiki/wiki.xml',
      read: ['/srv/wiki'],
    };
    const dump = async (): Promise<Record<string, unknown>> =>
      JSON.parse(
        (
          await fixture.host.run([
            'backup-borg',
            'extract',
            '--stdout',
            `::${await newest(fixture.host, 'dumps')}`,
            'backup/wiki/wiki.xml',
          ])
        ).stdout,
      ) as Record<string, unknown>;

    it('that names what the host does not have is an error that names the option, and nothing is written', async () => {
      const { stdout, recap } = await hook(
        { name: 'ghost', user: 'nobody-here', command: '/usr/bin/nothing', read: ['/srv/nowhere'] },
        { mayFail: true },
      );
      expect(recap['web']?.failed).toBe(1);
      for (const message of [
        String.raw`user: the host has no user \"nobody-here\". Make it first.`,
        String.raw`command: the host has no program \"/usr/bin/nothing\". Install it first.`,
        String.raw`read: the host has no path \"/srv/nowhere\". Make it first.`,
      ])
        expect(stdout).toContain(message);
      expect((await fixture.host.run('find /etc /var/lib/rootless.backup -name "*ghost*"')).stdout).toBe('');
      const check = await hook(
        { name: 'ghost', user: 'nobody-here', command: '/usr/bin/nothing' },
        { args: ['--check'] },
      );
      expect(check.recap['web']?.failed).toBe(0);
      expect(check.stdout + check.stderr).toContain('nobody-here');
    });

    it('in check mode shows the units and writes nothing', async () => {
      const { stdout, recap } = await hook(wiki, { args: ['--check', '--diff'] });
      expect(recap['web']?.changed).toBe(1);
      expect(stdout).toContain('+++ after: /etc/systemd/system/backup-wiki.service');
      expect(await fixture.host.exists('/etc/systemd/system/backup-wiki.service')).toBe(false);
    });

    it('is in the next backup, sees only what it was given, and its exposure is at most 0.4', async () => {
      const { stdout, sshExecutions } = await hook(wiki);
      expect(sshExecutions).toBe(1);
      expect(Number(/"exposure": ([\d.]+)/.exec(stdout)?.[1])).toBeLessThanOrEqual(0.4);
      await fixture.host.run('install -d -m 700 /backup/other; echo dump > /backup/other/dump');
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
      expect(await dump()).toEqual({
        arguments: ['export', '--to', '/backup/wiki/wiki.xml'],
        uid: Number((await fixture.host.run('id -u wiki')).stdout),
        variable: null,
        'its own': true,
        "another's in /srv": false,
        homes: false,
        "another's dump": false,
        'write /srv/wiki': false,
        network: false,
        secret: null,
      });
    });

    it('changes nothing the second time', async () => {
      const { recap, sshExecutions } = await hook(wiki);
      expect(recap['web']?.changed).toBe(0);
      expect(sshExecutions).toBe(1);
    });

    it('hands arguments, variables and credentials over as they are', async () => {
      await fixture.host.run('umask 077; echo -n hush > /etc/wiki.key');
      const odd = ['100%n', '$HOME ${X} $$', `"it's"`, 'back\\slash \\x41 \\n', '', '; rm -rf /', 'ümlaut'];
      await hook({
        ...wiki,
        command: ['/usr/local/bin/wiki', ...odd.map((text) => `{% raw %}${text}{% endraw %}`), '/backup/wiki/wiki.xml'],
        environment: { ODD: '50% "$HOME" \\' },
        credentials: { key: '/etc/wiki.key' },
      });
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
      expect(await dump()).toMatchObject({
        arguments: [...odd, '/backup/wiki/wiki.xml'],
        variable: '50% "$HOME" \\',
        secret: 'hush',
      });
    });

    it('runs for every backup, also for one that starts the moment another has ended', async () => {
      const { host } = fixture;
      await hook({
        name: 'count',
        user: 'wiki',
        script: '#!/bin/sh\necho run >> /var/lib/queue/runs\n',
        write: ['/var/lib/queue'],
      });
      // systemd itself starts the next one as it ends the last: no client is as quick.
      await host.write('/etc/systemd/system/again.target', '[Unit]\nWants=backup.service\n');
      await host.write('/etc/systemd/system/backup.service.d/again.conf', '[Unit]\nOnSuccess=again.target\n');
      await host.run(
        'chown wiki /var/lib/queue; systemctl daemon-reload; date +%s > /run/begun; systemctl start backup.service; until [ "$(wc -l < /var/lib/queue/runs)" -gt 2 ]; do sleep 0.1; done; rm /etc/systemd/system/backup.service.d/again.conf; systemctl daemon-reload; while [ "$(systemctl is-active backup.service)" != inactive ]; do sleep 0.1; done',
      );
      const { stdout } = await host.run(
        'journalctl --sync; journalctl --output=cat --since=@$(cat /run/begun) --unit=backup.service --grep="^Finished" | wc -l; wc -l < /var/lib/queue/runs; rm /etc/systemd/system/again.target; systemctl daemon-reload',
      );
      const [backups, runs] = stdout.trim().split('\n').map(Number);
      expect(backups).toBeGreaterThan(2);
      expect(runs).toBe(backups);
      await hook({ name: 'count', state: 'absent' });
      await host.run('rm /var/lib/queue/runs');
    });

    it('takes no credential that its user could put another file in the place of', async () => {
      const { host } = fixture;
      await host.run(
        'install -d -o wiki /srv/open; install -d /srv/closed; touch /srv/open/key /srv/closed/key; ln -s /etc/shadow /srv/closed/link',
      );
      for (const [path, place] of [
        ['/srv/open/key', '/srv/open'],
        ['/srv/closed/link', '/srv/closed/link'],
      ] as const) {
        const { stdout, recap } = await hook({ ...wiki, credentials: { key: path } }, { mayFail: true });
        expect(recap['web']?.failed).toBe(1);
        expect(stdout).toContain(`by ${place} somebody other than root can put another file in the place of`);
      }
      await hook({ ...wiki, credentials: { key: '/srv/closed/key' } });
    });

    it('of that name that is not of the module is left alone when it is taken away, and its dump too', async () => {
      const { host } = fixture;
      await host.run('mkdir -p /backup/foreign; touch /backup/foreign/dump');
      expect((await hook({ name: 'foreign', state: 'absent' })).recap['web']?.changed).toBe(0);
      expect(await host.exists('/backup/foreign/dump')).toBe(true);
      await host.run('rm -r /backup/foreign');
    });

    it('that fails, fails the backup, unless it is not required', async () => {
      await hook({ name: 'wiki', user: 'wiki', command: '/bin/false' });
      expect((await backUp(fixture.host)).ok).toBe(false);
      await hook({ name: 'wiki', user: 'wiki', command: '/bin/false', required: false });
      expect((await backUp(fixture.host)).ok).toBe(true);
      expect(
        (
          await fixture.host.run(
            'journalctl --sync; journalctl --output=cat --since=@$(systemctl show --timestamp=unix --property=InactiveExitTimestamp --value backup.service | tr -d @) --unit=backup-wiki.service',
          )
        ).stdout,
      ).toContain('Failed with result');
    });

    it('does what each of its documented examples says', async () => {
      writeFileSync(join(fixture.lab.directory, 'examples.yml'), hookExamples);
      await fixture.host.run('systemctl reset-failed');
      await fixture.host.run('for user in shop forum calendar contacts; do useradd --system $user; done');
      await fixture.host.write('/usr/local/bin/shop', '#!/bin/sh\n[ "$(cat "$3")" = sold ] && echo orders\n', '0755');
      await fixture.host.write('/usr/local/bin/export', '#!/bin/sh\necho exported > "/backup/$1/dump"\n', '0755');
      const vars = { shop_password: 'sold' };
      const { recap } = await fixture.lab.playbook([
        {
          hosts: 'all',
          vars,
          tasks: [{ 'ansible.builtin.include_tasks': join(fixture.lab.directory, 'examples.yml') }],
        },
      ]);
      expect(recap['web']?.failed).toBe(0);
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
      expect(await fixture.host.read('/backup/queue/state')).toBe('state\n');
      expect(await fixture.host.read('/backup/shop/shop')).toBe('orders\n');
      for (const name of ['forum', 'calendar', 'contacts'])
        expect(
          (
            await fixture.host.run([
              'backup-borg',
              'extract',
              '--stdout',
              `::${await newest(fixture.host, 'dumps')}`,
              `backup/${name}/dump`,
            ])
          ).stdout,
        ).toBe('exported\n');
      expect(await fixture.host.exists('/backup/forum/dump')).toBe(false);
    });

    it('that is taken away leaves nothing', async () => {
      await hook({ name: 'queue', state: 'absent' });
      expect(
        (
          await fixture.host.run(
            'find /etc /usr/local /backup /var/lib/rootless.backup -name "*queue*" -o -name "*wiki*" ! -path /usr/local/bin/wiki ! -path /etc/wiki.key',
          )
        ).stdout,
      ).toBe('');
      expect((await hook({ name: 'queue', state: 'absent' })).recap['web']?.changed).toBe(0);
    });

    it('asks for Node where there is none, and says which variable names another', async () => {
      const { stdout } = await fixture.lab.playbook(
        [{ hosts: 'all', vars: { rootless_backup_node: '/nowhere/node' }, tasks: [{ 'rootless.backup.hook': wiki }] }],
        { mayFail: true },
      );
      expect(stdout).toContain('needs Node.js 18 or later on the control node, and there is no /nowhere/node');
      expect(stdout).toContain('rootless_backup_node');
    });

    it('refuses options that are wrong, naming each', async () => {
      const { stdout } = await hook({ ...wiki, usr: 'wiki', timeout: 'soon' }, { mayFail: true });
      expect(stdout).toContain('usr: unknown option. Did you mean user?');
      expect(stdout).toContain(String.raw`timeout: \"soon\" is not allowed. Use a finite time span`);
    });
  },
);
