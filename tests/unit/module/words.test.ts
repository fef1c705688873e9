import { describe, expect, it } from 'vitest';
import { words } from '../../../src/module/words.ts';

describe('a command given as a string', () => {
  it.each([
    ['/bin/a b  c', ['/bin/a', 'b', 'c']],
    [`/bin/a 'b c' "d e"`, ['/bin/a', 'b c', 'd e']],
    [`/bin/a '$x | *'`, ['/bin/a', '$x | *']],
    [String.raw`/bin/a b\ c \$x "q\"q" "\n"`, ['/bin/a', 'b c', '$x', 'q"q', '\\n']],
    [`/bin/a '' ""`, ['/bin/a', '', '']],
    [`/bin/a b'c'd`, ['/bin/a', 'bcd']],
    ['/bin/a 100% ümlaut', ['/bin/a', '100%', 'ümlaut']],
    ['', []],
  ])('%s', (command, want) => expect(words(command)).toEqual(want));

  it.each(['a | b', 'a > b', 'a $HOME', 'a `b`', 'a "$x"', 'a; b', 'a && b', 'a *', 'a ~', "a 'b", 'a "b', 'a \\'])(
    'refuses what only a shell understands: %s',
    (command) => {
      expect(() => words(command)).toThrow();
    },
  );
});
