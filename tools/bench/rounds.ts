/** What the rounds of one contestant took, or weighed, sorted. */
export class Rounds {
  private readonly sorted: readonly number[];
  constructor(taken: readonly number[]) {
    this.sorted = [...taken].sort((a, b) => a - b);
  }
  /** The value below which a share of the rounds lies. */
  private at(share: number): number {
    return this.sorted[Math.min(this.sorted.length - 1, Math.floor(share * this.sorted.length))] ?? Number.NaN;
  }
  get median(): number {
    return this.at(0.5);
  }
  get mean(): number {
    return this.sorted.reduce((sum, each) => sum + each, 0) / this.sorted.length;
  }
  get most(): number {
    return this.at(1);
  }
  /** From the lower to the upper quartile. */
  get spread(): readonly [number, number] {
    return [this.at(0.25), this.at(0.75)];
  }
}

export interface Turns {
  /** Before each round, not counted: makes the work of the round. */
  readonly before?: (round: number) => unknown;
  /** Before each turn, not counted. */
  readonly beforeEach?: () => unknown;
  /** The first round counts too: what is measured was warm before. */
  readonly warm?: boolean;
  /** What else is counted, read before and after each turn. */
  readonly meter?: () => number;
}

/** Lets all contestants take turns, so that whatever else the machine does meets them alike; a first round is not counted. */
export async function takeTurns<Name extends string>(
  rounds: number,
  contestants: Readonly<Record<Name, () => unknown>>,
  turns: Turns = {},
): Promise<Record<Name, Rounds>> {
  return (await takeMeteredTurns(rounds, contestants, turns)).taken;
}

/** Like `takeTurns`. @returns the milliseconds that were taken, and what the meter counted in them. */
export async function takeMeteredTurns<Name extends string>(
  rounds: number,
  contestants: Readonly<Record<Name, () => unknown>>,
  { before, beforeEach, warm = false, meter = () => 0 }: Turns,
): Promise<Record<'taken' | 'metered', Record<Name, Rounds>>> {
  const entries = Object.entries(contestants) as [Name, () => unknown][];
  const taken = new Map(entries.map(([name]) => [name, [] as number[]]));
  const metered = new Map(entries.map(([name]) => [name, [] as number[]]));
  for (let round = warm ? 1 : 0; round <= rounds; round++) {
    await before?.(round);
    for (const [name, contest] of round % 2 === 0 ? entries : entries.toReversed()) {
      await beforeEach?.();
      const [begun, count] = [process.hrtime.bigint(), meter()];
      await contest();
      if (round === 0) continue;
      taken.get(name)?.push(Number(process.hrtime.bigint() - begun) / 1e6);
      metered.get(name)?.push(meter() - count);
    }
  }
  const all = (values: ReadonlyMap<Name, readonly number[]>): Record<Name, Rounds> =>
    Object.fromEntries([...values].map(([name, each]) => [name, new Rounds(each)])) as Record<Name, Rounds>;
  return { taken: all(taken), metered: all(metered) };
}

/** Median and quartiles, as two cells of a table. */
export const milliseconds = (rounds: Rounds): [string, string] => cells(rounds, (value) => value.toFixed(0), ' ms');

export const seconds = (rounds: Rounds): [string, string] => cells(rounds, (value) => (value / 1000).toFixed(2), ' s');

export const cells = (
  { median, spread: [low, high] }: Rounds,
  number: (value: number) => string,
  unit: string,
): [string, string] => [`${number(median)}${unit}`, `${number(low)}–${number(high)}${unit}`];

/** How the medians compare. */
export const ratio = (one: Rounds, other: Rounds): string => (one.median / other.median).toFixed(2);

/** The cells “Ratio” and “Reach” of a figure that is to be at most `limit`. */
export const reach = (value: number, limit: number, digits = 2): [string, string] => [
  value.toFixed(digits),
  `≤ ${limit.toFixed(digits)}: ${value <= limit ? 'reached' : '**missed**'}`,
];
