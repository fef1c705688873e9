/** What the rounds of one contestant took, in milliseconds, sorted. */
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
  /** From the lower to the upper quartile. */
  get spread(): readonly [number, number] {
    return [this.at(0.25), this.at(0.75)];
  }
}

/** Lets all contestants take turns, so that whatever else the machine does meets them alike; a first round is not counted. */
export async function takeTurns<Name extends string>(rounds: number, contestants: Readonly<Record<Name, () => unknown>>): Promise<Record<Name, Rounds>> {
  const entries = Object.entries(contestants) as [Name, () => unknown][];
  const taken = new Map(entries.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, contest] of round % 2 === 0 ? entries : entries.toReversed()) {
      const begun = process.hrtime.bigint();
      await contest();
      if (round > 0) taken.get(name)?.push(Number(process.hrtime.bigint() - begun) / 1e6);
    }
  }
  return Object.fromEntries([...taken].map(([name, values]) => [name, new Rounds(values)])) as Record<Name, Rounds>;
}

/** Median and quartiles, as two cells of a table. */
export const milliseconds = ({ median, spread: [low, high] }: Rounds): [string, string] => [`${median.toFixed(0)} ms`, `${low.toFixed(0)}–${high.toFixed(0)} ms`];

/** How the medians compare. */
export const ratio = (one: Rounds, other: Rounds): string => (one.median / other.median).toFixed(2);
