import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const validate = new Ajv({ strict: false }).compile(
  JSON.parse(readFileSync('meta/variables.schema.json', 'utf8')) as object,
);

it.each([
  [
    'settings of both roles beside other variables',
    { backup_keep_daily: 7, borg_repositories: ['/mnt/disk/borg'], postgres_lock_wait: 30, nginx_port: 80 },
  ],
  ['an expression', { backup_keep_daily: '{{ days }}', borg_repositories: '{{ places | list }}' }],
  ['nothing', {}],
])('a file of group_vars may hold %s', (_, vars) => expect([validate(vars), validate.errors]).toEqual([true, null]));

it.each([
  ['a misspelt name', { backup_shedule: 'daily' }],
  ['a wrong type', { backup_keep_daily: 'seven' }],
  ['what is out of range', { backup_keep_daily: -1 }],
  ['what is not one of the choices', { backup_state: 'gone' }],
  ['a misspelt key of a setting', { postgres_clusters: [{ name: 'main', prot: 5432 }] }],
])('an editor marks %s', (_, vars) => expect(validate(vars)).toBe(false));
