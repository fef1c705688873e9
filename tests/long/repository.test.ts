import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { archives, backUp, onEachRelease, type Fixture } from '../host/fixture.ts';

let server: Host;
let own = '';

interface Client {
  readonly live_bytes: number;
  readonly held_bytes: number;
  readonly refused: string;
  readonly generations: string[];
}

const client = async (): Promise<Client> => {
  const { clients } = JSON.parse((await server.run('repositoryctl status --json', { mayFail: true })).stdout) as {
    clients: (Client & { name: string })[];
  };
  const found = clients.find(({ name }) => name === 'web');
  if (found === undefined) throw new Error('the server knows no web');
  return found;
};

/** Has the server keep what is there, an hour after the last time. */
async function keep(): Promise<string[]> {
  await server.run(
    `for each in /srv/repositories/.generations/${own}/*; do [ -e "$each" ] || continue; touch -d "@$(($(stat -c %Y "$each") - 3601))" "$each"; done`,
  );
  await server.run('systemctl start repository-keep.service', { mayFail: true, timeoutSeconds: 300 });
  return (await client()).generations;
}

const apply = async (fixture: Fixture, settings: object): Promise<void> => {
  writeFileSync(join(fixture.lab.directory, 'host_vars/store.yml'), JSON.stringify(settings));
  const play = (hosts: string, role: string): object => ({
    hosts,
    gather_facts: false,
    tasks: [{ name: role, 'ansible.builtin.include_role': { name: `rootless.backup.${role}` } }],
  });
  const { recap } = await fixture.lab.playbook([play('store', 'repository'), play('web', 'borg')]);
  for (const name of ['store', 'web']) expect(recap[name]).toMatchObject({ failed: 0 });
};

/** The archives, and the checksum of all that the newest one of the files holds. */
async function held(host: Host): Promise<{ names: string[]; sum: string }> {
  const names = await archives(host);
  const newest = names.filter((name) => name.includes('-files-')).at(-1) ?? '';
  const { stdout } = await host.run(`set -o pipefail; backup-borg export-tar ::${newest} - | sha256sum`, {
    timeoutSeconds: 120,
  });
  return { names, sum: stdout };
}

const all = "backup-borg delete --force --glob-archives '*'; backup-borg compact --threshold 0";
const location = '"$(grep -o "ssh://[^\\"]*" /etc/backup/borg.json)"';

/** What root of a client does with all that the client has. */
const attacks: Readonly<Record<string, string>> = {
  'deletes all archives and compacts': all,
  'deletes the repository itself': `BORG_DELETE_I_KNOW_WHAT_I_AM_DOING=YES backup-borg delete ${location}`,
  'makes archives of times to come, so that prune takes the real ones': `for n in 1 2 3; do backup-borg create --timestamp 209$n-01-01T00:00:00 ::web-files-209$n-01-01T00:00:00Z /etc/hostname; done; backup-borg prune --keep-last 2; backup-borg compact --threshold 0`,
  'changes the passphrase': 'BORG_NEW_PASSPHRASE=mine backup-borg key change-passphrase',
  'changes the settings of the repository': `backup-borg config ${location} max_segment_size 6000000; backup-borg config ${location} id ${'0'.repeat(64)}`,
  'repairs until nothing is left': `BORG_CHECK_I_KNOW_WHAT_I_AM_DOING=YES backup-borg check --repair; backup-borg recreate --exclude etc; ${all}`,
  'compacts again and again while generations are made': `systemd-run --collect --unit=churn sh -c 'for i in 1 2 3 4 5 6 7 8; do head -c 3M /dev/urandom > /etc/churn; backup-borg create ::churn-$i /etc/churn; backup-borg delete ::churn-$i; backup-borg compact --threshold 0; done'`,
};

