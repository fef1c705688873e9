/**
 * `npm run check [-- GATE …]`: every static gate, or those that are named, some at a time; each that fails shows what it found.
 */
import { availableParallelism } from 'node:os';
import { gates, type Gate } from './gates/gates.ts';

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => gates[name] === undefined);
if (unknown.length > 0) {
  console.error(`There is no gate ${unknown.join(', ')}; there are ${Object.keys(gates).join(', ')}.`);
  process.exit(2);
}
const queue = Object.entries(gates).filter(([name]) => asked.length === 0 || asked.includes(name));

const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(1)} s`;
const begun = Date.now();
const failed: string[] = [];

async function pass([name, gate]: [string, Gate]): Promise<void> {
  const since = Date.now();
  try {
    await gate();
    console.log(`ok      ${name} (${seconds(since)})`);
  } catch (error) {
    failed.push(name);
    console.log(
      `FAILED  ${name} (${seconds(since)})\n${(error instanceof Error ? error.message : String(error)).replaceAll(/^/gm, '        ')}`,
    );
  }
}

async function worker(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) await pass(next);
}

await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
console.log(
  failed.length === 0
    ? `\nAll gates are green (${seconds(begun)}).`
    : `\nNot green: ${failed.join(', ')} (${seconds(begun)}).`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
