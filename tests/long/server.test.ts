import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { onEachRelease, type Fixture } from '../host/fixture.ts';

const clients = 1000;
/** So many sessions are at work at the same time; a server of this size has no more processors for them. */
const together = 20;

let server: Host;
const name = (number: number): string => `client${String(number).padStart(4, '0')}`;

const seconds = async (what: string, act: () => Promise<unknown>): Promise<number> => {
  const before = Date.now();
  await act();
  const took = (Date.now() - before) / 1000;
  console.log(`${what}: ${took.toFixed(1)} s`);
  return took;
};

const play = [
  {
    hosts: 'store',
    gather_facts: false,
    tasks: [{ name: 'server', 'ansible.builtin.include_role': { name: 'rootless.backup.repository' } }],
  },
];

/** What a command of the server takes, in seconds and bytes of memory at the most. */
const cost = async (command: string): Promise<void> => {
  const { stderr } = await server.run(
    [
      'python3',
      '-c',
      'import resource, subprocess, sys, time\nat = time.monotonic()\nsubprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\nused = resource.getrusage(resource.RUSAGE_CHILDREN)\nprint("%.1f s, %.1f s of the processor, %d MB" % (time.monotonic() - at, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024), file=sys.stderr)',
      ...command.split(' '),
    ],
    { mayFail: true, timeoutSeconds: 1200 },
  );
  console.log(`${command}: ${stderr.trim().split('\n').at(-1) ?? ''}`);
};

const accounts = async (): Promise<{ name: string; account: string; home: string }[]> =>
  (
    JSON.parse(await server.read('/etc/backup/repository-accounts.json')) as {
      accounts: { name: string; account: string; home: string }[];
    }
  ).accounts;

onEachRelease(
  `a server of ${clients} clients`,
  async (fixture: Fixture) => {
    server = await fixture.lab.boot({ name: 'store', debian: fixture.release });
    // Of this setting sshd takes the last one that it reads, which would be the lab's.
    await server.run("sed -i '/^MaxStartups/d' /etc/ssh/sshd_config.d/lab.conf");
    for (const unit of ['keep', 'watch', 'check'])
      await server.write(
        `/etc/systemd/system/repository-${unit}.timer.d/late.conf`,
        '[Timer]\nOnCalendar=\nOnBootSec=\nOnUnitInactiveSec=\nOnBootSec=1d\n',
      );
    const inventory = join(fixture.lab.directory, 'inventory');
    appendFileSync(
      inventory,
      `\n[clients]\n${Array.from({ length: clients }, (_, index) => name(index)).join('\n')}\n`,
    );
    mkdirSync(join(fixture.lab.directory, 'group_vars'), { recursive: true });
    writeFileSync(
      join(fixture.lab.directory, 'group_vars/clients.yml'),
      JSON.stringify({ borg_repositories: [{ server: 'store' }] }),
    );
  },
  (fixture) => {
    it('is set up by one run, and a second one changes nothing', async () => {
      await seconds(`the first run of the play, ${clients} accounts`, async () => {
        const { recap, stdout } = await fixture.lab.playbook(play, { timeoutSeconds: 1200 });
        expect(recap['store'], stdout.slice(-2000)).toMatchObject({ failed: 0 });
      });
      await seconds(`the second run of the play, ${clients} accounts`, async () => {
        const { recap } = await fixture.lab.playbook(play, { timeoutSeconds: 1200 });
        expect(recap['store']).toMatchObject({ failed: 0, changed: 0 });
      });
      expect(await accounts()).toHaveLength(clients);
      expect((await server.run('sshd -T | grep ^maxstartups')).stdout).toBe(
        `maxstartups ${clients}:30:${2 * clients}\n`,
      );
    });

    it('takes sessions of as many as this machine carries', async () => {
      const all = await accounts();
      const used = all.slice(0, 100);
      await fixture.host.run('mkdir -p /root/keys && head -c 200K /dev/urandom > /root/data');
      for (const { name: client, account } of used)
        await fixture.host.write(
          `/root/keys/${account}`,
          readFileSync(join(fixture.lab.directory, 'backup-secrets', client, 'repository-key'), 'utf8'),
          '0600',
        );
      const known = `store ${server.hostKey.split(' ').slice(0, 2).join(' ')}`;
      await fixture.host.write('/root/known', `${known}\n`);
      await fixture.host.write(
        '/root/session',
        `#!/bin/bash
export BORG_RSH="ssh -F /dev/null -i /root/keys/$1 -o BatchMode=yes -o UserKnownHostsFile=/root/known" BORG_BASE_DIR=/root/borg/$1 BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
set -e
borg init --encryption none ssh://$1@store/./repository
borg create ssh://$1@store/./repository::first /root/data
`,
        '0755',
      );
      const took = await seconds(`${used.length} first sessions of borg init and create, ${together} at a time`, () =>
        fixture.host.run(
          `printf '%s\\n' ${used.map(({ account }) => account).join(' ')} | xargs --max-procs=${together} --max-args=1 /root/session`,
          { timeoutSeconds: 2400 },
        ),
      );
      console.log(
        `computed: all ${clients} one after the other by ${together} would take ${((took / used.length) * clients).toFixed(0)} s here`,
      );
      // The others are as the first ones are: a copy each, for what the server does with them.
      await server.run(
        `n=0; models=(${used.map(({ account }) => account).join(' ')}); for each in ${all
          .slice(100)
          .map(({ account }) => account)
          .join(
            ' ',
          )}; do cp -a /srv/repositories/\${models[$((n++ % 100))]}/repository /srv/repositories/$each/ && chown -R $each: /srv/repositories/$each/repository; done`,
        { timeoutSeconds: 1200 },
      );
    });

    it('keeps, counts and shows all of them in seconds', async () => {
      await cost('repositoryctl keep');
      await cost('repositoryctl keep');
      const [first] = await accounts();
      expect((await server.run(`ls /srv/repositories/.generations/${first?.account ?? ''}`)).stdout).toMatch(
        /^\S+Z\n$/,
      );
      await cost('repositoryctl status');
      await cost('repositoryctl watch');
    });

    it('takes no longer with many generations than with one', async () => {
      const [first] = await accounts();
      // Hourly ones of a month, of one machine with as many files as 1 TB has.
      await server.run(
        [
          'python3',
          '-c',
          `import os, sys, time
home, kept = sys.argv[1], sys.argv[2]
data = home + "/repository/data/9"
os.makedirs(data, exist_ok=True)
for number in range(2000):
    open("%s/%d" % (data, 90000 + number), "w").write("x")
made = sorted(os.listdir(kept))[-1]
stood = os.stat(kept + "/" + made).st_mtime
for hour in range(720):
    top = "%s/%s" % (kept, time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(stood - 3600 * (hour + 1))))
    os.makedirs(top + "/data/9")
    for number in range(2000):
        os.link("%s/%d" % (data, 90000 + number), "%s/data/9/%d" % (top, 90000 + number))
    os.utime(top, (stood - 3600 * (hour + 1),) * 2)`,
          first?.home ?? '',
          `/srv/repositories/.generations/${first?.account ?? ''}`,
        ],
        { timeoutSeconds: 600 },
      );
      console.log('720 generations of 2000 files of one client:');
      await cost('repositoryctl keep');
      await cost('repositoryctl keep');
      await cost('repositoryctl status');
    });
  },
);
