/**
 * The bundle that `plugins/action/fleet_page.py` runs on the control node: what the machines answered as JSON on standard input, the texts
 * of the files and of the mail as JSON on standard output.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import script from 'fleet-script';
import style from 'fleet-style';
import type { Asked } from './answer.ts';
import { made } from './made.ts';

const asked = JSON.parse(readFileSync(0, 'utf8')) as Asked;
const answer = Buffer.from(
  JSON.stringify(
    made(asked, {
      script,
      style,
      digest: (text) => createHash('sha256').update(text).digest('base64'),
      packed: (text) => gzipSync(text, { level: 9 }).toString('base64'),
    }),
  ),
);
// A pipe takes a part at a time.
for (let done = 0; done < answer.length;) done += writeSync(1, answer, done);
