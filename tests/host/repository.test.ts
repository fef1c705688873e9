import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import type { PlaybookResult } from '../lab/lab.ts';
import type { Fleet, Machine } from '../../src/schema/fleet.ts';
import { archives, backUp, onEachRelease, type Fixture } from './fixture.ts';

let server: Host;
let app: Host;

/** Says in the inventory where a host saves to, beside what it saves. */
function saves(fixture: Fixture, host: string, settings: object): void {
  mkdirSync(join(fixture.lab.directory, 'host_vars'), { recursive: true });
  writeFileSync(join(fixture.lab.directory, 'host_vars', `${host}.yml`), JSON.stringify(settings));
}

/** The one playbook of the documentation: the server first, then who saves to it. */
const apply = (
  fixture: Fixture,
  { clients = 'web:app', ...options }: { clients?: string; args?: readonly string[]; mayFail?: boolean } = {},
): Promise<PlaybookResult> => {
  const play = (hosts: string, role: string): object => ({
    hosts,
    gather_facts: false,
    tasks: [{ name: role, 'ansible.builtin.include_role': { name: `rootless.backup.${role}` } }],
  });
  return fixture.lab.playbook(
    [play('store', 'repository'), ...(clients === '' ? [] : [play(clients, 'borg')])],
    options,
  );
};

/** The name of a client's account, as the server knows it. */
async function accountOf(client: string): Promise<string> {
  const { accounts } = JSON.parse(await server.read('/etc/backup/repository-accounts.json')) as {
    accounts: { name: string; account: string }[];
  };
  return accounts.find(({ name }) => name === client)?.account ?? 'nobody';
}

/** What a client gets that comes to an account with the key of the backup. */
const ssh = (
  from: Host,
  to: string,
  command: string,
  options = '',
): Promise<{ code: number; stdout: string; stderr: string }> =>
  from.run(
    `ssh -F /dev/null -i /etc/credstore/borg.ssh-key -o BatchMode=yes -o UserKnownHostsFile=/etc/backup/known_hosts ${options} ${to}@${server.address} ${command}`,
    { mayFail: true, timeoutSeconds: 30 },
  );

/** How the repository of a client does, as the server's program says it. */
async function statusOf(client: string): Promise<{ held_bytes: number; generations: string[] }> {
  const all = JSON.parse((await server.run('repositoryctl status --json')).stdout) as {
    name: string;
    held_bytes: number;
    generations: string[];
  }[];
  const found = all.find(({ name }) => name === client);
  if (found === undefined) throw new Error(`there is no client ${client}`);
  return found;
}

/** Has the server keep what is there, as if the last generation were an hour old. @returns the generations, oldest first. */
async function keep(client: string, mayFail = false): Promise<string[]> {
  const directory = `/srv/repositories/.generations/${await accountOf(client)}`;
  const known = (await statusOf(client)).generations;
  for (const name of known) {
    const [day = '', time = ''] = name.split('T');
    const hourBefore = new Date(`${day}T${time.replaceAll('-', ':')}`).getTime() - 3_600_000;
    const earlier = new Date(hourBefore)
      .toISOString()
      .replace(/\.\d+/, '')
      .replace(/T(.*)$/, (_, rest: string) => `T${rest.replaceAll(':', '-')}`);
    await server.run(['mv', `${directory}/${name}`, `${directory}/${earlier}`]);
  }
  await server.run('systemctl start repository-keep.service', { mayFail, timeoutSeconds: 120 });
  return (await statusOf(client)).generations;
}

