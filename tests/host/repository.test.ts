import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import type { PlaybookResult } from '../lab/lab.ts';
import type { Fleet, Machine } from '../../src/schema/fleet.ts';
import { mails } from './mail.ts';
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

interface Status {
  readonly problems: { readonly client: string; readonly text: string }[];
  readonly clients: {
    readonly name: string;
    readonly live_bytes: number;
    readonly held_bytes: number;
    readonly generations: string[];
  }[];
}

/** How the repositories do, as the server's program says it. */
const status = async (): Promise<Status> =>
  JSON.parse((await server.run('repositoryctl status --json', { mayFail: true })).stdout) as Status;

async function statusOf(client: string): Promise<Status['clients'][number]> {
  const found = (await status()).clients.find(({ name }) => name === client);
  if (found === undefined) throw new Error(`there is no client ${client}`);
  return found;
}

/** Makes all generations of a client so many seconds older. */
const age = async (client: string, seconds: number): Promise<unknown> =>
  server.run(
    `for each in /srv/repositories/.generations/${await accountOf(client)}/*; do touch -d "@$(($(stat -c %Y "$each") - ${seconds}))" "$each"; done`,
  );

/** Has the server keep what is there, as if the last generation were an hour old. @returns the generations, oldest first. */
async function keep(client: string, mayFail = false): Promise<string[]> {
  if ((await statusOf(client)).generations.length > 0) await age(client, 3601);
  await server.run('systemctl start repository-keep.service', { mayFail, timeoutSeconds: 120 });
  return (await statusOf(client)).generations;
}

/** Has a client hold a session open, which never says anything. */
async function hold(client: Host, name: string): Promise<string> {
  const own = await accountOf(name);
  await client.run(
    `systemd-run --collect --unit=held sh -c 'tail -f /dev/null | ssh -F /dev/null -i /etc/credstore/borg.ssh-key -o BatchMode=yes -o UserKnownHostsFile=/etc/backup/known_hosts ${own}@${server.address} borg serve'`,
  );
  await server.run(`until pgrep --uid ${own} borg; do sleep 0.1; done`, { timeoutSeconds: 30 });
  return own;
}

/** What was done to repositories before is no news any more. */
const forget = (): Promise<unknown> => server.run('rm /var/lib/backup-repository/seen/*');

/** A day passes for what the server has seen of the repositories. */
const dayLater = (): Promise<unknown> =>
  server.run([
    'python3',
    '-c',
    `import glob, json
for path in glob.glob("/var/lib/backup-repository/seen/repo?????.json"):
    with open(path) as file:
        seen = json.load(file)
    for each in seen["samples"]:
        each[0] -= 86400
    with open(path, "w") as file:
        json.dump(seen, file)`,
  ]);

/** What still runs on the server as an account. */
const running = async (account: string): Promise<string> =>
  (await server.run(`pgrep --uid ${account}`, { mayFail: true })).stdout;

/**
 * Stands in for a Borg that the data of a client took over: what it starts goes on, which /proc says to be root's; it makes directories
 * deeper than Python goes, which nobody may enter; and in the trees of other clients it puts links to what is root's in the place of files.
 */
const takenOver = `#!/usr/bin/python3 -I
import contextlib, ctypes, os, sys
tree, witness = sys.argv[-1], "/srv/repositories/.witness/"
ready, begun = os.pipe()
if os.fork():
    os.read(ready, 1)
    os.execv("/usr/bin/borg.whole", ["borg", *sys.argv[1:]])
os.setsid()
for descriptor in 0, 1, 2:
    os.dup2(os.open("/dev/null", os.O_RDWR), descriptor)
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
os.chdir(tree)
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
os.chmod(tree + "/d", 0)
links = witness + "links"
with contextlib.suppress(FileExistsError):
    os.mkdir(links)
    for number in range(100):
        os.symlink("/srv/kept", "%s/%d" % (links, number))
with open(witness + "log", "a") as file:
    file.write("stays\\n")
os.write(begun, b"x")
while True:
    for name in os.listdir("/srv/repositories/.checking"):
        data = "/srv/repositories/.checking/%s/data" % name
        if not data.startswith(tree):
            with contextlib.suppress(OSError):
                os.rename(data + "/0", data + "/away")
                os.symlink(links, data + "/0")
`;

