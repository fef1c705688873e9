import { afterAll, beforeAll, describe } from 'vitest';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import { releases, type Release } from '../lab/root.ts';

/** What a test of one release works with; `host` is booted and reached by Ansible. */
export interface Fixture {
  lab: Lab;
  host: Host;
  readonly release: Release;
}

/**
 * The same tests on every release, each with a lab and a host of its own.
 * `prepare` runs once, when the host is up and the collection installed.
 */
export function onEachRelease(
  title: string,
  prepare: (fixture: Fixture) => Promise<void>,
  tests: (fixture: Fixture) => void,
): void {
  describe.each(releases.map((release) => ({ release })))(`${title}, on Debian $release`, ({ release }) => {
    const fixture = { release } as Fixture;
    beforeAll(async () => {
      fixture.lab = await Lab.open();
      await fixture.lab.unpackCollection();
      fixture.host = await fixture.lab.boot({ name: 'web', debian: release });
      await prepare(fixture);
    });
    afterAll(() => fixture.lab.close());
    tests(fixture);
  });
}

/** Starts the backup and waits for its end. @returns its journal and whether it succeeded. */
export const backUp = (host: Host): Promise<{ ok: boolean; log: string }> => start(host, 'backup.service');

/** Starts a oneshot service and waits for its end. @returns its journal and whether it succeeded. */
export async function start(host: Host, unit: string): Promise<{ ok: boolean; log: string }> {
  const { code } = await host.run(`systemctl start ${unit}`, { mayFail: true });
  const invocation = (
    await host.run(`systemctl show --property=InvocationID --value ${unit}; journalctl --sync`)
  ).stdout.trim();
  const { stdout } = await host.run(
    `journalctl --output=cat --no-pager _SYSTEMD_INVOCATION_ID=${invocation} + INVOCATION_ID=${invocation}`,
  );
  return { ok: code === 0, log: stdout };
}

/** The names of the archives in the first repository, oldest first. */
export async function archives(host: Host): Promise<string[]> {
  return (await host.run("backup-borg list --format '{archive}{NL}'")).stdout.split('\n').filter(Boolean);
}

/** The name of the newest archive of a series. */
export async function newest(host: Host, series: Series): Promise<string> {
  return newestOf(await archives(host), series);
}

/** The newest of a series among these archives. */
export function newestOf(names: readonly string[], series: Series): string {
  const name = names.filter((archive) => archive.includes(`-${series}-`)).at(-1);
  if (name === undefined) throw new Error(`there is no archive of ${series}`);
  return name;
}

type Series = 'files' | 'dumps';
