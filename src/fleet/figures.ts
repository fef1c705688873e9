/** Times and sizes, as people read them; as on the hosts (`rootless_backup/figures.py`). */

const day = 86_400;

/** @param seconds how long */
export function span(seconds: number): string {
  for (const [unit, length] of [
    ['days', day],
    ['h', 3600],
    ['min', 60],
  ] as const)
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  return `${Math.floor(seconds)} s`;
}

/** How long before `now` a time is, or how long after. Both in seconds since 1970. */
export function when(time: number | undefined, now: number): string {
  if (time === undefined) return 'never';
  if (time > now) return time - now < 60 ? 'now' : `in ${span(time - now)}`;
  return now - time < 60 ? 'just now' : `${span(now - time)} ago`;
}

/** `2026-01-31 02:00 UTC`. */
export function stamp(time: number): string {
  const date = new Date(time * 1000);
  return Number.isNaN(date.getTime()) ? 'unknown' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** @param bytes how many */
export function size(bytes: number): string {
  let left = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (left < 1000) return `${unit === 'B' ? left.toFixed(0) : left.toFixed(1)} ${unit}`;
    left /= 1000;
  }
  return `${left.toFixed(1)} TB`;
}
