import type { Value } from './value.ts';

/** A file of `/etc/backup/prove.d`: which program proves a dump, and its environment; both hold no Jinja. */
export function proofJson(header: string, { command, environment }: { readonly command: readonly Value[]; readonly environment: Readonly<Record<string, Value>> }): string {
  return `${JSON.stringify({ '#': header, command, environment }, undefined, 2)}\n`;
}
