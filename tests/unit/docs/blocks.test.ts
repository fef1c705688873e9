import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { blocks, blocksOf, commands, kind, type Kind } from '../../docs/block.ts';
import { compare } from '../../docs/walk.ts';

it('every block of the README and of docs/ is run, compared or parsed, and at most five need an outside network', () => {
  const counts: Partial<Record<Kind, number>> = {};
  for (const block of blocks) counts[kind(block)] = (counts[kind(block)] ?? 0) + 1;
  const outside = blocks.filter(({ marks }) => marks.includes('network'));
  console.log(
    `${blocks.length} blocks of code in the README and docs/: ${Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}; of these ${outside.length} with a name or key of an outside network replaced`,
  );
  expect(outside.length).toBeLessThanOrEqual(5);
  expect((counts.excerpt ?? 0) / blocks.length).toBeLessThan(0.2);
});

it('every page with a block that is run is walked by one test', () => {
  const tests = ['tests/host', 'tests/long'].flatMap((directory) =>
    readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8')),
  );
  const run = new Set(blocks.filter((block) => kind(block) !== 'excerpt').map(({ page }) => page));
  for (const page of run)
    expect([page, tests.filter((text) => text.includes(`page('${page}'`)).length]).toEqual([page, 1]);
});

it('commands that are shown and not run are those of package.json, and playbooks of the collection', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  const playbooks = readdirSync('playbooks').map((name) => `rootless.backup.${name.replace(/\.yml$/, '')}`);
  const shown = blocks.filter((block) => block.language === 'sh' && kind(block) === 'excerpt');
  for (const command of shown.flatMap(({ text }) => commands(text))) {
    const [, script, test] = /^npm (?:run ([\w:]+)(?: -- --debian 1[23])?|(test))$/.exec(command) ?? [];
    const [, playbook] = /^ansible-playbook -i inventory (\S+)(?: -e [a-z_]+=\S+)*$/.exec(command) ?? [];
    expect([...Object.keys(scripts), ...playbooks], command).toContain(script ?? test ?? playbook);
  }
});

it('a block says what becomes of it, or is an error that says how', () => {
  const [block] = blocksOf('page.md', '# Restore\n1. Look:\n\n   ```sh host exit=1,0\n   false\n     true\n   ```\n');
  expect(block).toEqual({
    page: 'page.md',
    heading: 'Restore',
    line: 4,
    language: 'sh',
    marks: ['host', 'exit=1,0'],
    text: 'false\n  true\n',
  });
  if (block === undefined) throw new Error('there is no block');
  expect(kind(block)).toBe('command');
  const marked = (info: string): Kind => {
    const [language = '', ...marks] = info.split(' ');
    return kind({ ...block, language, marks });
  };
  expect(['ini host file=/etc/a', 'yaml vars network', 'text output', 'yaml excerpt'].map(marked)).toEqual([
    'file',
    'vars',
    'output',
    'excerpt',
  ]);
  for (const info of [
    'sh',
    'yaml host',
    'sh host control',
    'sh host exit',
    'sh somewhere',
    'yaml task file=a',
    'ini file=a',
  ])
    expect(() => marked(info), info).toThrow('page.md:4: the block is not marked');
  expect(() => blocksOf('page.md', '```sh host\n')).toThrow('page.md:1: the block has no end');
});

it('commands are told from comments, and those of several lines are one', () =>
  expect(commands('a b  # why\n\n# c\nd \\\n  --e\n')).toEqual(['a b', 'd    --e']));

it('what a page shows is compared but for times and spans', () => {
  const shown = 'Failed at 2026-01-31 02:00:12 UTC, after 12 s.\n…\nLast: AAAAC3… borg@web1\n';
  compare(shown, 'x\nFailed at 2027-02-01 03:04:05 UTC, after 3 minutes.\nmore\nLast: AAAAB4xyz borg@web1');
  expect(() => compare(shown, 'Failed on 2027-02-01 03:04:05 UTC, after 3 s.\nmore\nLast: AAAAB4 borg@web1')).toThrow(
    'the page shows',
  );
});
