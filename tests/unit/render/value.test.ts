import { describe, expect, it } from 'vitest';
import { argument, jinja, jinjaList, jinjaString, line, Verbatim, word } from '../../../src/render/value.ts';

describe('a literal', () => {
  it.each([
    ['plain', { value: '/srv/data', line: '/srv/data', word: '/srv/data', argument: '/srv/data' }],
    ['space', { value: 'a b', line: 'a b', word: '"a b"', argument: '"a b"' }],
    ['percent', { value: '100%', line: '100%%', word: '"100%%"', argument: '"100%%"' }],
    ['dollar', { value: '$HOME', line: '$HOME', word: '"$HOME"', argument: '"$$HOME"' }],
    ['double quote', { value: 'a"b', line: 'a"b', word: '"a\\"b"', argument: '"a\\"b"' }],
    ['single quote', { value: "a'b", line: "a'b", word: '"a\'b"', argument: '"a\'b"' }],
    ['backslash', { value: 'a\\b', line: 'a\\b', word: '"a\\\\b"', argument: '"a\\\\b"' }],
    ['semicolon', { value: ';', line: ';', word: '";"', argument: '";"' }],
    ['empty', { value: '', line: '', word: '""', argument: '""' }],
    ['number', { value: 5, line: '5', word: '5', argument: '5' }],
  ])('with a %s is quoted for where it stands', (_, { value, ...want }) => {
    expect({ line: line(value), word: word(value), argument: argument(value) }).toEqual(want);
  });

  it.each(['a\nb', 'a\rb', 'a\0b', '\x1b'])('with a control character is refused: %j', (value) => {
    for (const place of [line, word, argument]) expect(() => place(value)).toThrow('control character');
  });

  it.each([' a', 'a ', 'a\\'])('that only quotes could hold is refused where there are none: %j', (value) => {
    expect(() => line(value)).toThrow('unquoted');
    expect(word(value)).toBe(`"${value.replaceAll('\\', '\\\\')}"`);
  });

  it('takes a prefix inside its word', () => {
    expect(word('/a', '-')).toBe('-/a');
    expect(word('x y', 'NAME=')).toBe('"NAME=x y"');
  });
});

describe('an expression', () => {
  it('doubles percent signs on the host, not in the template', () => {
    expect(line(jinja('a'))).toBe("{{ a | string | replace('%', '%%') }}");
  });

  it('is put in parentheses if it has operators, since a filter binds tighter', () => {
    expect(line(jinja('a + b'))).toContain('{{ (a + b) | string');
  });

  it('that yields a list gives a word for each element, and nothing for none', () => {
    const text = word(jinjaList('paths'), '-');
    expect(text).toMatch(/^\{\{ \('"-' ~ paths \| map\('replace'.*join\('" "-'\) ~ '"'\) if paths else '' \}\}$/);
  });
});

it('a specifier stays what it is', () => expect(word(new Verbatim('%m'), 'ID=')).toBe('"ID=%m"'));

it('a string of Jinja escapes what ends it, and backslashes', () =>
  expect(jinjaString("it's \\")).toBe("'it\\'s \\\\'"));
