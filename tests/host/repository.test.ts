import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import type { PlaybookResult } from '../lab/lab.ts';
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

onEachRelease(
  'a server of repositories',
  async (fixture) => {
    server = await fixture.lab.boot({ name: 'store', debian: fixture.release });
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
      await fixture.host.write('/etc/ansible/facts.d/x.fact', '{}');
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
      expect(stdout).toContain('given is the server stor, but the inventory has no host of this name');
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
