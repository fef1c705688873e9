import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/module/plan.ts';
import { hostileHooks } from '../../hostile-hooks.ts';
import { plan, problems } from '../../planner.ts';

const wiki = { name: 'wiki', user: 'wiki', command: '/usr/bin/wiki' };

/** An independent reader of unit files: systemd.syntax(7), nothing of the renderer. */
function read(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split('\n').filter((each) => each !== '' && !/^[#[]/.test(each))) {
    const at = line.indexOf('=');
    found.set(line.slice(0, at), [...(found.get(line.slice(0, at)) ?? []), line.slice(at + 1)]);
  }
  return found;
}

/** The words of a value, unquoted and with specifiers resolved, as systemd reads them. */
function unquoted(value: string, isCommand: boolean): string[] {
  const found: string[] = [];
  for (const [, quoted, plain] of value.matchAll(/"((?:\\.|[^"\\])*)"|(\S+)/g)) {
    const text = quoted === undefined ? (plain ?? '') : quoted.replaceAll(/\\(.)/g, '$1');
    found.push((isCommand ? text.replaceAll('$$', () => '$') : text).replaceAll('%%', '%'));
  }
  return found;
}

/** systemd takes no doubled or trailing slash in every place. */
const normal = (path: string): string => path.replaceAll(/\/+/g, '/').replace(/(.)\/$/, '$1');

