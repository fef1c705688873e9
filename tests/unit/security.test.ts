import { readFileSync, readdirSync } from 'node:fs';
import { expect, it } from 'vitest';

/** The titles of the tests in a suite, with `…` for what is filled in. */
const titles = (suite: string): string[] =>
  [
    ...readFileSync(`tests/attacks/${suite}`, 'utf8').matchAll(
      /(?:\bit\(|\)\()\s*(['"`])((?:\\.|(?!\1).)*)\1,\s*(?:async|\()/g,
    ),
  ].map(([, , title = '']) => title.replaceAll('%s', '…').replaceAll(/\\(.)/g, '$1'));

const page = readFileSync('SECURITY.md', 'utf8');

it.each(readdirSync('tests/attacks'))('SECURITY.md lists the attacks of %s, and no other', (suite) => {
  const [, section = ''] = page.split(`\`tests/attacks/${suite}\`\n\n`);
  const listed = (section.split('\n\n')[0] ?? '')
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^- /, ''));
  expect(listed).toEqual([...new Set(titles(suite))]);
});
