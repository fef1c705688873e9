import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archives, backUp, newest, start } from '../host/fixture.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';

const settings = { backup_paths: ['/etc', '/home', '/srv'], backup_mail_to: [] };
const roles = ['borg', 'postgres', 'sqlite'];
const sqlite = { sqlite_databases: [{ name: 'notes', user: 'alice', paths: ['/home/alice/*.db'] }] };

/** What a Debian administrator does, from a rescue system: the release is named, and all is upgraded; files of settings stay. */
const upgrade = `
sed -i s/bookworm/trixie/g /etc/apt/sources.list
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
apt-get update -q=2
apt-get full-upgrade -q=2 --yes -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold
rm /usr/sbin/policy-rc.d
`;

describe('a host that is upgraded from Debian 12 to 13 in place', () => {
  let lab: Lab;
  let host: Host;
  let before: string[] = [];

  beforeAll(async () => {
    lab = await Lab.open();
    await lab.installCollection();
    host = await lab.boot({ name: 'web', debian: 12 });
    await host.run('useradd --create-home alice; echo first > /srv/page');
    await host.run(
      `python3 -c 'import sqlite3; d = sqlite3.connect("/home/alice/notes.db"); d.execute("CREATE TABLE note AS SELECT 1 AS n"); d.commit()'`,
      { user: 'alice' },
    );
    await host.run(
      'createdb shop && psql -q shop -c "CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) n"',
      {
        user: 'postgres',
      },
    );
    await lab.roles(roles, { ...settings, ...sqlite });
    const { ok, log } = await backUp(host);
    expect(ok, log).toBe(true);
    before = await archives(host);
    await host.powerOff();
    await host.rescue(upgrade, { timeoutSeconds: 1800 });
    await host.boot();
  }, 2_400_000);
  afterAll(() => lab.close());

  it('saves before any role is applied again', async () => {
    expect((await host.run('. /etc/os-release; echo $VERSION_ID; borg --version')).stdout).toMatch(/^13\nborg 1\.4/);
    await host.run('echo second > /srv/page');
    const { ok, log } = await backUp(host);
    expect(ok, log).toBe(true);
    expect(await archives(host)).toEqual(expect.arrayContaining(before));
  });

  it('gives back what it saved before', async () => {
    const old = before.find((name) => name.includes('-files-')) ?? '';
    expect((await host.run(`backup-borg extract --stdout ::${old} srv/page`)).stdout).toBe('first\n');
    await host.run(`backupctl restore --archive ${old} --into /root/before /srv/page`);
    expect(await host.read('/root/before/srv/page')).toBe('first\n');
    const dumps = before.find((name) => name.includes('-dumps-')) ?? '';
    await host.run(`backupctl restore-db --archive ${dumps} --into again postgresql shop`);
    expect((await host.run('psql -At again -c "SELECT count(*) FROM orders"', { user: 'postgres' })).stdout).toBe(
      '1000\n',
    );
  });

  it('is converged by the same roles, and verified by its drill', async () => {
    await lab.roles(roles, { ...settings, ...sqlite });
    const again = await lab.roles(roles, { ...settings, ...sqlite });
    expect(again.recap['web']?.changed).toBe(0);
    const { ok, log } = await backUp(host);
    expect(ok, log).toBe(true);
    expect(await newest(host, 'files')).not.toContain('incomplete');
    const drill = await start(host, 'backup-drill.service');
    expect(drill.ok, drill.log).toBe(true);
  });
});
