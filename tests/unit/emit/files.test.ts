import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { files } from '../../../src/emit/files.ts';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const generated = files(version);

it('no two generated files have the same path', () =>
  expect(new Set(generated.map(({ path }) => path)).size).toBe(generated.length));

it('the committed files are what src/ gives', () => {
  for (const { path, content } of generated) expect([path, readFileSync(path, 'utf8')]).toEqual([path, content]);
});

it('a template never puts a value into a unit unquoted', () => {
  for (const { path, content } of generated.filter(
    (file) => /\.(service|timer|conf)\.j2$/.test(file.path) && file.path.includes('/systemd/'),
  ))
    for (const [expression] of content.matchAll(/\{\{.*?\}\}/g))
      expect([path, expression]).toEqual([path, expect.stringContaining("replace'".slice(0, -1))]);
});
