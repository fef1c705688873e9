import type { Value } from './value.ts';

/** Which program proves a dump, and what it needs; it holds no Jinja. */
export interface Proof {
  /** Program and arguments. */
  readonly command: readonly Value[];
  /** What makes, once, what all proofs only read. */
  readonly prepare?: readonly Value[];
  readonly environment: Readonly<Record<string, Value>>;
}

/** A file of `/etc/backup/prove.d`. */
export function proofJson(header: string, proof: Proof): string {
  return `${JSON.stringify({ '#': header, ...proof }, undefined, 2)}\n`;
}
