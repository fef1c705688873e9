import { expect, it } from 'vitest';
import { reach, Rounds, takeMeteredTurns, takeTurns } from '../../../tools/bench/rounds.ts';

it('median and quartiles are those of the sorted rounds', () => {
  const rounds = new Rounds([50, 10, 40, 20, 30]);
  expect([rounds.median, ...rounds.spread, rounds.mean]).toEqual([30, 20, 40, 30]);
});

it('contestants alternate in who begins, what comes before is done for each, and a first round does not count', async () => {
  const done: string[] = [];
  const taken = await takeTurns(
    2,
    { a: () => done.push('a'), b: () => done.push('b') },
    { before: (round) => done.push(String(round)), beforeEach: () => done.push('.') },
  );
  expect(done.join('')).toBe('0.a.b1.b.a2.a.b');
  expect(Object.keys(taken)).toEqual(['a', 'b']);
});

it('what the meter counts is that of the turn alone', async () => {
  let count = 0;
  const { metered } = await takeMeteredTurns(
    3,
    { a: () => (count += 5), b: () => (count += 1) },
    { beforeEach: () => (count += 100), meter: () => count, warm: true },
  );
  expect([metered.a.median, metered.b.median]).toEqual([5, 1]);
});

it.each([
  [0.1, '≤ 0.10: reached'],
  [0.101, '≤ 0.10: **missed**'],
])('%s is judged by itself, not by how it is written', (value, verdict) => {
  expect(reach(value, 0.1)).toEqual(['0.10', verdict]);
});
