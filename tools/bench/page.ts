import { table } from '../../src/render/markdown.ts';
import type { Found, Part } from './part.ts';

const head = `<!-- Written by \`npm run bench\`. Do not edit. -->

# What it costs

Measured side by side by \`npm run bench\` on throwaway Debian hosts: those that are compared take turns within one run, so that whatever
else the machine does meets them alike, and what counts is the ratio. A first round is not counted. Quartiles stand beside each
median. Where a figure is to stay below a limit, the column “Reach” says which, and whether it does.

The method of the article, with which much is compared, is that of “Borg Backup without root”: \`pg_dump -Fc\`, then \`borg create\` with lz4 and
Borg's own size of chunks.

Our settings are at their defaults, but for those that a part names.
`;
const open = (name: string): string => `<!-- part ${name} -->`;
const close = (name: string): string => `<!-- end of part ${name} -->`;

/** A section of the page. `machine` says on what and when it was measured. */
export function section(
  { title, about, settings }: Part,
  { tables, charts = [], remarks = [] }: Found,
  machine: string,
): string {
  return [
    `## ${title}`,
    about,
    `Settings: ${settings}`,
    ...tables.map(({ columns, rows }) => table(columns, rows).trimEnd()),
    ...charts.map((chart) => `![${chart.title}](bench-${chart.name}.svg)`),
    ...remarks,
    `*${machine}*`,
  ].join('\n\n');
}

/**
 * The page `text` with this section in place of the one that the part had; the other sections stay. `names` are all parts, in their order.
 * A section of a part that there is no more goes.
 */
export function page(text: string, names: readonly string[], name: string, body: string): string {
  const sections = names.map((each) => {
    const found = each === name ? `\n${body}\n` : between(text, open(each), close(each));
    return found === undefined ? '' : `\n${open(each)}\n${found}\n${close(each)}\n`;
  });
  return head + sections.join('');
}

function between(text: string, from: string, to: string): string | undefined {
  const start = text.indexOf(`${from}\n`);
  const end = text.indexOf(`\n${to}`);
  return start < 0 || end < start ? undefined : text.slice(start + from.length + 1, end);
}
