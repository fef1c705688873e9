import { buildCollection } from './collection.ts';
import { debianRoot, releases } from './root.ts';

/** Makes what all tests share, the Debian roots and the tarball of the collection, before the first of them asks for it. */
export default async function setup(): Promise<void> {
  await Promise.all([...releases.map((release) => debianRoot(release)), buildCollection()]);
}
