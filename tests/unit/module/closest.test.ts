import { expect, it } from 'vitest';
import { closest } from '../../../src/module/closest.ts';

it.each([
  ['usr', 'user'],
  ['comand', 'command'],
  ['TIMEOUT', 'timeout'],
  ['ProtectSytem', undefined],
  ['', undefined],
])('%j → %j', (given, want) => expect(closest(given, ['user', 'command', 'timeout'])).toBe(want));
