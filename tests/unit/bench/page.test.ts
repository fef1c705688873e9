import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { page, section } from '../../../tools/bench/page.ts';

const names = ['one', 'two', 'three'];
const full = names.reduce((text, name) => page(text, names, name, `## ${name}\n\nold of ${name}`), '');

it('a part takes the place of its own section only', () => {
  const text = page(full, names, 'two', '## two\n\nnew $& text');
  expect(text).toBe(full.replace('old of two', () => 'new $& text'));
});

it('sections stand in the order of the parts, in whichever order they were measured', () => {
  const text = ['three', 'one', 'two'].reduce(
    (all, name) => page(all, names, name, `## ${name}\n\nold of ${name}`),
    '',
  );
  expect(text).toBe(full);
});

it('the section of a part that there is no more goes, and one that is not measured leaves nothing', () => {
  const text = page(full, ['three', 'four', 'one'], 'three', 'x');
  expect(text).toContain('old of one');
  expect(text).not.toMatch(/old of (two|three)|four/);
  expect(text.indexOf('x\n')).toBeLessThan(text.indexOf('old of one'));
});

it('a section says what is compared, what was found and on what', () => {
  const text = section(
    {
      title: 'T',
      about: 'What is compared.',
      settings: 'all at their defaults.',
      measure: () => Promise.reject(new Error('not now')),
    },
    { tables: [{ columns: ['A'], rows: [['1']] }], charts: [{ name: 'c', title: 'C', bars: [] }], remarks: ['So.'] },
    'On this.',
  );
  expect(text).toBe(
    '## T\n\nWhat is compared.\n\nSettings: all at their defaults.\n\n| A |\n| --- |\n| 1 |\n\n![C](bench-c.svg)\n\nSo.\n\n*On this.*',
  );
});

it('every picture of docs/benchmarks.md is there', () => {
  const pictures = [...readFileSync('docs/benchmarks.md', 'utf8').matchAll(/\]\(([^)]+\.svg)\)/g)].map(
    ([, path = '']) => path,
  );
  expect(pictures.length).toBeGreaterThan(0);
  expect(pictures.filter((path) => !existsSync(`docs/${path}`))).toEqual([]);
});

it('a part names each setting that is not at its default', () => {
  const files = readdirSync('tools/bench').map((name) => readFileSync(`tools/bench/${name}`, 'utf8'));
  const set = (text: string): string[] =>
    [...text.matchAll(/\b((?:backup|borg|mariadb|postgres|sqlite)_\w+): (?=['"[{\d]|true|false)/g)].map(
      ([, name = '']) => name,
    );
  expect(files.flatMap(set)).toContain('backup_paths');
  const silent = files.flatMap((text) =>
    set(text).filter((name) => !/ settings:\s*['"`].*/.exec(text)?.[0].includes(`\`${name}\``)),
  );
  expect([...new Set(silent)]).toEqual([]);
});
