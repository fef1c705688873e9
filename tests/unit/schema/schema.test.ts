import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../../src/emit/settings.ts';
import { backup } from '../../../src/schema/backup.ts';
import { borg } from '../../../src/schema/borg.ts';
import { tasks } from '../../../src/schema/host.ts';
import { postgres } from '../../../src/schema/postgres.ts';
import type { RoleSchema } from '../../../src/schema/schema.ts';

describe.each([backup, borg, postgres])('the settings of role $role', (schema) => {
  const validate = new Ajv2020({ strict: false, allErrors: true }).compile(jsonSchema(schema, 'x'));

  it('are a valid JSON Schema whose own defaults and examples pass', () => {
    for (const [name, { default: value, examples = [] }] of Object.entries(schema.settings)) {
      for (const each of [value, ...examples].filter(
        (given) => !JSON.stringify(given).includes('{{') && !JSON.stringify(given).includes('…'),
      ))
        expect(validate({ [name]: each }), `${name}: ${JSON.stringify(each)} ${JSON.stringify(validate.errors)}`).toBe(
          true,
        );
    }
  });

  it('have the prefix, a default and a description that ends in a full stop', () => {
    for (const [name, setting] of Object.entries(schema.settings)) {
      expect(name.startsWith(schema.prefix)).toBe(true);
      expect(setting.default).toBeDefined();
      for (const text of setting.description) expect(text).toMatch(/[.:]$|`$/);
    }
  });

  it('say what is allowed wherever a pattern decides it', () => {
    const patterned = (of: RoleSchema['settings']): void => {
      for (const [name, setting] of Object.entries(of)) {
        if (setting.pattern !== undefined) expect([name, setting.allowed]).toEqual([name, expect.any(String)]);
        if (setting.items !== undefined) patterned({ [`${name}[]`]: setting.items });
        if (setting.properties !== undefined) patterned(setting.properties);
      }
    };
    patterned(schema.settings);
  });
});

it('who is a member of the group is told each command that may be asked for', () => {
  const commands = Object.keys(tasks);
  expect(commands).toEqual(['run', 'check', 'drill']);
  for (const command of [...commands, 'list'])
    expect(backup.settings.backup_status_group.description.join(' ')).toContain(`\`${command}\``);
});
