import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { hookOptions } from '../../../src/schema/hook.ts';
import { hookOptionsFrom, OptionsError, type Validator } from '../../../src/module/hook-options.ts';
import { planHook, type Plan } from '../../../src/module/plan.ts';
import { toJsonSchema } from '../../../src/emit/json-schema.ts';
import { Ajv2020 } from 'ajv/dist/2020.js';

const validate = new Ajv2020({ allErrors: true, verbose: true, useDefaults: true, coerceTypes: 'array', strict: false }).compile(toJsonSchema(hookOptions)) as unknown as Validator;
const plan = (options: object): Plan => planHook(hookOptionsFrom(structuredClone(options) as Record<string, unknown>, hookOptions, validate));
const problems = (options: object): readonly string[] => {
  try {
    plan(options);
    return [];
  } catch (error) {
    if (error instanceof OptionsError) return error.problems;
    throw error;
  }
};
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

describe('the options of a hook', () => {
  it.each([
    [{ ...wiki, usr: 'x' }, 'usr: there is no such option; did you mean user?'],
    [{ ...wiki, timeout: 'soon' }, 'timeout: given is "soon"; allowed is a finite time span'],
    [{ ...wiki, name: 'Wiki' }, 'name: given is "Wiki"; allowed is up to 50 small letters'],
    [{ ...wiki, name: '../etc' }, 'name: given is "../etc"'],
    [{ ...wiki, name: 'borg' }, 'name: given is "borg"'],
    [{ ...wiki, user: 'a b' }, 'user: given is "a b"'],
    [{ ...wiki, command: ['wiki'] }, 'command: given is the program "wiki"; allowed is an absolute path'],
    [{ ...wiki, command: ['/bin/a', 'b\nUser=root'] }, 'command[1]: given is "b\\nUser=root"'],
    [{ ...wiki, command: [] }, 'command: given is []'],
    [{ ...wiki, environment: { A: 'x\ny' } }, 'environment.A: given is "x\\ny"'],
    [{ ...wiki, environment: { 'A=B': 'x' } }, 'environment: the key "A=B" is not allowed'],
    [{ ...wiki, read: ['/srv/a:/etc'] }, 'read[0]: given is "/srv/a:/etc"'],
    [{ ...wiki, read: ['/srv/../etc'] }, 'read[0]'],
    [{ ...wiki, after: ['x'] }, 'after[0]: given is "x"; allowed is the full name of a unit'],
    [{ ...wiki, network: 'all' }, 'network: given is "all"; allowed is one of none, local, any'],
    [{ ...wiki, required: 'perhaps' }, 'required: given is "perhaps"; allowed is true or false'],
    [{ name: 'wiki', command: '/bin/a' }, 'user: it is missing'],
    [{ name: 'wiki', user: 'wiki' }, 'command, script: give one of them'],
    [{ ...wiki, script: '#!/bin/sh\n' }, 'command, script: give one of them'],
    [{ user: 'wiki' }, 'name: it is missing'],
  ])('are refused with a message that names the option: %j', (options, message) => {
    expect(problems(options).join('\n')).toContain(message);
  });

  it('may have the types that any version of Ansible hands over', () => {
    const [strings, values] = [plan({ ...wiki, required: 'false', environment: { A: '5' }, read: ['/srv/w'] }), plan({ ...wiki, required: false, environment: { A: 5 }, read: '/srv/w', group: null })];
    expect(strings).toEqual(values);
  });
});

describe('the plan of a hook', () => {
  it('names what the host has to have', () => {
    expect(plan({ ...wiki, read: ['/srv/wiki'], credentials: { key: '/etc/key' } }).needs).toEqual([
      { option: 'user', kind: 'user', value: 'wiki' },
      { option: 'command', kind: 'program', value: '/usr/bin/wiki' },
      { option: 'read', kind: 'path', value: '/srv/wiki' },
      { option: 'credentials.key', kind: 'path', value: '/etc/key' },
    ]);
  });

  it('needs nothing of the host to go', () => expect(plan({ name: 'wiki', state: 'absent' })).toMatchObject({ files: [], needs: [], remove: ['/backup/wiki'] }));

  it('holds exactly what was asked for, or was refused with a message that names the option: 5000 random ones', () => {
    let seed = 20261123;
    const random = (below: number): number => {
      // mulberry32: the same sequence in every run.
      seed = (seed + 0x6d2b79f5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) % below;
    };
    const pieces = ['a', 'wiki', ' ', '%', '%n', '$', '${X}', '"', "'", '\\', '\n', '\r', '\t', '\0', '\u2028', '\u0085', '=', ';', '#', '-', '..', '/', ':', 'é', '[Service]', '\\x41', '\\n', '*'];
    const text = (): string => Array.from({ length: random(5) }, () => pieces[random(pieces.length)]).join('');
    const pick = <Value>(...values: Value[]): Value => values[random(values.length)] as Value;
    let accepted = 0;
    for (let round = 0; round < 5000; round++) {
      const options = {
        name: pick('wiki', 'wiki', 'wiki', text()),
        user: pick('wiki', 'wiki', 'wiki', text()),
        command: ['/usr/bin/wiki', ...Array.from({ length: random(4) }, text)],
        environment: Object.fromEntries(Array.from({ length: random(3) }, () => [pick('KEY', 'OTHER', 'K2', text()), text()])),
        read: Array.from({ length: random(3) }, () => `/srv/${text()}`),
        write: Array.from({ length: random(2) }, () => `/srv/${text()}`),
        ...(random(4) === 0 ? { [pick('timeout', 'network', 'group', 'after', text())]: text() } : {}),
      };
      const refused = problems(options);
      if (refused.length > 0) {
        for (const message of refused) expect(message).toMatch(/^[^]*: /);
        continue;
      }
      accepted += 1;
      const unit = read(plan(options).files[0]?.content ?? '');
      expect(unquoted(unit.get('ExecStart')?.[0] ?? '', true)).toEqual(options.command);
      expect(Object.fromEntries((unit.get('Environment') ?? []).map((value) => unquoted(value, false)[0]?.split(/=([^]*)/) ?? []))).toEqual(options.environment);
      expect(unquoted((unit.get('BindReadOnlyPaths') ?? ['']).join(' '), false)).toEqual(options.read);
      expect(unquoted(unit.get('BindPaths')?.[0] ?? '', false)).toEqual([`/backup/${options.name}`, ...options.write]);
      expect(unit.get('User')).toEqual([options.user]);
    }
    // Enough of both kinds to mean something.
    expect(accepted).toBeGreaterThan(300);
    expect(accepted).toBeLessThan(4500);
  });
});

it('the bundle gives the same plan, and only ASCII', () => {
  const options = { ...wiki, environment: { A: 'é\u2028'.slice(0, 1) } };
  const { stdout } = spawnSync(process.execPath, ['plugins/plugin_utils/hook.cjs'], { input: JSON.stringify(options), encoding: 'utf8' });
  expect((JSON.parse(stdout) as { plan: Plan }).plan).toEqual(plan(options));
  expect(stdout).toMatch(/^[\x00-\x7f]*$/);
});
