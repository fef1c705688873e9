import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { copies } from '../../tools/gates/copies.ts';
import { Toolbox } from '../../tools/gates/toolbox.ts';

let toolbox: Toolbox;
let path = '';
beforeAll(async () => {
  toolbox = await Toolbox.open();
  path = join((await copies()).collection, '../../..');
});

interface Option {
  readonly description?: string | readonly string[];
  readonly type?: string;
  readonly options?: Readonly<Record<string, Option>>;
  readonly suboptions?: Readonly<Record<string, Option>>;
}

/** What `ansible-doc` knows of the plugins or roles of the collection that is installed. */
async function documentation(type: string, ...names: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await toolbox.run('ansible-doc', ['--type', type, '--json', ...names], {
    env: { ANSIBLE_COLLECTIONS_PATH: path },
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** The options, at any depth, that say nothing of themselves. */
const silent = (options: Readonly<Record<string, Option>>, above = ''): string[] =>
  Object.entries(options).flatMap(([name, option]) => [
    ...([option.description ?? ''].flat().join('').trim().length < 5 || option.type === undefined
      ? [`${above}${name}`]
      : []),
    ...silent(option.options ?? option.suboptions ?? {}, `${above}${name}.`),
  ]);

describe.each(readdirSync('plugins/modules').map((file) => `rootless.backup.${file.replace(/\.py$/, '')}`))(
  'ansible-doc of the module %s',
  (name) => {
    it('says what it does, of each option what it is, and gives examples', async () => {
      const { [name]: module } = (await documentation('module', name)) as Record<
        string,
        { doc: Record<string, unknown>; examples?: string }
      >;
      expect(module?.doc['short_description']).toMatch(/\w{3}/);
      expect(String(module?.doc['description']).length).toBeGreaterThan(40);
      expect(silent(module?.doc['options'] as Record<string, Option>)).toEqual([]);
      expect(module?.doc['attributes']).toMatchObject({ check_mode: {}, diff_mode: {} });
      expect(module?.examples).toContain('rootless.backup.');
    });
  },
);

describe.each(readdirSync('roles'))('ansible-doc of the role %s', (role) => {
  it('says what it does, and of each setting what it is', async () => {
    const name = `rootless.backup.${role}`;
    const { [name]: found } = (await documentation('role', name)) as Record<
      string,
      { entry_points: { settings: Record<string, unknown> } }
    >;
    const settings = found?.entry_points.settings ?? {};
    expect(settings['short_description']).toMatch(/\w{3}/);
    expect(String(settings['description']).length).toBeGreaterThan(40);
    expect(silent(settings['options'] as Record<string, Option>)).toEqual([]);
    const defaults = [...readFileSync(`roles/${role}/defaults/main.yml`, 'utf8').matchAll(/^(\w+):/gm)].map(
      ([, setting]) => setting,
    );
    expect(Object.keys(settings['options'] as object).sort()).toEqual(defaults.sort());
  });

  it('and its README gives an example, and every setting', () => {
    const text = readFileSync(`roles/${role}/README.md`, 'utf8');
    // The frame comes with its engine.
    expect(text).toContain(`- rootless.backup.${role === 'backup' ? 'borg' : role}`);
    for (const [, setting] of readFileSync(`roles/${role}/defaults/main.yml`, 'utf8').matchAll(/^(\w+):/gm))
      expect(text).toContain(`| \`${setting}\` |`);
  });
});

it('every module and role is listed', async () => {
  for (const [type, names] of [
    ['module', readdirSync('plugins/modules').map((file) => file.replace(/\.py$/, ''))],
    ['role', readdirSync('roles')],
  ] as const) {
    const { stdout } = await toolbox.run('ansible-doc', ['--list', '--type', type, '--json', 'rootless.backup'], {
      env: { ANSIBLE_COLLECTIONS_PATH: path },
    });
    expect(Object.keys(JSON.parse(stdout) as object).sort()).toEqual(
      names.map((name) => `rootless.backup.${name}`).sort(),
    );
  }
});
