import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, it } from 'vitest';
import { Lab } from '../lab/lab.ts';
import { onEachRelease } from './fixture.ts';

onEachRelease(
  'a host of the lab',
  () => Promise.resolve(),
  (fixture) => {
    it('boots without a failed unit and answers Ansible', async () => {
      expect((await fixture.host.run('systemctl is-system-running')).stdout.trim()).toBe('running');
      expect((await fixture.host.run('systemctl --failed --no-legend')).stdout).toBe('');
      expect((await fixture.lab.ansible('ansible', ['all', '-m', 'ping'])).stdout).toContain('SUCCESS');
    });

    it('has nothing of the environment of this machine', async () => {
      const names = (await fixture.host.run('env')).stdout.split('\n').map((line) => line.split('=')[0]);
      expect(names.filter(Boolean).sort()).toEqual(['HOME', 'LANG', 'PATH', 'PWD', 'SHLVL', 'TERM', '_']);
    });

    it('has no way out of the lab, and neither has the control node', async () => {
      const way = ['ip', 'route', 'get', '192.0.2.1'] as const;
      expect((await fixture.host.run(way, { mayFail: true })).code).not.toBe(0);
      expect((await fixture.lab.ansible(way[0], way.slice(1), { mayFail: true })).code).not.toBe(0);
    });

    it('counts the commands that Ansible runs over SSH', async () => {
      const ping = { 'ansible.builtin.ping': {} };
      const odd = { 'ansible.builtin.raw': 'echo a -O b' };
      const { sshExecutions } = await fixture.lab.playbook([
        { hosts: 'all', gather_facts: false, tasks: [ping, ping, odd] },
      ]);
      expect(sshExecutions).toBe(3);
    });

    it('ends a command that takes too long', async () => {
      const started = Date.now();
      await expect(fixture.host.run('sleep 47', { timeoutSeconds: 1, mayFail: true })).rejects.toThrow(
        'took longer than 1 s',
      );
      expect(Date.now() - started).toBeLessThan(10_000);
      // In the host it ends a little later.
      await fixture.host.run('while pgrep --full "[s]leep 47"; do sleep 0.1; done', { timeoutSeconds: 10 });
    });

    it('keeps its disk through a power loss, and runs nothing while it is down', async () => {
      await fixture.host.write('/etc/kept', 'kept');
      await fixture.host.powerOff();
      await expect(fixture.host.run('true')).rejects.toThrow('is down');
      await fixture.host.boot();
      expect(await fixture.host.read('/etc/kept')).toBe('kept');
    });

    it('names the failed units when it comes up degraded', async () => {
      const { host } = fixture;
      await host.write(
        '/etc/systemd/system/broken.service',
        '[Service]\nType=oneshot\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n',
      );
      await host.run('systemctl enable broken.service');
      await host.powerOff();
      await expect(host.boot()).rejects.toThrow(/is degraded[^]*broken\.service/);
      await host.run('systemctl disable broken.service && systemctl reset-failed');
    });

    it('knows the other hosts, booted at the same time, and leaves nothing behind', async () => {
      const lab = await Lab.open();
      const id = basename(lab.directory);
      try {
        const [one, two] = await Promise.all([
          lab.boot({ name: 'one', debian: fixture.release }),
          lab.boot({ name: 'two', debian: fixture.release }),
        ]);
        const scan = async (from = one, to = two): Promise<string> =>
          (await from.run(`ssh-keyscan -t ed25519 ${to.name} 2> /dev/null | grep -v "^#"`)).stdout;
        const key = (line = ''): string => line.split(' ').slice(0, 2).join(' ');
        expect(await scan()).toBe(`two ${key(two.hostKey)}\n`);
        expect(await scan(two, one)).toBe(`one ${key(one.hostKey)}\n`);
        expect(key(one.hostKey)).not.toBe(key(two.hostKey));
        expect((await lab.ansible('ansible', ['all', '-m', 'ping'])).stdout.match(/SUCCESS/g)).toHaveLength(2);
        const namespaces = readdirSync('/run/netns')
          .filter((name) => name.startsWith(id))
          .map((name) => statSync(`/run/netns/${name}`).ino);
        expect(namespaces).toHaveLength(3);
        expect(processesIn(namespaces).length).toBeGreaterThan(2);
        await lab.close();
        expect(processesIn(namespaces)).toEqual([]);
      } finally {
        await lab.close();
      }
      expect(existsSync(lab.directory)).toBe(false);
      expect(readdirSync('/run/netns').filter((name) => name.startsWith(id))).toEqual([]);
      expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(id);
      const groups = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
      expect(
        groups
          .filter((path) => statSync(path).isDirectory())
          .flatMap((path) => readdirSync(path))
          .filter((name) => name.startsWith(id)),
      ).toEqual([]);
    });

    it('outlives the hosts of other labs, whatever release they are of', async () => {
      const [lasting, passing] = [await Lab.open(), await Lab.open()];
      try {
        await passing.boot({ name: 'passing', debian: fixture.release });
        const host = await lasting.boot({ name: 'lasting', debian: 'testing' });
        await passing.close();
        expect((await host.run('hostname')).stdout).toBe('lasting\n');
      } finally {
        await passing.close();
        await lasting.close();
      }
      // The first time it makes a root.
    }, 900_000);
  },
);

/** The processes of this machine that are in one of these network namespaces. */
function processesIn(namespaces: readonly number[]): string[] {
  const links = new Set(namespaces.map((inode) => `net:[${inode}]`));
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && links.has(readlinkSync(`/proc/${pid}/ns/net`));
    } catch {
      return false; // It has just ended.
    }
  });
}
