import { Ajv } from 'ajv';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { Toolbox } from '../../tools/gates/toolbox.ts';

const validate = new Ajv({ strict: false }).compile(
  JSON.parse(readFileSync('meta/variables.schema.json', 'utf8')) as object,
);
let toolbox: Toolbox;
beforeAll(async () => {
  toolbox = await Toolbox.open();
});

const examples = readdirSync('examples').filter((name) => existsSync(`examples/${name}/inventory.yml`));

it.each(examples)('the variables of the example %s are what the schema for editors allows', async (name) => {
  const { stdout } = await toolbox.run('ansible-inventory', [
    '--inventory',
    `examples/${name}/inventory.yml`,
    '--list',
  ]);
  const hosts = (JSON.parse(stdout) as { _meta: { hostvars: Record<string, object> } })._meta.hostvars;
  expect(Object.keys(hosts).length).toBeGreaterThan(0);
  for (const [host, vars] of Object.entries(hosts))
    expect([host, validate(vars), validate.errors]).toEqual([host, true, null]);
});
