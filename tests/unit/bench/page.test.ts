import { existsSync, readFileSync } from 'node:fs';
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
    { title: 'T', about: 'What is compared.', measure: () => Promise.reject(new Error('not now')) },
    { tables: [{ columns: ['A'], rows: [['1']] }], charts: [{ name: 'c', title: 'C', bars: [] }], remarks: ['So.'] },
    'On this.',
  );
  expect(text).toBe('## T\n\nWhat is compared.\n\n| A |\n| --- |\n| 1 |\n\n![C](bench-c.svg)\n\nSo.\n\n*On this.*');
});

it('every picture of docs/benchmarks.md is there', () => {
  const pictures = [...readFileSync('docs/benchmarks.md', 'utf8').matchAll(/\]\(([^)]+\.svg)\)/g)].map(
    ([, path = '']) => path,
  );
  expect(pictures.length).toBeGreaterThan(0);
  expect(pictures.filter((path) => !existsSync(`docs/${path}`))).toEqual([]);
});