onEachRelease(
  'a server of repositories',
  async (fixture) => {
    server = await fixture.lab.boot({ name: 'store', debian: fixture.release });
    // Of this setting sshd takes the last one that it reads, which would be the lab's.
    await server.run("sed -i '/^MaxStartups/d' /etc/ssh/sshd_config.d/lab.conf");
    // The tests say when it is time.
    for (const unit of ['keep', 'watch'])
      await server.write(
        `/etc/systemd/system/repository-${unit}.timer.d/late.conf`,
        '[Timer]\nOnBootSec=\nOnUnitInactiveSec=\nOnBootSec=1d\n',
      );
    await server.run('mkdir /srv/repositories && mount -t tmpfs -o size=2G,mode=755 tmpfs /srv/repositories');
    // Both releases save to a server of either.
    app = await fixture.lab.boot({ name: 'app', debian: fixture.release === 12 ? 13 : 12 });
    mkdirSync(join(fixture.lab.directory, 'group_vars'));
    writeFileSync(join(fixture.lab.directory, 'group_vars/all.yml'), 'backup_window: "22:00-06:00"\n');
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
      // Each at a time of its own in the window of all.
      for (const [client, start] of [
        [app, '22:00:00'],
        [fixture.host, '02:56:39'],
      ] as const)
        expect((await client.run('grep -E "OnCalendar|Delay" /etc/systemd/system/backup.timer')).stdout).toBe(
          `OnCalendar=${start}\nRandomizedDelaySec=0\nFixedRandomDelay=true\n`,
        );
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
      for (const command of ['id', '"cat /etc/passwd"', 'borg serve --restrict-to-path /', 'sftp', '-s sftp', '']) {
        const { code, stdout, stderr } = await ssh(fixture.host, own, command, '-o ConnectTimeout=10 < /dev/null');
        // It is let in, and whatever it asked for, Borg serves until it hears nothing more, or knows no such command. 255 is of ssh.
        expect([code === 255, stderr.includes('Permission denied')], `${command}: ${stderr}`).toEqual([false, false]);
        expect(stdout, command).toMatch(
          /^$|^usage: borg |^Borg [\d.]+: Got connection close before repository was opened\.\s*$/,
        );
        expect(`${stdout}${stderr}`, command).not.toMatch(/uid=|root:/);
      }
      const forwarded = await ssh(fixture.host, own, '', `-N -o ExitOnForwardFailure=yes -R 4444:localhost:22`);
      expect([forwarded.code, forwarded.stderr]).toEqual([255, expect.stringContaining('forwarding failed')]);
      const tunnel = await ssh(fixture.host, own, '', `-W ${server.address}:22`);
      expect(tunnel.stderr).toContain('administratively prohibited');
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
        `mkdir /srv/repositories/${other}/repository/lock.exclusive`,
        `touch /srv/repositories/${other}/fill`,
        'ls /srv/repositories/.generations',
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
      // Nor is what the client has in the place of its key: the control node made that.
      await fixture.host.run('cp /etc/ssh/ssh_host_ed25519_key.pub /etc/credstore/borg.ssh-key.pub');
      expect((await apply(fixture)).recap).toMatchObject({ store: { changed: 0 }, web: { changed: 1 } });
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
      const own = await hold(client, 'web');
      await client.run(
        `systemd-run --collect --unit=churn sh -c 'for i in 1 2 3 4 5 6; do dd if=/dev/urandom of=/etc/churn bs=1M count=2 status=none; backup-borg create ::churn-$i /etc/churn && backup-borg delete ::churn-$i; backup-borg compact --threshold 0; done'`,
      );
      const made = new Set<string>();
      for (let round = 0; round < 4; round++) for (const name of await keep('web', true)) made.add(name);
      await client.run('while systemctl is-active --quiet churn; do sleep 0.2; done; rm -f /etc/churn');
      await keep('web');
      const directory = `/srv/repositories/.generations/${own}`;
      for (const name of (await server.run(`ls ${directory}`)).stdout.split('\n').filter(Boolean))
        await server.run(
          `cp -a ${directory}/${name} /tmp/checked && BORG_BASE_DIR=/tmp/borg borg check --repository-only /tmp/checked && rm -r /tmp/checked`,
        );
    });

    it('ends a session that lasts too long, and what it had locked is free again', async () => {
      const own = await accountOf('web');
      expect(await running(own), 'the one that is held since before').not.toBe('');
      await fixture.host.run('systemctl stop held');
      await fixture.host.run(
        'systemd-run --collect --unit=locked sh -c \'backup-borg with-lock "$(grep -o "ssh://[^\\"]*" /etc/backup/borg.json)" sleep infinity\'',
      );
      await server.run(`until [ -e /srv/repositories/${own}/repository/lock.exclusive ]; do sleep 0.1; done`, {
        timeoutSeconds: 60,
      });
      // So that it has no time to give its lock back when its connection ends first.
      await server.run(`pkill --signal STOP --uid ${own} borg`);
      await server.run(`sed -i 's/"24h"/"1s"/' /etc/backup/repository-accounts.json`);
      await server.run(`sleep 1.1; systemctl start repository-keep.service`);
      expect(await server.journal('repository-keep')).toContain(
        'web: a session lasted longer than 1s (repository_session_time_limit), and was ended',
      );
      expect(await running(own)).toBe('');
      expect(await server.exists(`/srv/repositories/${own}/repository/lock.exclusive`)).toBe(true);
      await server.run(`sed -i 's/"1s"/"24h"/' /etc/backup/repository-accounts.json`);
      await fixture.host.run('systemctl stop locked', { mayFail: true });
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
    });

    it('lets a client in no more that takes more than it may, nor lets it stay, and again when what it deleted has expired', async () => {
      await fixture.host.run("backup-borg delete --force --glob-archives '*'; backup-borg compact --threshold 0");
      await keep('web');
      const { live_bytes: live, held_bytes: held } = await statusOf('web');
      expect(held).toBeGreaterThan(8_000_000);
      saves(fixture, 'store', { repository_most: `${Math.ceil((live + held / 2) / 1000)}K` });
      expect((await apply(fixture, { clients: '' })).recap['store']).toMatchObject({ failed: 0 });
      const own = await hold(fixture.host, 'web');
      expect((await server.run('systemctl start repository-keep.service', { mayFail: true })).code).not.toBe(0);
      const said = await server.journal('repository-keep');
      expect(said).toContain('are allowed (repository_most), so it is let in no more');
      expect(said).toContain('web: it is let in no more, and its sessions were ended');
      expect(await running(own)).toBe('');
      await fixture.host.run('systemctl stop held', { mayFail: true });
      const { ok, log } = await backUp(fixture.host);
      expect(ok).toBe(false);
      expect(log).toContain('this server lets this machine in no more');
      expect((await server.run('repositoryctl status', { mayFail: true })).stdout).toMatch(/^web .*REFUSED/m);
      await age('web', 31 * 86_400);
      await server.run('systemctl start repository-keep.service');
      expect((await statusOf('web')).generations).toHaveLength(1);
      expect((await backUp(fixture.host)).ok).toBe(true);
      saves(fixture, 'store', {});
      expect((await apply(fixture, { clients: '' })).recap['store']).toMatchObject({ failed: 0 });
    });

    it('is a host as others are: it saves itself, but not what others save on it', async () => {
      saves(fixture, 'store', { backup_paths: ['/etc', '/srv'], borg_repositories: ['/var/lib/borg/repository'] });
      const { recap, stdout } = await fixture.lab.roles(['borg'], {}, { args: ['--limit', 'store'] });
      expect(recap['store'], stdout).toMatchObject({ failed: 0 });
      const { ok, log } = await backUp(server);
      expect(ok, log).toBe(true);
      const saved = (
        await server.run(
          'backup-borg list --format "{path}{NL}" ::$(backup-borg list --last 1 --glob-archives "*-files-*" --format "{archive}")',
        )
      ).stdout;
      expect(saved).toContain('etc/backup/repository-accounts.json\n');
      expect(saved).not.toContain('srv/repositories');
      expect((await apply(fixture, { clients: '' })).recap['store']).toMatchObject({ failed: 0, changed: 0 });
      await mails(server);
    });

    it('tells once a day of a machine that saves no more, dead or with a silent timer, and that all is well again', async () => {
      const own = await accountOf('app');
      expect((await backUp(app)).ok).toBe(true);
      await forget();
      await keep('app');
      expect((await server.run('systemctl start repository-watch', { mayFail: true })).code).toBe(0);
      await app.run('systemctl stop backup.timer');
      const later = (hours: number): Promise<unknown> =>
        server.run(
          // A check or a restore on the machine changes these, and saves nothing.
          `cd /srv/repositories/${own}/repository && find . -exec touch -h -d "${hours} hours ago" {} + && touch config nonce; systemctl start repository-keep`,
        );
      await later(35);
      expect((await server.run('systemctl start repository-watch', { mayFail: true })).code).toBe(0);
      expect(await mails(server)).toEqual([]);
      await later(37);
      expect((await server.run('systemctl start repository-watch', { mayFail: true })).code).toBe(1);
      const [mail, ...more] = await mails(server);
      expect(more).toEqual([]);
      expect(mail?.subject).toContain(
        'backup of store: repository-watch FAILED: app: saved nothing for longer than 36 hours',
      );
      expect(mail?.text).toContain('repository_clients: [{name: app, state: absent}]');
      expect((await status()).problems).toEqual([expect.objectContaining({ client: 'app' })]);
      await later(38);
      await server.run('systemctl start repository-watch', { mayFail: true });
      expect(await mails(server), 'the same again').toEqual([]);
      expect(await server.read('/var/lib/backup-report/backup.prom')).toContain(
        'backup_last_run_success{unit="repository-watch"} 0.0',
      );
      await app.run('systemctl start backup.timer');
      expect((await backUp(app)).ok).toBe(true);
      await server.run('systemctl start repository-keep; systemctl start repository-watch');
      expect((await mails(server)).map(({ subject }) => subject)).toEqual([
        'backup of store: repository-watch ok again, after 2 failures',
      ]);
    });

    it('tells of a repository that shrank, one that is gone, and a disk that is nearly full', async () => {
      const own = await accountOf('app');
      await app.run('dd if=/dev/urandom of=/etc/large bs=1M count=8 status=none');
      expect((await backUp(app)).ok).toBe(true);
      await keep('app');
      await dayLater();
      await app.run("backup-borg delete --force --glob-archives '*'; backup-borg compact --threshold 0; rm /etc/large");
      await keep('app');
      const watch = async (): Promise<string> => {
        await server.run('systemctl start repository-watch', { mayFail: true });
        return (await mails(server)).map(({ subject, text }) => `${subject}\n${text}`).join('\n');
      };
      const shrunk = await watch();
      expect(shrunk).toMatch(/app: its repository shrank from \S+ MB to \S+ .B within 7 days/);
      expect(shrunk).toContain('repositoryctl restore app --at TIME');
      await server.run(`mv /srv/repositories/${own}/repository /srv/repositories/${own}/away`);
      await keep('app', true);
      expect(await watch()).toContain('app: its repository is not there any more');
      await server.run([
        'repositoryctl',
        'restore',
        'app',
        '--at',
        (await statusOf('app')).generations.at(-2) ?? '',
        '--in-place',
      ]);
      expect(await server.exists(`/srv/repositories/${own}/repository/config`)).toBe(true);
      await server.run(
        `rm -r /srv/repositories/${own}/away; mount -o remount,size=$(($(df --output=used -B1 /srv/repositories | tail -1) / 100 * 101)) /srv/repositories`,
      );
      await server.run('systemctl start repository-keep', { mayFail: true });
      expect(await watch()).toMatch(/the disk of \/srv\/repositories is nearly full/);
      await server.run('mount -o remount,size=2G /srv/repositories; systemctl start repository-keep');
      await app.run('rm -rf /var/lib/borg/.config/borg/security /var/cache/borg/*');
      expect((await backUp(app)).ok).toBe(true);
      await forget();
      await server.run('systemctl start repository-keep');
      expect((await status()).problems).toEqual([]);
    });

    it('verifies what it keeps without a key, a time at once, and tells of what is damaged', async () => {
      await server.run('repositoryctl check', { timeoutSeconds: 120 });
      const checked = async (): Promise<unknown[]> =>
        (
          JSON.parse((await server.run('repositoryctl status --json', { mayFail: true })).stdout) as {
            clients: { checked: number }[];
          }
        ).clients.map(({ checked: at }) => at > 0);
      expect(await checked()).toEqual([true, true]);
      const own = await accountOf('web');
      const newest = `/srv/repositories/.generations/${own}/${(await statusOf('web')).generations.at(-1) ?? ''}`;
      const segment = (await server.run(`ls -S ${newest}/data/0/* | head -1`)).stdout.trim();
      await server.run(
        `cp -a ${segment} /tmp/whole; printf XXXX | dd of=${segment} bs=1 seek=1000 conv=notrunc status=none`,
      );
      // As a client says that wants the check to begin behind all that there is.
      await server.run(`echo 'last_segment_checked = 999999' >> ${newest}/config`);
      expect((await server.run('systemctl start repository-check', { mayFail: true, timeoutSeconds: 120 })).code).toBe(
        1,
      );
      expect((await status()).problems).toEqual([
        expect.objectContaining({
          client: 'web',
          text: expect.stringMatching(/the generation \S+ is damaged: /) as string,
        }),
      ]);
      await server.run(`dd if=/tmp/whole of=${segment} conv=notrunc status=none; systemctl start repository-check`, {
        timeoutSeconds: 120,
      });
      expect((await status()).problems).toEqual([]);
      expect((await server.run('ls -A /srv/repositories/.checking')).stdout).toBe('');
    });

    it('ends what Borg was made to start while it checks, and removes what that made', async () => {
      await server.run(
        'mv /usr/bin/borg /usr/bin/borg.whole; touch /srv/kept; install -d -m 1777 /srv/repositories/.witness',
      );
      await server.write('/usr/bin/borg', takenOver, '0755');
      try {
        await server.run('repositoryctl check; systemctl start repository-check', { timeoutSeconds: 240 });
      } finally {
        await server.run('mv /usr/bin/borg.whole /usr/bin/borg');
      }
      expect((await server.run('cat /srv/repositories/.witness/log')).stdout).toBe('stays\n'.repeat(4));
      expect((await server.run('pgrep --uid backup-repository', { mayFail: true })).stdout).toBe('');
      expect((await server.run('stat --format=%U /srv/kept; ls -A /srv/repositories/.checking')).stdout).toBe('root\n');
      await server.run('rm -r /srv/repositories/.witness');
      expect((await status()).problems).toEqual([]);
    });

    it('has a slice and a limit for each account', async () => {
      const own = await accountOf('web');
      const slice = `user-${own.slice(4)}.slice`;
      expect(
        (await server.run(`systemctl show ${slice} -p TasksMax -p MemoryMax -p CPUWeight -p IOWeight`)).stdout,
      ).toBe('CPUWeight=50\nIOWeight=50\nMemoryMax=2147483648\nTasksMax=64\n');
      expect((await server.run('systemctl show user-0.slice -p CPUWeight')).stdout).toBe('CPUWeight=[not set]\n');
      const { stdout } = await server.run(`cat /proc/$(pgrep --uid ${await hold(fixture.host, 'web')} borg)/limits`);
      expect(stdout).toMatch(/Max processes +64 +64/);
      await fixture.host.run('systemctl stop held');
      // As many connections at once as there are clients, at least.
      expect((await server.run('sshd -T | grep ^maxstartups')).stdout).toBe('maxstartups 200:30:400\n');
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
      saves(fixture, 'store', { repository_clients: [{ name: 'ap', state: 'absent' }] });
      expect((await apply(fixture, { clients: '', mayFail: true })).stdout).toContain(
        'repository_clients: ap is not allowed, since no machine of this name saves to store',
      );
      await hold(app, 'app');
      saves(fixture, 'store', { repository_clients: [{ name: 'app', state: 'absent' }] });
      expect((await apply(fixture, { clients: '' })).recap['store']).toMatchObject({ failed: 0 });
      expect(await running(account), 'what came in before').toBe('');
      await app.run('systemctl stop held', { mayFail: true });
      const { ok, log } = await backUp(app);
      expect(ok).toBe(false);
      expect(log).toContain('the server refuses the key of this host');
      expect(log).toContain('Run role repository on store, then role borg here');
      expect(log).not.toContain('authorized_keys');
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
      // The server's play would look elsewhere.
      const elsewhere = await fixture.lab.playbook(
        [
          {
            hosts: 'app',
            gather_facts: false,
            vars: { backup_secrets_dir: join(fixture.lab.directory, 'elsewhere') },
            tasks: [{ name: 'borg', 'ansible.builtin.include_role': { name: 'rootless.backup.borg' } }],
          },
        ],
        { mayFail: true },
      );
      expect(elsewhere.stdout.replaceAll(/\s+/g, ' ')).toContain('backup_secrets_dir: this play has');
      expect(elsewhere.stdout).toContain('Set it in the inventory');
    });

    it('with an account whose number is another user says so, and lets in all others', async () => {
      const account = await accountOf('app');
      await server.run(
        `usermod --uid 60000 ${account}; useradd --uid ${account.slice(4)} other; rm /var/lib/backup-repository/accounts/*`,
      );
      const { recap, stdout } = await apply(fixture, { clients: '', mayFail: true });
      expect(recap['store']).toMatchObject({ failed: 1 });
      expect(stdout).toContain(`the number ${account.slice(4)} is that of the user other here, so it is not let in`);
      expect((await server.run('ls /etc/backup/repository-keys')).stdout.trim()).toBe(await accountOf('web'));
      await server.run(`userdel other; usermod --uid ${account.slice(4)} ${account}`);
      expect((await apply(fixture, { clients: '' })).recap['store']).toMatchObject({ failed: 0 });
    });

    it('taken away leaves the repositories, and nobody who could come in', async () => {
      const account = await hold(fixture.host, 'web');
      expect(await server.read('/var/lib/backup-report/backup.prom')).toContain('repository-watch');
      saves(fixture, 'store', { repository_state: 'absent' });
      const { recap, stdout: said } = await apply(fixture, { clients: '' });
      expect(recap['store'], said).toMatchObject({ failed: 0 });
      await fixture.host.run('systemctl stop held', { mayFail: true });
      // Nor is its watch told of for ever.
      await server.run('systemctl start backup-watch');
      expect(await server.read('/var/lib/backup-report/backup.prom')).not.toContain('repository-watch');
      expect(await server.exists(`/srv/repositories/${account}/repository/config`)).toBe(true);
      expect((await server.run(`getent passwd ${account} backup-repository`, { mayFail: true })).stdout).toBe('');
      for (const path of [
        '/etc/backup/repository-accounts.json',
        '/etc/backup/repository-keys',
        '/etc/backup/repository-slice.d',
        '/var/lib/backup-repository',
        '/etc/ssh/sshd_config.d/backup-repository.conf',
        `/run/systemd/system/user-${account.slice(4)}.slice.d`,
      ])
        expect(await server.exists(path), path).toBe(false);
      // A server that was lost, or begins again: the accounts have the numbers that they had, and their data.
      saves(fixture, 'store', {});
      expect((await apply(fixture)).recap['web']).toMatchObject({ failed: 0, changed: 0 });
      expect((await backUp(fixture.host)).ok).toBe(true);
    });
  },
);