describe('the options of a hook', () => {
  it.each([
    [{ ...wiki, usr: 'x' }, 'usr: unknown option. Did you mean user?'],
    [{ ...wiki, timeout: 'soon' }, 'timeout: "soon" is not allowed. Use a finite time span'],
    [{ ...wiki, name: 'Wiki' }, 'name: "Wiki" is not allowed. Use up to 50 lowercase letters'],
    [{ ...wiki, name: '../etc' }, 'name: "../etc"'],
    [{ ...wiki, name: 'borg' }, 'name: "borg"'],
    [{ ...wiki, name: 'report' }, 'name: "report"'],
    [{ name: 'wiki', user: 'wiki', script: '#!/bin/sh\r\ntrue\r\n' }, 'script: "#!/bin/sh\\r\\n'],
    [{ ...wiki, user: 'a b' }, 'user: "a b"'],
    [{ ...wiki, command: ['wiki'] }, 'command: the program "wiki" is not allowed. Use an absolute path'],
    [{ ...wiki, command: ['/bin/a', 'b\nUser=root'] }, 'command[1]: "b\\nUser=root"'],
    [{ ...wiki, command: [] }, 'command: []'],
    [{ ...wiki, environment: { A: 'x\ny' } }, 'environment.A: "x\\ny"'],
    [{ ...wiki, environment: { 'A=B': 'x' } }, 'environment: the key "A=B" is not allowed'],
    [{ ...wiki, read: ['/srv/a:/etc'] }, 'read[0]: "/srv/a:/etc"'],
    [{ ...wiki, read: ['/srv/../etc'] }, 'read[0]'],
    [{ ...wiki, write: ['//'] }, 'write[0]: "//" is not allowed. Use an absolute path other than /'],
    [{ ...wiki, after: ['x'] }, 'after[0]: "x" is not allowed. Use the full name of a unit'],
    [{ ...wiki, network: 'all' }, 'network: "all" is not allowed. Use one of none, local, any'],
    [{ ...wiki, required: 'perhaps' }, 'required: "perhaps" is not allowed. Use true or false'],
    [{ name: 'wiki', command: '/bin/a' }, 'user: it is missing'],
    [{ name: 'wiki', user: 'wiki' }, 'command, script: both are missing. Give one of them.'],
    [{ ...wiki, script: '#!/bin/sh\n' }, 'command, script: both are given. Give one of them.'],
    [{ user: 'wiki' }, 'name: it is missing'],
    [{ ...wiki, name: 'wiki-cleanup' }, 'name: "wiki-cleanup"'],
    [
      { ...wiki, sandbox: { ProtectSytem: { value: 'full', reason: 'it writes to /opt' } } },
      'sandbox.ProtectSytem: unknown directive. Did you mean ProtectSystem?',
    ],
    [
      { ...wiki, sandbox: { ProtectSystem: { value: 'ful', reason: 'it writes to /opt' } } },
      'sandbox.ProtectSystem.value: "ful" is not allowed. Use one of strict, full, true, false',
    ],
    [{ ...wiki, sandbox: { ProtectSystem: { value: 'full' } } }, 'sandbox.ProtectSystem.reason: it is missing'],
    [
      { ...wiki, sandbox: { ProtectSystem: 'full' } },
      'sandbox.ProtectSystem: "full" is not allowed. Use a mapping with the keys value and reason',
    ],
    [
      { ...wiki, sandbox: { CapabilityBoundingSet: { value: ['CHOWN'], reason: 'x' } } },
      'sandbox.CapabilityBoundingSet.value[0]: "CHOWN" is not allowed. Use the name of a capability',
    ],
    [
      { ...wiki, sandbox: { UMask: { value: '0022', reason: 'x\nUser=root' } } },
      'sandbox.UMask.reason: "x\\nUser=root"',
    ],
    [{ ...wiki, order: ['wiki'] }, 'order: "wiki" is the hook itself. Name other hooks.'],
    [{ ...wiki, cleanup: 'delete' }, 'cleanup: "delete" is not allowed. Use one of keep, remove'],
    [{ ...wiki, exclude: ['srv'] }, 'exclude[0]: "srv" is not allowed. Use an absolute path or shell pattern'],
    [{ ...wiki, secrets: { key: null } }, 'secrets.key: its value (a secret, not shown) is not allowed. Use'],
    [{ ...wiki, secrets: { 'a/b': 'hush' } }, 'secrets: the key "a/b" is not allowed. Use letters, digits, dots'],
    [{ ...wiki, required: false, exclude: ['/srv/db'] }, 'exclude: the hook is not required'],
    [{ ...wiki, name: 'wiki-restore' }, 'name: "wiki-restore"'],
    [{ ...wiki, restore: 'load it' }, 'restore: the program "load" is not allowed. Use an absolute path'],
    [
      { ...wiki, prove: '/home/alice/prove', read: ['/home/alice'] },
      'prove: the program "/home/alice/prove" is below /home, of which the restore test sees nothing. Put it elsewhere',
    ],
    [
      { ...wiki, command: '/srv/wiki/bin/dump' },
      'command: the program "/srv/wiki/bin/dump" is below /srv, of which a hook sees nothing. Add "/srv/wiki/bin/dump" to read.',
    ],
    [
      { ...wiki, sandbox: { ReadWritePaths: { value: '/srv', reason: 'x' } } },
      'sandbox.ReadWritePaths: unknown directive. Use the option write of the hook.',
    ],
    [
      { ...wiki, credentials: { key: 'hush' } },
      'credentials.key: its value (a secret, not shown) is not allowed. Use an absolute path of a file on the host',
    ],
    [
      { ...wiki, secrets: { key: 'hush' }, credentials: { key: '/etc/key' } },
      'secrets.key: there is one of this name in credentials',
    ],
  ])('are refused with a message that names the option: %j', (options, message) => {
    expect(problems(options).join('\n')).toContain(message);
  });

  it('never show a secret in a message', () => {
    for (const secrets of [{ key: { a: 'hush' } }, { 'a/b': 'hush' }, 'hush', [['hush']], { key: 'hush\0' }]) {
      expect(problems({ ...wiki, secrets }).join('\n')).toMatch(/^secrets/);
      expect(problems({ ...wiki, secrets }).join('\n')).not.toContain('hush');
    }
  });

  it('may have the types that any version of Ansible hands over', () => {
    const [strings, values] = [
      plan({ ...wiki, required: 'no', environment: { A: '5' }, read: ['/srv/w'] }),
      plan({ ...wiki, required: false, environment: { A: 5 }, read: '/srv/w', group: null }),
    ];
    expect(strings).toEqual(values);
  });
});