onEachRelease(
  'a server of repositories',
  async (fixture) => {
    server = await fixture.lab.boot({ name: 'store', debian: fixture.release });
    // The tests say when it is time.
    await server.write(
      '/etc/systemd/system/repository-keep.timer.d/late.conf',
      '[Timer]\nOnBootSec=\nOnUnitInactiveSec=\nOnBootSec=1d\n',
    );
    // Both releases save to a server of either.
    app = await fixture.lab.boot({ name: 'app', debian: fixture.release === 12 ? 13 : 12 });
    for (const name of ['web', 'app'])
      saves(fixture, name, { borg_repositories: [{ server: 'store' }], backup_paths: ['/etc'] });
  },
  (fixture) => {
    it('in check mode, on machines that know nothing yet, says what would come, and makes nothing', async () => {
      const { recap } = await apply(fixture, { args: ['--check'] });
      for (const name of ['store', 'web', 'app']) expect(recap[name]).toMatchObject({ failed: 0 });
      expect(() => statSync(join(fixture.lab.directory, 'backup-secrets'))).toThrow('ENOENT');
      expect(await server.exists('/etc/backup/repository-accounts.json')).toBe(false);
    });

    it('and its clients are set up by one run of one playbook, and a second one changes nothing', async () => {
      const { recap } = await apply(fixture);
      for (const name of ['store', 'web', 'app']) expect(recap[name]).toMatchObject({ failed: 0 });
      for (const client of [fixture.host, app]) {
        const { ok, log } = await backUp(client);
        expect(ok, log).toBe(true);
        expect(await archives(client)).toHaveLength(2);
      }
      const again = await apply(fixture);
      for (const name of ['store', 'web', 'app'])
        expect([name, again.recap[name]?.failed, again.recap[name]?.changed]).toEqual([name, 0, 0]);
      // The server is asked once for its role.
      expect(again.sshExecutions).toBeLessThanOrEqual(3);
    });

    it('is on the page of all machines with what it keeps for each; of one that is dead it says when that saved last', async () => {
      const { lab } = fixture;
      const inventory = join(lab.directory, 'dead-inventory');
      writeFileSync(
        inventory,
        readFileSync(join(lab.directory, 'inventory'), 'utf8').replace(app.address, '10.77.0.250'),
      );
      const ask = async (): Promise<Record<string, Machine>> => {
        await lab.run(join(lab.collection, 'playbooks/fleet.yml'), {
          args: ['-i', inventory, '-e', 'fleet_fail=false'],
        });
        const { machines } = JSON.parse(readFileSync(join(lab.directory, 'backup-fleet/fleet.json'), 'utf8')) as Fleet;
        return Object.fromEntries(machines.map((machine) => [machine.name, machine]));
      };
      await server.run('systemctl start repository-keep.service', { timeoutSeconds: 120 });
      const first = await ask();
      expect(first['app']?.problems).toEqual([
        expect.stringMatching(/^It cannot be reached: “/),
        expect.stringMatching(/^The server store last got something from it (?:just now|\d+ (?:s|min) ago)\.$/),
      ]);
      expect(first['app']?.state).toBe('unreachable');
      const kept = { absent: false, generations: 1, live_size: expect.any(Number) as number };
      expect(first['web']).toMatchObject({ state: 'ok', servers: [{ server: 'store', ...kept }] });
      expect(first['store']).toMatchObject({ state: 'ok', problems: [] });
      expect(first['store']?.clients?.map(({ client, remembered }) => [client, remembered]).sort()).toEqual([
        ['app', true],
        ['web', true],
      ]);
      // It got nothing for long, whatever the machine says, which stays as it is.
      const seen = `/var/lib/backup-repository/seen/${await accountOf('web')}.json`;
      await server.run(
        `python3 -c 'import json, sys, time; p = sys.argv[1]; s = json.load(open(p)); s["changed"] = time.time() - 5 * 86400; json.dump(s, open(p, "w"))' ${seen}`,
      );
      const second = await ask();
      expect(second['web']).toMatchObject({ state: 'overdue', last_good: first['web']?.last_good ?? 0 });
      expect(second['web']?.problems[0]).toBe(
        'The server store got nothing from it for longer than 36 hours; the last came 5 days ago.',
      );
      // As if nothing had been kept yet.
      await server.run('rm -r /srv/repositories/.generations/* /var/lib/backup-repository/seen/*');
    });

    it('keeps each client to its own repository: no shell, no forwarding, no other place, whoever asks', async () => {
      const own = await accountOf('web');
      const other = await accountOf('app');
      expect((await ssh(fixture.host, other, 'borg serve')).stderr).toContain('Permission denied');
      for (const command of ['id', '"cat /etc/passwd"', 'borg serve --restrict-to-path /', 'sftp']) {
        const { stdout } = await ssh(fixture.host, own, command, '-o ConnectTimeout=10 < /dev/null');
        expect(stdout).not.toMatch(/uid=|root:/);
      }
      expect((await ssh(fixture.host, own, '', `-N -o ExitOnForwardFailure=yes -R 4444:localhost:22`)).code).not.toBe(
        0,
      );
      expect((await ssh(fixture.host, own, '', `-W ${server.address}:22`)).code).not.toBe(0);
      const elsewhere = (path: string): Promise<{ code: number; stderr: string }> =>
        fixture.host.run(
          `BORG_RSH='ssh -F /dev/null -i /etc/credstore/borg.ssh-key -o BatchMode=yes -o UserKnownHostsFile=/etc/backup/known_hosts' BORG_BASE_DIR=/tmp/borg borg init --encryption none ssh://${own}@${server.address}${path}`,
          { mayFail: true, timeoutSeconds: 60 },
        );
      for (const path of ['/./second', `/srv/repositories/${other}/repository`, '/tmp/elsewhere']) {
        const { code, stderr } = await elsewhere(path);
        expect(code).not.toBe(0);
        expect(stderr).toContain('not allowed');
      }
      // Nor does the kernel let its account see or write what is another's.
      for (const command of [
        `ls /srv/repositories/${other}`,
        'ls /srv/repositories',
        'touch /srv/repositories/mine',
        `touch /etc/backup/repository-keys/${own}`,
        'ls /var/lib/backup-repository',
      ])
        expect((await server.run(command, { user: own, mayFail: true })).code, command).not.toBe(0);
    });

    it('is given nothing that a client says: neither its keys nor what it says as a fact', async () => {
      const key = readFileSync(join(fixture.lab.directory, 'backup-secrets/web/repository-key.pub'), 'utf8').trim();
      expect(await server.read(`/etc/backup/repository-keys/${await accountOf('web')}`)).toBe(
        `command="borg serve --restrict-to-repository /srv/repositories/${await accountOf('web')}/repository",restrict ${key
          .split(' ')
          .slice(0, 2)
          .join(' ')} backup@web\n`,
      );
      const lie = {
        hosts: 'web',
        gather_facts: false,
        tasks: [
          {
            name: 'A module of somebody else that a host answers with facts',
            'ansible.builtin.set_fact': { backup_secrets_dir: '/tmp/lie', cacheable: true },
          },
        ],
      };
      const { stdout, stderr, recap } = await fixture.lab.playbook([
        lie,
        {
          hosts: 'store',
          gather_facts: false,
          tasks: [{ name: 'server', 'ansible.builtin.include_role': { name: 'rootless.backup.repository' } }],
        },
      ]);
      expect(recap['store']).toMatchObject({ failed: 0, changed: 0 });
      expect(`${stdout}${stderr}`.replaceAll(/\s+/g, ' ')).toContain('the host itself says it, as a fact');
      expect(() => statSync('/tmp/lie')).toThrow('ENOENT');
    });

    it('keeps what a client deletes and compacts away, and brings it back equal', async () => {
      const client = fixture.host;
      await client.run('dd if=/dev/urandom of=/etc/large bs=1M count=8 status=none');
      expect((await backUp(client)).ok).toBe(true);
      const before = await archives(client);
      const sum = (await client.run('sha256sum < /etc/large')).stdout;
      await keep('web');
      expect((await keep('web')).length, 'nothing changed').toBe(1);
      // As root of the client, with all that it has.
      await client.run("backup-borg delete --force --glob-archives '*'; backup-borg compact --threshold 0");
      expect(await archives(client)).toEqual([]);
      const [name = ''] = await keep('web').then((names) => names.slice(0, 1));
      const { held_bytes: held } = await statusOf('web');
      console.log(`what was deleted takes ${held} bytes on the server`);
      expect(held).toBeGreaterThan(8_000_000);
      expect(held).toBeLessThan(16_000_000);
      await server.run(['repositoryctl', 'restore', 'web', '--at', name, '--in-place']);
      // To this host, which saw the later state, the earlier one would look like an attack.
      await client.run('rm -rf /var/lib/borg/.config/borg/security /var/cache/borg/*');
      expect(await archives(client)).toEqual(before);
      const newestFiles = before.find((each) => each.includes('-files-')) ?? '';
      expect(
        (
          await client.run(
            `backup-borg extract --stdout ::${before.filter((each) => each.includes('-files-')).at(-1) ?? newestFiles} etc/large | sha256sum`,
          )
        ).stdout,
      ).toBe(sum);
      expect((await client.run('backup-borg check --verify-data', { mayFail: true, timeoutSeconds: 120 })).code).toBe(
        0,
      );
      expect((await backUp(client)).ok).toBe(true);
    });

    it('keeps what is there from whatever else a client does: another passphrase, settings, a repair, a clock that is ahead', async () => {
      const client = fixture.host;
      const known = await keep('web');
      const generation = `/srv/repositories/.generations/${await accountOf('web')}/${known.at(-1) ?? ''}`;
      const sums = async (): Promise<string> =>
        (await server.run(`cd ${generation} && find . -type f | sort | xargs sha256sum`)).stdout;
      const before = await sums();
      for (const attack of [
        'backup-borg config "$(grep -o "ssh://[^\\"]*" /etc/backup/borg.json)" max_segment_size 6000000',
        'backup-borg create --timestamp 2099-01-01T00:00:00 ::future /etc/hostname',
        'BORG_CHECK_I_KNOW_WHAT_I_AM_DOING=YES backup-borg check --repair',
        "backup-borg delete --force --glob-archives '*'",
        'backup-borg compact --threshold 0',
        `cd /etc/credstore; env BORG_BASE_DIR=/tmp/other BORG_PASSCOMMAND='cat borg.passphrase' BORG_NEW_PASSPHRASE=mine BORG_RSH='ssh -F /dev/null -i borg.ssh-key -o UserKnownHostsFile=/etc/backup/known_hosts' borg key change-passphrase "$(grep -o 'ssh://[^"]*' /etc/backup/borg.json)"`,
      ])
        await client.run(attack, { mayFail: true, timeoutSeconds: 120 });
      expect((await client.run('backup-borg list', { mayFail: true })).code).not.toBe(0);
      expect(await sums()).toBe(before);
      expect((await server.run(`stat --format %U:%a ${generation}/data/0/*`)).stdout).toMatch(/^(?:root:440\n)+$/);
      expect((await server.run(`ls ${generation}`, { user: await accountOf('web'), mayFail: true })).code).not.toBe(0);
      const { stdout } = await server.run(['repositoryctl', 'restore', 'web', '--at', known.at(-1) ?? '']);
      // Without its key: all that is stored is whole.
      await server.run(
        `BORG_BASE_DIR=/tmp/borg borg check --repository-only ${stdout.trim()} && rm -r ${stdout.trim()}`,
      );
      await server.run(['repositoryctl', 'restore', 'web', '--at', known.at(-1) ?? '', '--in-place']);
      await client.run('rm -rf /var/lib/borg/.config/borg/security /var/cache/borg/*');
      expect((await backUp(client)).ok).toBe(true);
    });

    it('makes generations while a session is held and while another compacts, and each is whole', async () => {
      const client = fixture.host;
      const own = await accountOf('web');
      const serve = `ssh -F /dev/null -i /etc/credstore/borg.ssh-key -o BatchMode=yes -o UserKnownHostsFile=/etc/backup/known_hosts ${own}@${server.address} borg serve`;
      await client.run(`systemd-run --unit=held sh -c 'tail -f /dev/null | ${serve}'`);
      await client.run(
        `systemd-run --unit=churn sh -c 'for i in 1 2 3 4 5 6; do dd if=/dev/urandom of=/etc/churn bs=1M count=2 status=none; backup-borg create ::churn-$i /etc/churn && backup-borg delete ::churn-$i; backup-borg compact --threshold 0; done'`,
      );
      const made = new Set<string>();
      for (let round = 0; round < 4; round++) for (const name of await keep('web', true)) made.add(name);
      await client.run(
        'systemctl stop held; while systemctl is-active --quiet churn; do sleep 0.2; done; rm -f /etc/churn',
      );
      await keep('web');
      const directory = `/srv/repositories/.generations/${own}`;
      for (const name of (await server.run(`ls ${directory}`)).stdout.split('\n').filter(Boolean))
        await server.run(
          `cp -a ${directory}/${name} /tmp/checked && BORG_BASE_DIR=/tmp/borg borg check --repository-only /tmp/checked && rm -r /tmp/checked`,
        );
    });

    it('lets a client in no more that takes more than it may, and again when that is gone', async () => {
      saves(fixture, 'store', { repository_most: '1M' });
      expect((await apply(fixture, { clients: '' })).recap['store']).toMatchObject({ failed: 0 });
      expect((await server.run('systemctl start repository-keep.service', { mayFail: true })).code).not.toBe(0);
      expect((await server.run('journalctl --unit=repository-keep --no-pager')).stdout).toContain(
        'are allowed (repository_most), so it is let in no more',
      );
      const { ok, log } = await backUp(fixture.host);
      expect(ok).toBe(false);
      expect(log).toContain('this server lets this machine in no more');
      expect((await server.run('repositoryctl status')).stdout).toMatch(/^web .*REFUSED/m);
      saves(fixture, 'store', {});
      expect((await apply(fixture, { clients: '' })).recap['store']).toMatchObject({ failed: 0 });
      await server.run('systemctl start repository-keep.service');
      expect((await backUp(fixture.host)).ok).toBe(true);
    });

    it('keeps the account of a client that left the inventory, says so, and lets it in no more when that is said', async () => {
      const account = await accountOf('app');
      rmSync(join(fixture.lab.directory, 'host_vars/app.yml'));
      const left = await apply(fixture, { clients: '' });
      expect(left.recap['store']).toMatchObject({ failed: 0, changed: 0 });
      expect(`${left.stdout}${left.stderr}`.replaceAll(/\s+/g, ' ')).toContain(
        'repository_clients: [{name: app, state: absent}]',
      );
      expect((await backUp(app)).ok).toBe(true);
      saves(fixture, 'store', { repository_clients: [{ name: 'app', state: 'absent' }] });
      expect((await apply(fixture, { clients: '' })).recap['store']).toMatchObject({ failed: 0 });
      const { ok, log } = await backUp(app);
      expect(ok).toBe(false);
      expect(log).toContain('the server refuses the key of this host');
      expect(await server.exists(`/srv/repositories/${account}/repository/config`)).toBe(true);
      expect((await apply(fixture, { clients: '' })).recap['store']).toMatchObject({ failed: 0, changed: 0 });
      saves(fixture, 'store', {});
      saves(fixture, 'app', { borg_repositories: [{ server: 'store' }], backup_paths: ['/etc'] });
      expect((await apply(fixture)).recap['app']).toMatchObject({ failed: 0, changed: 0 });
      expect((await backUp(app)).ok).toBe(true);
      expect(await accountOf('app')).toBe(account);
    });

    it('that does not know a client yet: the client says what to run', async () => {
      saves(fixture, 'app', { borg_repositories: [{ server: 'stor' }] });
      const { stdout, recap } = await fixture.lab.roles(['borg'], {}, { args: ['--limit', 'app'], mayFail: true });
      expect(recap['app']?.failed).toBe(1);
      expect(stdout).toContain('borg_repositories: there is no host stor in the inventory');
      saves(fixture, 'app', { borg_repositories: [{ server: 'web' }] });
      const other = await fixture.lab.roles(['borg'], {}, { args: ['--limit', 'app'], mayFail: true });
      expect(other.stdout).toContain('the server web has no account for app. Run role repository on web first');
      saves(fixture, 'app', { borg_repositories: [{ server: 'store' }], backup_paths: ['/etc'] });
    });

    it('taken away leaves the repositories, and nobody who could come in', async () => {
      const account = await accountOf('web');
      saves(fixture, 'store', { repository_state: 'absent' });
      expect((await apply(fixture, { clients: '' })).recap['store']).toMatchObject({ failed: 0 });
      expect(await server.exists(`/srv/repositories/${account}/repository/config`)).toBe(true);
      expect((await server.run(`getent passwd ${account} backup-repository`, { mayFail: true })).stdout).toBe('');
      for (const path of ['/etc/backup', '/var/lib/backup-repository', '/etc/ssh/sshd_config.d/backup-repository.conf'])
        expect(await server.exists(path), path).toBe(false);
      // A server that was lost, or begins again: the accounts have the numbers that they had, and their data.
      saves(fixture, 'store', {});
      expect((await apply(fixture)).recap['web']).toMatchObject({ failed: 0, changed: 0 });
      expect((await backUp(fixture.host)).ok).toBe(true);
    });
  },
);
