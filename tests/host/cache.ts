import { expect } from 'vitest';
import type { Host } from '../lab/host.ts';
import { backUp } from './fixture.ts';
import { settle } from './mail.ts';

const cache = '/var/cache/borg/[0-9a-f]*';

/** What can happen to the cache that Borg keeps of a repository. */
export const damages = [
  `printf XXXX | dd of=$(echo ${cache}/chunks) bs=1 seek=20000 conv=notrunc status=none`,
  `: > $(echo ${cache}/config)`,
  `: > $(echo ${cache}/chunks)`,
  `rm ${cache}/chunks`,
  `head -c 500 /dev/urandom > $(echo ${cache}/config)`,
];

/** Holds a run after the damage to what it promises: the cache is made anew, and the run is good and tells it. */
export async function isMended(host: Host, damage: string): Promise<void> {
  await host.run(damage);
  const { ok, log } = await backUp(host);
  expect(ok, log).toBe(true);
  expect(log, damage).toContain('cache of it on this machine was damaged. It was dropped');
  await settle(host);
  const { stdout } = await host.run('backupctl status', { mayFail: true });
  expect(stdout).toContain('was damaged. It was dropped');
}
