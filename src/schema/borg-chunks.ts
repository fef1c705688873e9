/**
 * How Borg cuts dumps that are smaller together than so many GiB. With small chunks a change costs little, but each chunk costs memory:
 * with these limits, half of what was measured, Borg stays within 256 MiB. The last is Borg's own size.
 * @see docs/benchmarks.md "Memory and time by the size of a dump and of its chunks"
 * @see borg-create(1) "--chunker-params"
 */
export const dumpChunks = {
  small: { below: 4, params: 'buzhash,12,20,15,4095' },
  between: { below: 32, params: 'buzhash,14,22,17,4095' },
  large: { below: undefined, params: 'buzhash,19,23,21,4095' },
} as const;

/**
 * How the setting of this name has dumps cut: `[below how many bytes, parameters]`, as an expression of Jinja.
 * Parameters that are given hold for every size.
 */
export function dumpChunksBySize(setting: string): string {
  const sizes = Object.values(dumpChunks).map(
    ({ below, params }) => `[${below === undefined ? 'none' : below * 2 ** 30}, '${params}']`,
  );
  return `[${sizes.join(', ')}] if ${setting} == 'auto' else [[none, ${setting} | string]]`;
}
