import { describe, expect, it } from 'vitest';
import { sandboxOption } from '../../../src/schema/sandbox.ts';
import { loosened, sandbox } from '../../../src/units/sandbox.ts';
import { set } from '../../../src/units/unit.ts';

const usual = ([false, 'local', true] as const).flatMap((network) =>
  sandbox({ capabilities: [], home: 'hidden', users: 'hidden', writable: ['/backup/wiki'], network }),
);

it('every directive of a hook’s sandbox can be loosened', () => {
  expect(Object.keys(sandboxOption.properties)).toEqual(
    expect.arrayContaining([...new Set(usual.map(({ name }) => name))]),
  );
});

describe('a loosened directive', () => {
  const names = (directives: readonly { name: string; value: string }[]): string[] =>
    directives.map(({ name, value }) => `${name}=${value}`);
  it('stands where the usual one stood, whatever the number of its lines', () => {
    const directives = [set('A', '1'), set('Filter', 'x'), set('Filter', '~y'), set('B', '2')];
    expect(names(loosened(directives, [set('Filter', 'z')]))).toEqual(['A=1', 'Filter=z', 'B=2']);
    expect(names(loosened(directives, [set('A', '0'), set('B', '3'), set('B', '4')]))).toEqual([
      'A=0',
      'Filter=x',
      'Filter=~y',
      'B=3',
      'B=4',
    ]);
  });
  it('stands at the end where the sandbox has none', () =>
    expect(names(loosened([set('A', '1')], [set('B', '2')]))).toEqual(['A=1', 'B=2']));
});
