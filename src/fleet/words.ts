import type { State } from '../schema/fleet.ts';

/** What a state is called, for people. */
export const words: Readonly<Record<State, string>> = {
  unreachable: 'Unreachable',
  silent: 'Silent',
  failing: 'Failing',
  overdue: 'Overdue',
  unproven: 'Not verified',
  mind: 'Problems',
  ok: 'ok',
};
