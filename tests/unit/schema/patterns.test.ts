import { describe, expect, it } from 'vitest';
import { chunkerParams, compression, sshRepository } from '../../../src/schema/borg-patterns.ts';
import { absolutePath, calendarEvent, timeLimit, timeSpan } from '../../../src/schema/patterns.ts';

const table: [name: string, pattern: string, good: string[], bad: string[]][] = [
  [
    'a calendar event',
    calendarEvent,
    [
      'daily',
      'weekly',
      'hourly',
      '02:30',
      '2:30',
      '02:30:15',
      '*-*-* 02:30',
      '*-*-01 03:00:00',
      'Mon',
      'Mon..Fri',
      'Mon..Fri 02:30',
      'Mon,Wed *-*-* 01:00',
      'Sat *-*-1..7 18:00',
      '*:0/15',
      '*-*~03',
      '2026-12-24 18:00 UTC',
      '02:30 Europe/Berlin',
      'daily UTC',
      '*-1/3-01',
    ],
    [
      '',
      'dayly',
      'noon',
      '25',
      'Mon..',
      '02:30 Nowhere',
      'daily\nOnCalendar=minutely',
      'Funday',
      '* * * * *',
      '0 2 * * *',
    ],
  ],
  [
    'a time span',
    timeSpan,
    ['12h', '90min', '1h 30min', '1h30min', '5', '2 days', '1.5h'],
    ['', 'infinity', '1 fortnight', 'h', '-1h', '1h\n'],
  ],
  ['a time limit', timeLimit, ['1s', '0h 1min', '10'], ['0', '0s', '00min 0s', '0.0']],
  [
    'a compression',
    compression,
    ['none', 'lz4', 'zstd', 'zstd,3', 'zstd,22', 'auto,zlib,9', 'lzma,6'],
    ['', 'zstd,0', 'zstd,23', 'gzip', 'auto', 'lz4,1'],
  ],
  [
    'chunker params',
    chunkerParams,
    ['buzhash,12,20,15,4095', 'buzhash,19,23,21,4095', 'fixed,8192', 'fixed,4194304,512'],
    ['', 'auto', 'buzhash', 'buzhash,12,20,15', 'buzhash,12,24,15,4095', '12,20,15,4095', 'fixed,1', 'default'],
  ],
  [
    'an absolute path',
    absolutePath,
    ['/', '/a b', '/a/.b', '/ä"\'%$', '/...'],
    ['', 'a', '/a/../b', '/..', '/.', '/a/.', '/a\n'],
  ],
  [
    'a remote repository',
    sshRepository,
    ['ssh://u@h/./r', 'ssh://h:22/~/r', 'ssh://[::1]:22/r', 'ssh://h/r'],
    ['ssh://h', 'ssh://-oProxyCommand=x/r', 'u@h:r', 'ssh://h/a b', 'http://h/r', 'ssh://h:x/r'],
  ],
];

describe.each(table)('%s', (_, pattern, good, bad) => {
  const whole = new RegExp(`^(?:${pattern})$`, 'u');
  it.each(good)('can be %j', (text) => expect(text).toMatch(whole));
  it.each(bad)('cannot be %j', (text) => expect(whole.test(text)).toBe(false));
});
