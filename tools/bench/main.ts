/**
 * `npm run bench [-- --quick] [PART…]`: measures side by side, prints what it finds, and puts it on the page, docs/benchmarks.md.
 * With --quick it does little, to see that the parts work, and the page stays as it is.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { bars } from './bars.ts';
import { chunks } from './chunks.ts';
import { converge } from './converge.ts';
import { databases } from './databases.ts';
import { dump } from './dump.ts';
import { fleet } from './fleet.ts';
import { growth } from './growth.ts';
import { hooks } from './hooks.ts';
import { machine } from './machine.ts';
import { million, overhead } from './overhead.ts';
import { page, section } from './page.ts';
import type { Part } from './part.ts';
import { peers } from './peers.ts';
import { planner } from './planner.ts';
import { recovery } from './recovery.ts';
import { restoreDatabase } from './restore-db.ts';
import { restore } from './restore.ts';

/** Every part, in the order of the page. A new one is a file and its name here. */
const parts: Readonly<Record<string, Part>> = {
  growth,
  dump,
  databases,
  chunks,
  overhead,
  million,
  hooks,
  converge,
  fleet,
  peers,
  restore,
  'restore-db': restoreDatabase,
  recovery,
  planner,
};

const file = 'docs/benchmarks.md';
const quick = process.argv.includes('--quick');
const asked = process.argv.slice(2).filter((word) => word !== '--quick');
const unknown = asked.filter((name) => !(name in parts));
if (unknown.length > 0) {
  console.error(`there is no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}, and --quick`);
  process.exit(2);
}
for (const [name, part] of Object.entries(parts)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const begun = Date.now();
  // Before: a commit that is made meanwhile is not what was measured.
  const on = await machine(part.releases);
  const found = await part.measure({ quick });
  const body = section(part, found, on);
  console.log(`${body}\n\n(${name}: ${((Date.now() - begun) / 1000).toFixed(0)} s)\n`);
  const pictures = (found.charts ?? []).map((chart) => [`docs/bench-${chart.name}.svg`, bars(chart)] as const);
  if (quick) continue;
  for (const [path, picture] of pictures) writeFileSync(path, picture);
  writeFileSync(file, page(existsSync(file) ? readFileSync(file, 'utf8') : '', Object.keys(parts), name, body));
}
