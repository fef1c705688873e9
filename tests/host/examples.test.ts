import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { Lab, type PlaybookResult } from '../lab/lab.ts';
import { archives, backUp, newest } from './fixture.ts';

let lab: Lab;
const hosts: Record<string, Host> = {};
beforeAll(async () => {
  lab = await Lab.open();
  await lab.unpackCollection();
  cpSync('examples', join(lab.directory, 'examples'), { recursive: true });
  for (const [name, debian] of [
    ['web', 12],
    ['app', 13],
    ['db', 12],
    ['wiki', 13],
    ['old', 12],
  ] as const)
    hosts[name] = await lab.boot({ name, debian });
});
afterAll(() => lab.close());

const host = (name: string): Host => {
  const found = hosts[name];
  if (found === undefined) throw new Error(`there is no host ${name}`);
  return found;
};

/** Runs an example with its own inventory; only the addresses are the lab's. */
async function example(name: string, env: NodeJS.ProcessEnv = {}): Promise<PlaybookResult['recap']> {
  const directory = join(lab.directory, 'examples', name);
  const inventories = [
    '--inventory',
    join(directory, 'inventory.yml'),
    '--inventory',
    join(lab.directory, 'inventory'),
  ];
  return (await lab.run(join(directory, 'playbook.yml'), { args: inventories, env })).recap;
}

/** Runs it twice: the second time changes nothing. */
async function converges(name: string, on: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const first = await example(name, env);
  expect(Object.keys(first).sort()).toEqual([...on].sort());
  for (const { failed, changed } of Object.values(first))
    expect({ failed, changed: changed > 0 }).toEqual({ failed: 0, changed: true });
  for (const { failed, changed } of Object.values(await example(name, env)))
    expect({ failed, changed }).toEqual({ failed: 0, changed: 0 });
  for (const each of on) {
    const { ok, log } = await backUp(host(each));
    expect(ok, log).toBe(true);
  }
}

it('one host: saves itself and its databases in two places', async () => {
  await host('web').run('mkdir -p /mnt/disk');
  await converges('one-host', ['web']);
  for (const place of ['1', '2'])
    expect(
      (await host('web').run(`backup-borg --repository ${place} list --short`)).stdout.trim().split('\n'),
    ).toHaveLength(2);
  expect((await host('web').run(`backup-borg list --short ::${await newest(host('web'), 'dumps')}`)).stdout).toContain(
    'globals.sql',
  );
});

it('a fleet: shares what is in group_vars, and each host has its own', async () => {
  await converges('fleet', ['app', 'db']);
  for (const name of ['app', 'db'])
    expect(await host(name).read('/etc/systemd/system/backup.timer')).toContain('OnCalendar=*-*-* 01:30:00');
  expect(JSON.parse(await host('app').read('/etc/backup/backup.json'))).toMatchObject({
    keep_daily: 60,
    keep_weekly: 8,
  });
  expect(JSON.parse(await host('db').read('/etc/backup/backup.json'))).toMatchObject({
    keep_daily: 14,
    keep_weekly: 8,
  });
  expect(JSON.parse(await host('db').read('/etc/backup/postgresql.json'))).toMatchObject({ exclude: ['scratch'] });
  expect(await host('app').exists('/etc/systemd/system/backup-postgresql.service')).toBe(false);
});

it("a hook of one's own: what it exports is in the backup", async () => {
  await host('wiki').run('install -D /dev/stdin /srv/wiki/page <<< "a page"');
  await converges('own-hook', ['wiki']);
  const exported = `backup-borg extract --stdout ::${await newest(host('wiki'), 'dumps')} backup/wiki/wiki.tar`;
  expect((await host('wiki').run(`${exported} | tar --extract --to-stdout ./page`)).stdout).toBe('a page\n');
});

it('an existing host, adopted: keeps its repository and all archives, and the old job goes', async () => {
  const old = host('old');
  await old.run(
    "export BORG_PASSPHRASE=tulip; borg init --encryption repokey-blake2 /srv/borg && borg create /srv/borg::by-hand-2020 /etc/hostname && echo '0 3 * * * root borg create' > /etc/cron.d/borg",
    { timeoutSeconds: 60 },
  );
  await converges('adopted-host', ['old'], { OLD_PASSPHRASE: 'tulip' });
  expect(await archives(old)).toEqual([
    'by-hand-2020',
    expect.stringMatching(/^old-files-/),
    expect.stringMatching(/^old-dumps-/),
  ]);
  expect(await old.exists('/etc/cron.d/borg')).toBe(false);
});
