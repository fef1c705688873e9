import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { backup } from '../../src/schema/backup.ts';
import { tasks } from '../../src/schema/host.ts';
import { hookSnippet } from '../../src/units/hook.ts';

const page = readFileSync('README.md', 'utf8');

it('the snippet that somebody writes by hand is the one that the module writes', () => {
  const [, shown = ''] = /# \/etc\/systemd\/system\/backup\.service\.d\/wiki\.conf\n([^]*?)```/.exec(page) ?? [];
  const { sections } = hookSnippet({
    name: 'wiki',
    description: 'Wiki',
    user: 'wiki',
    command: ['/bin/true'],
    timeLimit: '1h',
  });
  const written = sections.map(
    ({ name, directives }) => `[${name}]\n${directives.map((each) => `${each.name}=${each.value}\n`).join('')}`,
  );
  expect(shown).toBe(written.join('\n'));
});

it('who is a member of the group is told each command that may be asked for', () => {
  const commands = Object.keys(tasks);
  expect(commands).toEqual(['run', 'check', 'drill']);
  for (const command of [...commands, 'list'])
    expect(backup.settings.backup_status_group.description.join(' ')).toContain(`\`${command}\``);
});
