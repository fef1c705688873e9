import type { Value } from './value.ts';

/** Which program proves a dump, and its environment; both hold no Jinja. */
export interface Proof {
  readonly command: readonly Value[];
  readonly environment: Readonly<Record<string, Value>>;
}

/** A file of `/etc/backup/prove.d`. */
export function proofJson(header: string, { command, environment }: Proof): string {
  return `${JSON.stringify({ '#': header, command, environment }, undefined, 2)}\n`;
}