describe('the plan of a hook', () => {
  it('lays secrets down for root only, as files whose content no diff shows and which go when they leave the plan', () => {
    const { files } = plan({ ...wiki, secrets: { key: 'hush' } });
    expect(files.filter(({ sensitive }) => sensitive)).toEqual([
      { path: '/etc/credstore/backup-wiki/key', content: 'hush', mode: 0o600, sensitive: true },
    ]);
  });

  it('names what the host has to have', () => {
    expect(plan({ ...wiki, read: ['/srv/wiki'], credentials: { key: '/etc/key' } }).needs).toEqual([
      { option: 'user', kind: 'user', value: 'wiki' },
      { option: 'command', kind: 'program', value: '/usr/bin/wiki', user: 'wiki' },
      { option: 'read', kind: 'path', value: '/srv/wiki' },
      { option: 'credentials.key', kind: 'credential', value: '/etc/key' },
    ]);
  });

  it('needs nothing of the host to go', () =>
    expect(plan({ name: 'wiki', state: 'absent' })).toMatchObject({
      files: [],
      needs: [],
      remove: ['/backup/wiki', '/etc/credstore/backup-wiki'],
    }));

  it('holds exactly what was asked for, or was refused with a message that names the option: 5000 random ones', () => {
    let accepted = 0;
    for (const options of hostileHooks(5000)) {
      const refused = problems(options);
      for (const message of refused)
        expect(
          Object.keys(options).some((name) => message.startsWith(name) || message.startsWith(`command, ${name}`)),
          message,
        ).toBe(true);
      if (refused.length > 0) continue;
      accepted += 1;
      const { files } = plan(options);
      const content = (path: string): string | undefined => files.find((file) => file.path === path)?.content;
      const service = content(`/etc/systemd/system/backup-${options.name}.service`) ?? '';
      const unit = read(service);
      const words = (name: string): string[] => (unit.get(name) ?? []).flatMap((value) => unquoted(value, false));
      expect(unquoted(unit.get('ExecStart')?.[0] ?? '', true)).toEqual(
        options.command ?? ['/usr/local/lib/backup/hook-wiki'],
      );
      expect(content('/usr/local/lib/backup/hook-wiki')?.trimEnd()).toBe(options.script?.trimEnd());
      expect(Object.fromEntries(words('Environment').map((value) => value.split(/=([^]*)/)))).toEqual(
        options.environment,
      );
      expect(words('BindReadOnlyPaths')).toEqual(options.read.map(normal));
      expect(words('BindPaths')).toEqual([`/backup/${options.name}`, ...options.write.map(normal)]);
      expect(words('After')).toEqual([
        'network-online.target',
        'backup-rest.service',
        'backup-report@backup:failure.service',
        ...options.after,
        ...options.order.map((name) => `backup-${name}.service`),
      ]);
      expect(unit.get('User')).toEqual([options.user]);
      expect(unit.get('TimeoutStartSec')).toEqual([options.timeout]);
      expect(unit.get('LoadCredential') ?? []).toEqual([
        ...Object.entries(options.credentials).map(([key, file]) => `${key}:${normal(file).replaceAll('%', '%%')}`),
        ...Object.keys(options.secrets).map((key) => `${key}:/etc/credstore/backup-${options.name}/${key}`),
      ]);
      for (const [key, secret] of Object.entries(options.secrets))
        expect(content(`/etc/credstore/backup-${options.name}/${key}`)).toBe(secret);
      for (const [directive, { value, reason }] of Object.entries(options.sandbox)) {
        expect(unit.get(directive)?.join(' ')).toBe([value].flat().join(' '));
        expect(service).toContain(`# ${reason}\n${directive}=`);
      }
      expect(content(`/etc/backup/exclude.d/${options.name}`)?.split('\n').slice(1, -1) ?? []).toEqual(options.exclude);
      expect(content(`/etc/systemd/system/backup-${options.name}-cleanup.service`) !== undefined).toBe(
        options.cleanup === 'remove',
      );
      const restore = content(`/etc/systemd/system/backup-${options.name}-restore.service`);
      expect(restore && unquoted(read(restore).get('ExecStart')?.[0] ?? '', true)).toEqual(options.restore);
      const proof = content(`/etc/backup/prove.d/${options.name}.json`);
      expect(proof && (JSON.parse(proof) as { command: string[] }).command).toEqual(options.prove);
      // Whatever the texts hold, no directive is there that the planner did not mean.
      expect([...unit.keys()].filter((name) => !/^[A-Za-z]+$/.test(name))).toEqual([]);
      expect(unit.get('ExecStartPre')).toBeUndefined();
    }
    // Enough of both kinds to mean something.
    expect(accepted).toBeGreaterThan(1500);
    expect(accepted).toBeLessThan(4000);
  });
});

it('the bundle gives the same plan, and only ASCII', () => {
  const options = { ...wiki, environment: { A: 'é\u2028'.slice(0, 1) } };
  const { stdout } = spawnSync(process.execPath, ['plugins/plugin_utils/hook.cjs'], {
    input: JSON.stringify(options),
    encoding: 'utf8',
  });
  expect((JSON.parse(stdout) as { plan: Plan }).plan).toEqual(plan(options));
  expect(stdout).toMatch(/^[\x00-\x7f]*$/);
});
