import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { archives } from '../host/fixture.ts';
import type { Host } from '../lab/host.ts';
import type { Lab } from '../lab/lab.ts';
import type { Release } from '../lab/root.ts';

/** A machine of the inventory: what is there of a lab but for `names`, which a reader does not manage. */
export function manage(lab: Lab, ...others: readonly string[]): void {
  const inventory = join(lab.directory, 'inventory');
  const lines = readFileSync(inventory, 'utf8').split('\n');
  writeFileSync(inventory, lines.filter((line) => !others.some((name) => line.startsWith(`${name} `))).join('\n'));
}

/** The machine burns down, and another one gets its name; PostgreSQL is there and empty. */
export async function lose(lab: Lab, host: Host, debian: Release): Promise<Host> {
  await lab.forget(host);
  return lab.boot({ name: host.name, debian });
}

/** The archives that the pages take for an example, and the newest of a machine. */
export async function ownArchives(host: Host): Promise<(readonly [string, string])[]> {
  const all = await archives(host).catch(() => []);
  return ['files', 'dumps'].flatMap((series) => {
    const newest = all.filter((name) => name.startsWith(`web1-${series}-`) && !name.endsWith('.incomplete')).at(-1);
    return newest === undefined ? [] : [[`web1-${series}-2026-01-31T02:00:00Z`, newest] as const];
  });
}
