import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { controlNode, cores } from '../lab/control.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import { releases, type Managed } from '../lab/root.ts';
import type { Fleet } from '../../src/schema/fleet.ts';
import { archives, backUp, newest } from './fixture.ts';

/** What is managed: the releases that are supported, and what becomes the next one. */
const managed: readonly Managed[] = [...releases, 'testing'];

/** What a user does with the collection: both roles, a hook of their own. */
const plays = [
  {
    hosts: 'all',
    roles: ['rootless.backup.borg', 'rootless.backup.postgres'],
    tasks: [
      {
        name: 'Save the wiki with every backup',
        'rootless.backup.hook': {
          name: 'wiki',
          user: 'wiki',
          command: '/usr/bin/cp /srv/wiki/page /backup/wiki/page',
          read: ['/srv/wiki'],
        },
      },
    ],
    vars: { backup_paths: ['/etc', '/srv'] },
  },
];

describe.each(cores)('ansible-core $core, from Debian $debian', (core) => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.open(await controlNode(core));
    await lab.installCollection();
    const hosts = await Promise.all(managed.map((debian) => lab.boot({ name: `debian-${debian}`, debian })));
    for (const host of hosts)
      await host.run(`useradd --create-home wiki; install -D -o wiki -m 600 /dev/stdin /srv/wiki/page <<< 'a page'
        runuser -u postgres -- psql -Xqc 'CREATE DATABASE shop' -c '\\connect shop' -c 'CREATE TABLE sold AS SELECT 42 AS price'`);
    // The first time it makes roots.
  }, 900_000);
  afterAll(() => lab.close());

  const each = async (check: (host: Host) => Promise<void>): Promise<void> =>
    void (await Promise.all(lab.hosts.map(check)));
  const changes = (recap: Awaited<ReturnType<Lab['playbook']>>['recap']): unknown =>
    Object.values(recap).map(({ changed, failed, unreachable }) => ({ changed, failed, unreachable }));
  const none = { changed: 0, failed: 0, unreachable: 0 };

  it('is the one that is said', async () => {
    expect((await lab.ansible('ansible', ['--version'])).stdout).toContain(`ansible [core ${core.core}.`);
  });

  it('shows what it would do on a fresh host, in check mode, and does nothing', async () => {
    // The hook is verified against the role's own units, which are not there yet.
    const { recap } = await lab.playbook(plays, { args: ['--check', '--diff'] });
    expect(changes(recap)).toEqual(
      lab.hosts.map(() => ({ changed: expect.any(Number) as number, failed: 0, unreachable: 0 })),
    );
    for (const { changed } of Object.values(recap)) expect(changed).toBeGreaterThan(1);
    await each(async (host) => expect(await host.exists('/etc/systemd/system/backup.service')).toBe(false));
  });

  it('sets hosts up, which back themselves up', async () => {
    const { recap, stdout, stderr } = await lab.playbook(plays);
    expect(Object.values(recap).map(({ failed }) => failed)).toEqual(lab.hosts.map(() => 0));
    // That not all of the machine is saved is told, once.
    expect(stdout + stderr).toMatch(/backup_paths:\s+nothing\s+of\s+\/home,\s/);
    expect(stdout + stderr).not.toMatch(/DEPRECATION WARNING|\[WARNING\](?!: backup_paths: nothing of \/)/);
    await each(async (host) => {
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(await archives(host)).toHaveLength(2);
    });
  });

  it('changes nothing the second time, nor in check mode', async () => {
    const { recap, stdout, stderr } = await lab.playbook(plays);
    expect(changes(recap)).toEqual(lab.hosts.map(() => none));
    expect(stdout + stderr).not.toContain('[WARNING]');
    expect(changes((await lab.playbook(plays, { args: ['--check', '--diff'] })).recap)).toEqual(
      lab.hosts.map(() => none),
    );
  });

  it('shows all of them on one page', async () => {
    const { stdout, stderr } = await lab.run(join(lab.collection, 'playbooks/fleet.yml'));
    // Ansible's own, of every playbook of a collection.
    const output = (stdout + stderr).replace('[WARNING]: running playbook inside collection rootless.backup', '');
    expect(output, output).not.toMatch(/DEPRECATION WARNING|\[WARNING\]/);
    const { machines } = JSON.parse(readFileSync(join(lab.directory, 'backup-fleet/fleet.json'), 'utf8')) as Fleet;
    expect(machines.map(({ name, state, problems }) => [name, state, problems])).toEqual(
      managed.map((debian) => [`debian-${debian}`, 'ok', []]),
    );
  });

  it('and everything is restored', () =>
    each(async (host) => {
      await host.run(`backup-borg --into /restored extract ::${await newest(host, 'files')} srv/wiki`);
      expect(
        (await host.run('diff -r /srv/wiki /restored/srv/wiki && stat -c "%U %a" /restored/srv/wiki/page')).stdout,
      ).toBe('wiki 600\n');
      const dumps = await newest(host, 'dumps');
      expect((await host.run(`backup-borg extract --stdout ::${dumps} backup/wiki/page`)).stdout).toBe('a page\n');
      await host.run(
        `cd / && runuser -u postgres -- createdb restored && backup-borg extract --stdout ::${dumps} "$(ls -d backup/postgresql/*/shop.dump)" | runuser -u postgres -- pg_restore --exit-on-error --dbname restored`,
      );
      expect(
        (
          await host.run(['psql', '-XqAt', '--dbname', 'restored', '-c', 'SELECT price FROM sold'], {
            user: 'postgres',
          })
        ).stdout,
      ).toBe('42\n');
    }));
});
