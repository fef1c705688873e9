import { expect, it } from 'vitest';
import { bars } from '../../../tools/bench/bars.ts';

const lengths = (svg: string): number[] =>
  [...svg.matchAll(/<rect x="332" [^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width));
const chart = (...values: readonly number[]): string =>
  bars({
    name: 'x',
    title: 'A title',
    bars: values.map((value) => ({ label: `${value}`, value, text: `${value} s` })),
  });

it('the bars are as long as the values, the longest fills the room', () => {
  expect(lengths(chart(1, 2, 4))).toEqual([95, 190, 380]);
  expect(lengths(chart(3))).toEqual([380]);
});

it('a small value, or none but zeros, can still be seen', () => expect(lengths(chart(0, 0))).toEqual([1, 1]));

it('labels are text, whatever is in them, and end before the bar begins', () => {
  const svg = bars({
    name: 'x',
    title: 'a < b & c',
    bars: [{ label: `<script>${'x'.repeat(100)}`, value: 1, text: '1', ours: true }],
  });
  expect(svg).toContain('<title>a &lt; b &amp; c</title>');
  expect(svg).toContain('&lt;script>');
  expect(svg).not.toContain('<script>');
  expect(svg).toMatch(/x…<\/text>/);
  expect(svg).toContain('fill="#1a7f5a"');
});

it.each([Number.NaN, Number.POSITIVE_INFINITY, -1])('%s is refused, with its name', (value) =>
  expect(() => chart(1, value)).toThrow(`A title: ${value} is ${value}`),
);