onEachRelease(
  'a server of repositories whose client is attacked from within',
  async (fixture) => {
    server = await fixture.lab.boot({ name: 'store', debian: fixture.release });
    await server.write(
      '/etc/systemd/system/repository-keep.timer.d/late.conf',
      '[Timer]\nOnBootSec=\nOnUnitInactiveSec=\nOnBootSec=1d\n',
    );
    // The file system that most servers have; one in memory knows no limit of names.
    await server.run(
      'truncate -s 4G /var/disk && mkfs.ext4 -q /var/disk && mkdir /srv/repositories && for n in 0 1 2 3 4 5 6 7; do [ -e /dev/loop$n ] || mknod /dev/loop$n b 7 $n; done; [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237; mount -o loop /var/disk /srv/repositories',
    );
    mkdirSync(join(fixture.lab.directory, 'host_vars'), { recursive: true });
    const settings = { borg_repositories: [{ server: 'store' }], backup_paths: ['/etc'] };
    writeFileSync(join(fixture.lab.directory, 'host_vars/web.yml'), JSON.stringify(settings));
    await apply(fixture, {});
    own = (await server.run('ls /etc/backup/repository-keys')).stdout.trim();
    await fixture.host.run('head -c 8M /dev/urandom > /etc/large');
    expect((await backUp(fixture.host)).ok).toBe(true);
  },
  (fixture) => {
    it.each(Object.entries(attacks))('has all that was saved, equal, when it %s', async (_what, attack) => {
      const { host } = fixture;
      expect((await backUp(host)).ok).toBe(true);
      const good = (await keep()).at(-1) ?? '';
      const before = await held(host);
      const room = (await client()).held_bytes;
      await host.run(attack, { mayFail: true, timeoutSeconds: 300 });
      for (let round = 0; round < 3; round++) await keep();
      await host.run('while systemctl is-active --quiet churn; do sleep 0.2; done; rm -f /etc/churn');
      await keep();
      console.log(`${_what}: ${(await client()).held_bytes - room} bytes more are held`);
      await server.run(['repositoryctl', 'restore', 'web', '--at', good, '--in-place']);
      await host.run('rm -rf /var/lib/borg/.config/borg/security /var/cache/borg/*');
      expect(await held(host)).toEqual(before);
      await host.run('backup-borg check --verify-data', { timeoutSeconds: 300 });
    });

    it('keeps every generation when it fills its quota again and again, and lets it in no more', async () => {
      const { host } = fixture;
      expect((await backUp(host)).ok).toBe(true);
      await keep();
      const before = await client();
      const quota = Math.ceil(before.live_bytes / 1e6) + 60;
      const most = Math.ceil((before.live_bytes + before.held_bytes) / 1e6) + 150;
      await apply(fixture, { repository_quota: `${quota}M`, repository_most: `${most}M` });
      const good = (await client()).generations.at(-1) ?? '';
      const kept = await held(host);
      const rounds: string[] = [];
      for (let round = 0; round < 6 && (await client()).refused === ''; round++) {
        // More than it may, and as much as it may, which is kept; then that is deleted.
        const { stderr } = await host.run(
          'head -c 100M /dev/urandom > /etc/garbage; backup-borg create ::more /etc/garbage; head -c 50M /dev/urandom > /etc/garbage; backup-borg create ::garbage /etc/garbage; rm /etc/garbage',
          { mayFail: true, timeoutSeconds: 300 },
        );
        rounds.push(stderr);
        await keep();
        await host.run('backup-borg delete ::garbage; backup-borg compact --threshold 0', {
          mayFail: true,
          timeoutSeconds: 300,
        });
        await keep();
      }
      expect(rounds[0]).toMatch(/quota/i);
      const after = await client();
      console.log(
        `${rounds.length} rounds of garbage: ${after.live_bytes + after.held_bytes} bytes, ${most}M are allowed`,
      );
      expect(after.refused).toContain('are allowed (repository_most)');
      // One round more than it may is what it costs to notice.
      expect(after.live_bytes + after.held_bytes).toBeLessThan((most + 2 * 60) * 1e6);
      for (const name of before.generations) expect(after.generations).toContain(name);
      expect((await backUp(host)).log).toContain('this server lets this machine in no more');
      await apply(fixture, {});
      await server.run('systemctl start repository-keep.service', { mayFail: true });
      await server.run(['repositoryctl', 'restore', 'web', '--at', good, '--in-place']);
      await host.run('rm -rf /var/lib/borg/.config/borg/security /var/cache/borg/*');
      expect(await held(host)).toEqual(kept);
    });

    it('keeps what has as many names as ext4 gives a file, as after 70,000 generations', async () => {
      const { host } = fixture;
      expect((await backUp(host)).ok).toBe(true);
      const good = (await keep()).at(-1) ?? '';
      const generation = `/srv/repositories/.generations/${own}/${good}`;
      // As many generations as there can be: of every file of this one.
      await server.run(
        [
          'python3',
          '-c',
          `import os, sys
top = sys.argv[1]
os.mkdir(top)
for at, _below, files in os.walk(sys.argv[2] + "/data"):
    for name in files:
        number = 0
        try:
            while True:
                os.link(os.path.join(at, name), "%s/%s.%d" % (top, name, number))
                number += 1
        except OSError as error:
            assert error.errno == 31 and number > 60_000, (error, number)
            print(number, "names more")
            break
    else:
        continue
    break`,
          '/srv/repositories/.many',
          generation,
        ],
        { timeoutSeconds: 300 },
      );
      await host.run('head -c 1M /dev/urandom > /etc/small');
      expect((await backUp(host)).ok).toBe(true);
      const names = await keep();
      expect(names.at(-1)).not.toBe(good);
      const before = await held(host);
      await host.run(all, { timeoutSeconds: 120 });
      await keep();
      await server.run(['repositoryctl', 'restore', 'web', '--at', names.at(-1) ?? '', '--in-place']);
      await host.run('rm -rf /var/lib/borg/.config/borg/security /var/cache/borg/*');
      expect(await held(host)).toEqual(before);
      await server.run('rm -r /srv/repositories/.many');
    });

    it('comes back after a loss: with its disk as it was, without it as one to begin anew on', async () => {
      const { host } = fixture;
      expect((await backUp(host)).ok).toBe(true);
      const before = (await keep()).length;
      const numbers = (await server.run(`id -u ${own}`)).stdout;
      // Of the machine nothing is left but the disk with the repositories.
      await server.run(
        `systemctl stop repository-keep.timer; userdel ${own}; userdel backup-repository; rm -rf /etc/backup /var/lib/backup-repository /var/lib/rootless.backup /etc/systemd/system/repository-* /etc/sysusers.d/backup-repository.conf /usr/local/lib/backup; systemctl daemon-reload`,
      );
      await apply(fixture, {});
      expect((await server.run(`id -u ${own}`)).stdout).toBe(numbers);
      await server.run('systemctl start repository-keep');
      expect((await client()).generations.length, 'no time has passed for them').toBeGreaterThanOrEqual(before);
      expect((await backUp(host)).ok).toBe(true);
      await server.run(`rm -r /srv/repositories/${own}/repository /srv/repositories/.generations/${own}`);
      expect((await backUp(host)).log).toContain('is not there. Mount its disk, or bring it back');
      // As the page says: which file to remove, if it is lost for good.
      await host.run('systemctl start borg-init', { mayFail: true });
      const [, stamp = ''] = /delete (\S+) first/.exec(await host.journal('borg-init')) ?? [];
      await host.run(['rm', stamp]);
      await apply(fixture, {});
      expect((await backUp(host)).ok).toBe(true);
      expect(await archives(host)).toHaveLength(2);
    });
  },
);
