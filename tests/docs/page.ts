import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The pages for users and for contributors, by their paths in the repository. */
export const pages: readonly string[] = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
  'examples/README.md',
].sort();

export const read = (page: string): string => readFileSync(page, 'utf8');

/** Code is no Markdown: what looks like a link or a heading in it is none. */
const prose = (text: string): string =>
  text.replaceAll(/^( *)```[^]*?^\1```$/gm, '').replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()#]/g, ''));

/** Where the links of a page lead, as they are written. */
export function links(text: string): string[] {
  const inline = [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)];
  const named = [...prose(text).matchAll(/^\[[^\]]+\]: (\S+)$/gm)];
  return [...inline, ...named].map(([, to = '']) => to);
}

/** The names that a page refers to as `[text][name]`, without the ones that it does not define. */
export function undefinedNames(text: string): string[] {
  const defined = new Set([...prose(text).matchAll(/^\[([^\]]+)\]: /gm)].map(([, name]) => name));
  return [...prose(text).matchAll(/\]\[([^\]]+)\]/g)].map(([, name = '']) => name).filter((name) => !defined.has(name));
}

/** What `#…` can lead to on a page: its headings, as GitHub names them. */
export const anchors = (text: string): string[] =>
  [...text.replaceAll(/^( *)```[^]*?^\1```$/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\-_ ]/gu, '')
      .replaceAll(' ', '-'),
  );
