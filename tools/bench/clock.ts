import type { Host } from '../../tests/lab/host.ts';

const log = '/var/lib/borg/bench-calls';

/** Stands in for Borg, and notes when each call began and ended; some milliseconds of it are bash's. */
export const clock = `#!/bin/bash
begun=$EPOCHREALTIME
/usr/bin/borg "$@"
code=$?
echo "$begun $EPOCHREALTIME" >> ${log}
exit $code
`;

/** When work began and ended, and each call of Borg in it, in milliseconds. The hosts have this machine's clock. */
export interface Clocked {
  readonly begun: number;
  readonly ended: number;
  readonly calls: readonly (readonly [number, number])[];
}

/** Does work in which each call of Borg is noted. @throws if there are others than those that are known. */
export async function clocked(host: Host, known: readonly string[], work: () => Promise<unknown>): Promise<Clocked> {
  await host.run(['rm', '-f', log]);
  const begun = Date.now();
  await work();
  const ended = Date.now();
  const calls = (await host.read(log))
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map((word) => Number(word) * 1000) as [number, number]);
  if (calls.length !== known.length)
    throw new Error(`Borg was called ${calls.length} times, and ${known.length} are known: ${known.join(', ')}`);
  return { begun, ended, calls };
}
