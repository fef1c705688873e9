import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchors, links, pages, read, undefinedNames } from '../../docs/page.ts';

/** Where the repository is shown; the pages of the tarball call what is not in it by this address. */
const address = /^https:\/\/github\.com\/rootless-backup\/rootless\.backup\/(?:blob|tree|raw)\/main\//;

const shipped = new Set(readFileSync('tests/collection/contents.txt', 'utf8').split('\n'));

/** What a link of a page leads to: a path in the repository, and a heading. */
function target(page: string, to: string): readonly [path: string, anchor: string | undefined] {
  const [path = '', anchor] = to.replace(address, '').split('#');
  if (path === '') return [page, anchor];
  return [address.test(to) ? path : normalize(join(dirname(page), path)), anchor];
}

const isOurs = (to: string): boolean => address.test(to) || !to.includes(':');

describe.each(pages)('%s', (page) => {
  const text = read(page);

  it.each(links(text).filter(isOurs))('leads to something by %s', (to) => {
    const [path, anchor] = target(page, to);
    expect(existsSync(path), path).toBe(true);
    if (anchor !== undefined) expect(anchors(read(path))).toContain(anchor);
    // What is installed has no path to what is not. Galaxy shows the README apart from all else.
    if (shipped.has(page) && !address.test(to)) expect(shipped).toContain(path);
  });

  it('names no link that it does not define', () => expect(undefinedNames(text)).toEqual([]));
});

it.each([
  ['docs/README.md', /^docs\/[^/]+$/],
  ['docs/design/README.md', /^docs\/design\//],
])('%s names every page', (index, below) => {
  const named = links(read(index))
    .filter(isOurs)
    .map((to) => target(index, to)[0]);
  expect(named).toEqual(expect.arrayContaining(pages.filter((page) => below.test(page) && page !== index)));
});
