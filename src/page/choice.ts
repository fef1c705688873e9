import type { Contents, Row } from '../fleet/contents.ts';

/** What of the rows is shown, and in which order. */
export interface Choice {
  readonly search: string;
  /** A place in `states`; -1: each. */
  readonly state: number;
  /** A place in the groups; -1: each. */
  readonly group: number;
  readonly order: Order;
  readonly descending: boolean;
}

/** By the state is the order of the contents: the worst first. */
export type Order = 'state' | 'name' | 'good' | 'drill' | 'next' | 'size' | 'new';

const column: Readonly<Record<Exclude<Order, 'state' | 'name'>, 3 | 4 | 5 | 6 | 7>> = {
  good: 3,
  drill: 4,
  next: 5,
  size: 6,
  new: 7,
};

/** The places of the rows that are chosen, in their order. */
export function chosen({ rows, groups }: Contents, { search, state, group, order, descending }: Choice): number[] {
  const wanted = search.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const has = (row: Row, word: string): boolean =>
    row[0].toLowerCase().includes(word) ||
    row[2].toLowerCase().includes(word) ||
    row[9].some((each) => groups[each]?.toLowerCase().includes(word));
  const found: number[] = [];
  for (const [place, row] of rows.entries())
    if (
      (state < 0 || row[1] === state) &&
      (group < 0 || row[9].includes(group)) &&
      wanted.every((word) => has(row, word))
    )
      found.push(place);
  const at = (place: number): Row => rows[place] as Row;
  if (order === 'name')
    found.sort((one, other) => (at(one)[0] < at(other)[0] ? -1 : at(one)[0] > at(other)[0] ? 1 : 0));
  else if (order !== 'state')
    found.sort((one, other) => at(one)[column[order]] - at(other)[column[order]] || one - other);
  return descending ? found.reverse() : found;
}
