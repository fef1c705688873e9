/**
 * How Borg cuts dumps that are smaller together than so many GiB. With small chunks a change costs little, but each chunk costs memory:
 * with these limits, half of what was measured, Borg stays within 512 MiB. The last is Borg's own size.
 * @see docs/benchmarks.md "Memory and time by the size of a dump and of its chunks"
 * @see borg-create(1) "--chunker-params"
 */
export const dumpChunks = {
  small: { below: 16, params: 'buzhash,12,20,15,4095' },
  between: { below: 64, params: 'buzhash,14,22,17,4095' },
  large: { below: undefined, params: 'buzhash,19,23,21,4095' },
} as const;
