import { expect, it } from 'vitest';
import { backUp, onEachRelease, start } from '../host/fixture.ts';

/** What the user of a hook leaves in place of a dump and its manifest: a script in its directory; `told`: how the drill and a restore name it. */
const left: Readonly<Record<string, { readonly script: string; readonly told: string }>> = {
  fifo: { script: 'mkfifo manifest.json', told: 'manifest.json is no regular file' },
  zero: { script: 'ln -s /dev/zero manifest.json', told: 'manifest.json is no regular file' },
  link: { script: 'ln -s /etc/backup/borg.json manifest.json', told: 'manifest.json is no regular file' },
  sizes: {
    script: `echo '{"files": {"x": {"sha256": "'$(printf %064d 0)'", "size": "many", "database": "x"}}}' > manifest.json; echo x > x`,
    told: 'size of x is none',
  },
  negative: {
    script: `echo '{"files": {"x": {"sha256": "'$(printf %064d 0)'", "size": -1e300, "database": "x"}}}' > manifest.json; echo x > x`,
    told: 'size of x is none',
  },
  times: {
    script: `echo '{"files": {"x": {"sha256": "'$(printf %064d 0)'", "finished": ["now"], "database": "x"}}}' > manifest.json; echo x > x`,
    told: 'finished of x is none',
  },
  listed: { script: `echo '[]' > manifest.json`, told: 'it has no `files`' },
  texts: { script: `echo '{"files": {"x": "y"}}' > manifest.json`, told: 'what it says of x is no object' },
  climbing: {
    script: `echo '{"files": {"a/../../../../etc/passwd": {"sha256": "'$(printf %064d 0)'", "database": "x"}}}' > manifest.json`,
    told: 'it leads elsewhere',
  },
  absolute: {
    script: `echo '{"files": {"/etc/passwd": {"sha256": "'$(printf %064d 0)'", "database": "x"}}}' > manifest.json`,
    told: 'it leads elsewhere',
  },
  nested: { script: `python3 -c 'print("[" * 100000)' > manifest.json`, told: 'the JSON is nested too deep' },
  huge: { script: 'truncate --size=300M manifest.json', told: 'manifest.json has more than' },
  // Of a good manifest the file itself leads elsewhere, or a directory on the way to it.
  elsewhere: {
    script: `mkdir real; ln -s /etc/backup d; ln -s /etc/passwd x; echo '{"files": {"x": {"sha256": "'$(sha256sum < /etc/passwd | cut -c1-64)'", "database": "x"}, "d/borg.json": {"sha256": "'$(printf %064d 0)'", "database": "y"}}}' > manifest.json`,
    told: 'x cannot be read: x is no regular file',
  },
  fifos: {
    script: `mkfifo x; echo '{"files": {"x": {"sha256": "'$(printf %064d 0)'", "database": "x"}}}' > manifest.json`,
    told: 'x cannot be read: x is no regular file',
  },
};
const names = Object.keys(left);

onEachRelease(
  'a hook whose user leaves something else than a dump',
  async ({ lab, host }) => {
    await host.run('useradd --create-home good; useradd --create-home evil');
    const good =
      '#!/bin/sh\nset -e\numask 077\ncd /backup/good\necho data > dump\necho \'{"files": {"dump": {"sha256": "\'$(sha256sum < dump | cut -c1-64)\'", "size": 5, "database": "data"}}}\' > manifest.json\n';
    const hooks = names.map((name) => ({
      name: `evil-${name}`,
      user: 'evil',
      script: `#!/bin/bash\nset -e\nfind /backup/evil-${name} -mindepth 1 -delete\ncd /backup/evil-${name}\n${left[name]?.script ?? ''}\n`,
      restore: ['/bin/false'],
      prove: ['/bin/true'],
    }));
    const deep = {
      name: 'evil-deep',
      user: 'evil',
      script: `#!/bin/sh\nset -e\ncd /backup/evil-deep\nfind . -mindepth 1 -delete\nfor n in $(seq 400); do mkdir d; cd d; done\n`,
      restore: ['/bin/false'],
      prove: ['/bin/true'],
    };
    const every = [
      {
        name: 'good',
        user: 'good',
        script: good,
        restore: ['/bin/grep', '--quiet', 'data', '/var/lib/backup-restore/good/dump/dump'],
        prove: ['/bin/grep', '--quiet', '--recursive', 'data', '/var/lib/backup-prove'],
      },
      deep,
      ...hooks,
    ];
    const option = (name: string): string => `{{ item.${name} }}`;
    await lab.playbook([
      {
        hosts: 'all',
        tasks: [
          {
            'ansible.builtin.include_role': { name: 'rootless.backup.borg' },
            vars: { backup_paths: ['/srv'], backup_drill_sample: 10 },
          },
          {
            'rootless.backup.hook': Object.fromEntries(
              ['name', 'user', 'script', 'restore', 'prove'].map((name) => [name, option(name)]),
            ),
            loop: every,
            loop_control: { label: option('name') },
          },
        ],
      },
    ]);
    const { ok, log } = await backUp(host);
    expect(ok, log).toBe(true);
  },
  (fixture) => {
    it('costs nobody else the drill: each is named, the good one is proven, and the lock of the host is free again', async () => {
      const { host } = fixture;
      const { ok, log } = await start(host, 'backup-drill.service');
      expect(ok, log).toBe(false);
      for (const name of names) {
        const lines = log.split('\n').filter((line) => line.includes(`hook evil-${name}: `));
        expect(lines.join('\n'), log).toContain(left[name]?.told);
      }
      expect(log).toMatch(/\S+-dumps-\S+: proven by \/bin\/grep/);
      expect(log).not.toContain('hook good:');
      expect(log).not.toContain('Traceback');
      await host.run('flock --nonblock --exclusive /var/lib/borg/lock true');
      expect((await host.run('find /var/lib/backup-drill -mindepth 1')).stdout).toBe('');
    });

    it.each(names)('is not restored, and says why at once: %s', async (name) => {
      const { host } = fixture;
      const { code, stdout } = await host.run(['backupctl', 'restore-db', '--all', `evil-${name}`], {
        mayFail: true,
        timeoutSeconds: 60,
      });
      expect(code).toBe(1);
      expect(stdout).toContain(left[name]?.told);
      expect(stdout).not.toContain('Traceback');
    });

    it('keeps nobody else from being restored', async () => {
      const { host } = fixture;
      const { stdout } = await host.run(['backupctl', 'restore-db', 'good', 'data']);
      expect(stdout).toContain('taken out and verified: data');
    });
  },
);
