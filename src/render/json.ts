/** A file of `/etc/backup/prove.d`: which program proves a dump, and what it needs; it holds no Jinja. */
export function proofJson(header: string, proof: object): string {
  return `${JSON.stringify({ '#': header, ...proof }, undefined, 2)}\n`;
}
