import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { hookDropIn } from '../../../src/units/hook.ts';

const page = readFileSync('docs/hooks-by-hand.md', 'utf8');

it('the drop-in that somebody writes by hand is the one that the module writes', () => {
  const [, shown = ''] =
    /# \/etc\/systemd\/system\/backup\.service\.d\/wiki\.conf\n([^]*?)```/.exec(page.replaceAll(/^ {3}/gm, '')) ?? [];
  const { sections } = hookDropIn({
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
