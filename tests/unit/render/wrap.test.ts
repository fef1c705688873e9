import { expect, it } from 'vitest';
import { wrap } from '../../../src/render/wrap.ts';

it.each([
  ['a b c', 3, ['a b', 'c']],
  ['abcdef g', 3, ['abcdef', 'g']],
  ['', 3, ['']],
])('%j in %d columns', (text, width, want) => expect(wrap(text, width)).toEqual(want));
