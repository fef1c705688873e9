import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Toolbox } from '../../tools/gates/toolbox.ts';
import { blocks, kind } from '../docs/block.ts';

const validate = new Ajv({ strict: false }).compile(
  JSON.parse(readFileSync('meta/variables.schema.json', 'utf8')) as object,
);

/** YAML as Ansible reads it, a secret as a word, as JSON. */
const parse = `import json, sys, yaml
class Loader(yaml.SafeLoader):
    pass
Loader.add_constructor("!vault", lambda loader, node: "secret")
print(json.dumps(yaml.load(sys.stdin, Loader)))`;

const shown = blocks.filter((block) => kind(block) === 'excerpt' && block.language === 'yaml');

it.each(shown.map((block) => [`${block.page}:${block.line}`, block.text]))(
  'the settings that %s shows are what the schema for editors allows',
  async (_, text) => {
    const { stdout } = await (await Toolbox.open()).run('python', ['-c', parse], { input: text });
    const settings: unknown = JSON.parse(stdout) ?? {};
    expect([validate(settings), validate.errors]).toEqual([true, null]);
    // A name that is none of a setting's is allowed by that schema.
    const { properties } = JSON.parse(readFileSync('meta/variables.schema.json', 'utf8')) as { properties: object };
    for (const name of Object.keys(settings as object)) expect(Object.keys(properties)).toContain(name);
  },
);

it('the schema that an editor is pointed to is in the collection', () => {
  const [, path] =
    /^# yaml-language-server: \$schema=\S*\/ansible_collections\/rootless\/backup\/(\S+)$/m.exec(
      readFileSync('docs/settings.md', 'utf8'),
    ) ?? [];
  expect(readFileSync('tests/collection/contents.txt', 'utf8').split('\n')).toContain(path);
});
