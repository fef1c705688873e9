import type { State } from '../schema/fleet.ts';

/** One thing that is wrong with a machine. */
export interface Finding {
  readonly state: State;
  readonly problems: readonly string[];
  readonly remedies: readonly string[];
}

/** In seconds. */
export const day = 86_400;

/** A number that is there only if it is known. */
export const known = <Key extends string>(key: Key, value: number | undefined): { [K in Key]?: number } =>
  (value === undefined || value === 0 ? {} : { [key]: Math.floor(value) }) as { [K in Key]?: number };
