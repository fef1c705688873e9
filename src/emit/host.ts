import { managedBy } from '../render/header.ts';
import { yamlDocument } from '../render/yaml.ts';
import * as host from '../schema/host.ts';
import * as problems from '../schema/problems.ts';
import { statusFormat } from '../monitoring/status.ts';
import { borgEnvironment } from '../units/borg.ts';
import { mark, markComment, type GeneratedFile } from './generated.ts';

/** What both sides know of a host, for the programs there and for the tasks and the hand-written templates of the roles. */
export function hostFacts(version: string): GeneratedFile[] {
  return [
    {
      path: 'roles/backup/files/usr/local/lib/backup/rootless_backup/host.py',
      content: module(
        'backup',
        'schema/host.ts',
        'Paths, units and users, which the units and the control node know too.',
        { ...host, version, statusFormat },
      ),
    },
    {
      path: 'roles/backup/files/usr/local/lib/backup/rootless_backup/report/words.py',
      content: module('backup', 'schema/problems.ts', 'What is wrong, and what to do about it, in words.', problems),
    },
    {
      path: 'roles/borg/files/usr/local/lib/backup/rootless_backup/borg/host.py',
      content: module('borg', 'units/borg.ts', 'What Borg is told wherever it runs.', { environment: borgEnvironment }),
    },
    {
      path: 'roles/backup/vars/main/host.yml',
      content: `${markComment('schema/host.ts')}${yamlDocument({ _backup_host: snakes(host) })}`,
    },
  ];
}

/** A module of Python that holds constants. */
function module(role: string, source: string, says: string, constants: object): string {
  const lines = entriesOf(constants).map(([name, value]) => `${snake(name).toUpperCase()} = ${python(value)}\n`);
  return `# ${managedBy(`role ${role}`)}\n# ${mark}${source}. Do not edit.\n"""${says}"""\n\n${lines.join('')}`;
}

/** On one line each, as ruff writes what is not longer than that. */
const python = (value: unknown): string =>
  typeof value === 'object' && value !== null
    ? `{${Object.entries(value)
        .map(([key, each]) => `${JSON.stringify(key)}: ${JSON.stringify(each)}`)
        .join(', ')}}`
    : JSON.stringify(value);

const snakes = (constants: object): object =>
  Object.fromEntries(entriesOf(constants).map(([name, value]) => [snake(name), value]));

/** In an order of their own: that of a module's exports is its bundler's. */
const entriesOf = (constants: object): [string, unknown][] =>
  Object.entries(constants).sort(([one], [other]) => (one < other ? -1 : 1));

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
