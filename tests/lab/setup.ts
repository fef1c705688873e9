import { debianRoot, releases } from './root.ts';

/** Makes the Debian roots, all at once, before the first test asks for one. */
export default async function setup(): Promise<void> {
  await Promise.all(releases.map((release) => debianRoot(release)));
}
