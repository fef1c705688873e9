import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { fleetMeans } from '../../src/emit/bundle.ts';
import type { Answer } from '../../src/fleet/answer.ts';
import { made, type Made } from '../../src/fleet/made.ts';
import { asked } from '../machines.ts';

/** What `fleet.cjs` makes of answers, in this process. */
export async function madeOf(answers: readonly Answer[]): Promise<Made> {
  return made(asked(answers), {
    ...(await fleetMeans()),
    digest: (text) => createHash('sha256').update(text).digest('base64'),
    packed: (text) => gzipSync(text, { level: 9 }).toString('base64'),
  });
}
