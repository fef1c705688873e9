/** `npm run bench [-- PART…]`: measures side by side, and prints a table for each part. */
import { cpus, totalmem } from 'node:os';
import { table } from '../../src/render/markdown.ts';
import { converge } from './converge.ts';
import { hooks } from './hooks.ts';
import { overhead } from './overhead.ts';
import { planner } from './planner.ts';

export interface Part {
  readonly title: string;
  readonly columns: readonly string[];
  measure(): Promise<readonly (readonly string[])[]>;
}

const parts: Readonly<Record<string, Part>> = { planner, overhead, hooks, converge };
const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in parts));
if (unknown.length > 0) {
  console.error(`there is no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
console.log(`${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}\n`);
for (const [name, part] of Object.entries(parts)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  console.log(`## ${part.title}\n\n${table(part.columns, await part.measure())}`);
}
