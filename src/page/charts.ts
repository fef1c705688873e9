/// <reference lib="dom" />
import type { Machine } from '../schema/fleet.ts';
import { heights } from '../fleet/contents.ts';
import { size, span, stamp } from '../fleet/figures.ts';
import { drawing } from './elements.ts';

type Shape = [string, Record<string, string | number>];

const two = (value: number): string => value.toFixed(2);

/** The size of each run as a line, and a mark for each that failed. */
export function spark(line: string): SVGElement | string {
  const all = heights(line);
  if (all.length === 0) return '';
  const step = 100 / Math.max(1, all.length - 1);
  const failed = all.filter((each) => each === undefined).length;
  const points = all.flatMap((each, index) =>
    each === undefined ? [] : [`${two(index * step)},${two(22 - each * 18)}`],
  );
  return drawing(
    `The size of the last ${all.length} runs; ${failed === 0 ? 'none' : failed} of them failed.`,
    ...(points.length === 1
      ? ([['circle', { class: 'bar', cx: points[0]?.split(',')[0] ?? 0, cy: 13, r: 2 }]] as Shape[])
      : []),
    ['polyline', { class: 'line', points: points.join(' ') }],
    ...all.flatMap((each, index): Shape[] =>
      each === undefined ? [['rect', { class: 'miss', x: two(index * step - 1), y: 24, width: 2, height: 4 }]] : [],
    ),
  );
}

/** A figure of each run as bars. */
export function bars(
  history: Machine['history'],
  what: string,
  figure: (run: Machine['history'][number]) => number,
): SVGElement {
  const most = Math.max(1, ...history.map(figure));
  const step = 100 / history.length;
  return drawing(
    `${what}: ${history.map((run) => `${stamp(run.finished)} ${run.ok ? size(figure(run)) : 'failed'}`).join(', ')}`,
    ...history.map((run, index): Shape => {
      const height = run.ok ? Math.max(0.5, (figure(run) / most) * 26) : 4;
      return [
        'rect',
        {
          class: run.ok ? 'bar' : 'miss',
          x: two(index * step),
          y: two(28 - height),
          width: two(step * 0.7),
          height: two(height),
        },
      ];
    }),
  );
}

/** How much the machine grew, and in how long, by the first and the last good of its runs. */
export function growth(history: Machine['history']): string {
  const good = history.filter(({ ok }) => ok);
  const [first, last] = [good[0], good.at(-1)];
  if (first === undefined || last === undefined || first === last) return '';
  const more = last.original_size - first.original_size;
  return `${more < 0 ? '−' : '+'}${size(Math.abs(more))} in ${span(Math.max(0, last.finished - first.finished))}`;
}
