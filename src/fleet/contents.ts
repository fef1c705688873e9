import { states, type Fleet, type Machine } from '../schema/fleet.ts';

/** What the page holds of the fleet: an index of all machines for its rows, and the machines themselves, a chunk of them at a time. */
export interface Contents {
  readonly made: number;
  readonly version: string;
  readonly groups: readonly string[];
  /** The worst first; a machine is known by its place here. */
  readonly rows: readonly Row[];
}

/** `[name, state, first problem or what else is to be known, last good, last drill, next run, size, new, sparkline, groups]`; times and sizes 0: not known. */
export type Row = readonly [string, number, string, number, number, number, number, number, string, readonly number[]];

/** How many machines are unpacked at once when one of them is opened. */
export const chunkLength = 250;

export function contents({ made, version, machines }: Fleet): Contents {
  const groups = [...new Set(machines.flatMap((machine) => machine.groups))].sort();
  const place = new Map(groups.map((group, index) => [group, index]));
  return {
    made,
    version,
    groups,
    rows: machines.map((machine) => [
      machine.name,
      states.indexOf(machine.state),
      (machine.problems[0] ?? note(machine)).slice(0, 160),
      machine.last_good ?? 0,
      machine.last_drill ?? 0,
      machine.next_run ?? 0,
      round(machine.original_size ?? 0),
      round(machine.deduplicated_size ?? 0),
      sparkline(machine.history),
      machine.groups.map((group) => place.get(group) ?? 0),
    ]),
  };
}

/** What is to be known of a machine that is well. */
const note = ({ clients, older, version }: Machine): string =>
  [
    ...(clients === undefined ? [] : [`keeps the repositories of ${clients.length} machines`]),
    ...(older ? [`an older version of the collection${version === undefined ? '' : ` (${version})`}`] : []),
  ].join('; ');

/** A machine as the page holds it: its runs by columns, as precise as they are shown, which packs into half. */
export type Packed = Omit<Machine, 'history'> & { readonly history: Readonly<Record<keyof Run, readonly number[]>> };
type Run = Machine['history'][number];

/** The machines in chunks. */
export function chunks({ machines }: Fleet): Packed[][] {
  const all = machines.map(packed);
  return Array.from({ length: Math.ceil(all.length / chunkLength) }, (_, index) =>
    all.slice(index * chunkLength, (index + 1) * chunkLength),
  );
}

function packed({ history, ...machine }: Machine): Packed {
  // In minutes after the one before.
  const minutes = history.map(({ finished }) => Math.round(finished / 60));
  return {
    ...machine,
    history: {
      finished: minutes.map((each, index) => each - (minutes[index - 1] ?? 0)),
      ok: history.map(({ ok }) => (ok ? 1 : 0)),
      took: history.map(({ took }) => round(took, 2)),
      original_size: history.map(({ original_size }) => round(original_size)),
      deduplicated_size: history.map(({ deduplicated_size }) => round(deduplicated_size, 2)),
    },
  };
}

/** The machine that was packed. */
export function unpacked({ history, ...machine }: Packed): Machine {
  let minutes = 0;
  return {
    ...machine,
    history: history.finished.map((more, index) => ({
      finished: (minutes += more) * 60,
      ok: history.ok[index] === 1,
      took: history.took[index] ?? 0,
      original_size: history.original_size[index] ?? 0,
      deduplicated_size: history.deduplicated_size[index] ?? 0,
    })),
  };
}

/** To so many digits. */
const round = (value: number, digits = 4): number => Number(value.toPrecision(digits));

/** A letter a run: `!` is one that failed; from `0` (the smallest size of them) on, `levels` more. */
export const levels = 30;

export function sparkline(history: Machine['history']): string {
  const sizes = history.filter(({ ok }) => ok).map(({ original_size }) => original_size);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  return history
    .map(({ ok, original_size }) =>
      ok
        ? String.fromCharCode(
            48 + (most === least ? levels / 2 : Math.round(((original_size - least) / (most - least)) * levels)),
          )
        : '!',
    )
    .join('');
}

/** The height of each run in a sparkline, from 0 to 1; `undefined`: it failed. */
export const heights = (line: string): (number | undefined)[] =>
  Array.from(line, (letter) => (letter === '!' ? undefined : (letter.charCodeAt(0) - 48) / levels));
