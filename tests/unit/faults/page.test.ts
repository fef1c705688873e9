import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { defects } from '../../faults/defects.ts';
import { faults } from '../../faults/matrix.ts';
import { faultsPage } from '../../faults/page.ts';

const tests = readdirSync('tests/faults')
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => readFileSync(`tests/faults/${name}`, 'utf8'))
  .join('\n');

it('docs/faults.md is what the matrix says', () => expect(faultsPage()).toMatchFileSnapshot('../../../docs/faults.md'));

it.each(Object.keys(faults))('the fault "%s" has its test', (key) => {
  // The kills have one for the three of them.
  expect(tests).toMatch(
    key.startsWith('kill in ')
      ? /\['create', \d+,[^]*\['prune', \d+,[^]*\['compact', \d+/
      : new RegExp(`fault\\(\\s*fixture,\\s*'${key}'`),
  );
});

it.each(defects)('the defect "$defect" has its test', ({ test: [file, title] }) => {
  if (file.startsWith('faults/')) expect(Object.keys(faults)).toContain(title);
  else expect(readFileSync(`tests/${file}`, 'utf8')).toContain(title);
});
