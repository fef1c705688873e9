import { expect, it } from 'vitest';
import { yamlDocument } from '../../../src/render/yaml.ts';

it.each([
  ['a mapping', { a: 1, b: true, c: null }, '---\na: 1\nb: true\nc: null\n'],
  ['empty ones', { a: [], b: {}, c: '' }, '---\na: []\nb: {}\nc: ""\n'],
  ['a list of mappings', [{ a: 'x', b: ['z'] }], '---\n- a: x\n  b:\n    - z\n'],
  ['nested lists', [['a', 'b']], '---\n- - a\n  - b\n'],
  [
    'strings that look like something else',
    ['yes', 'No', '1', '~', 'a: b', '# c', '{{ x }}', '-', 'null', ' a', 'b '],
    '---\n- "yes"\n- "No"\n- "1"\n- "~"\n- "a: b"\n- "# c"\n- "{{ x }}"\n- "-"\n- "null"\n- " a"\n- "b "\n',
  ],
  ['control characters', ['a\nb'], '---\n- "a\\nb"\n'],
])('%s', (_, value, want) => expect(yamlDocument(value)).toBe(want));

it('a long text is folded, and unfolding gives it back', () => {
  const text = Array.from({ length: 80 }, (_, index) => `word${index}`).join(' ');
  const [, , head, ...lines] = yamlDocument({ a: [text] })
    .trimEnd()
    .split('\n');
  expect(head).toBe('  - >-');
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(118);
  expect(lines.map((line) => line.trim()).join(' ')).toBe(text);
});

it('a long text that folding would change stays on its line', () => {
  const text = `${'x '.repeat(70)} y`;
  expect(yamlDocument({ a: text })).toBe(`---\na: ${text}\n`);
});
