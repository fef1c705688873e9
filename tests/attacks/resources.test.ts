import { expect, it } from 'vitest';
import { backUp, newest, onEachRelease } from '../host/fixture.ts';
import { settle } from '../host/mail.ts';

/** Takes and holds whatever lock it can get on any file in these directories, as flock(2) gives it to who may only read. */
const holder = `import fcntl, os, sys, time
held = []
for directory in sys.argv[1:]:
    found = [os.path.join(top, name) for top, names, files in os.walk(directory) for name in names + files + ["."]]
    # A directory that one may only enter shows no names.
    for path in found + [os.path.join(directory, name) for name in (".lock", ".at-work", "lock")]:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.append(path)
        except OSError:
            pass
open("/var/attack/held.new", "w").write("\\n".join(held))
os.rename("/var/attack/held.new", "/var/attack/held")
time.sleep(3600)
`;

onEachRelease(
  'what others make',
  async ({ lab, host }) => {
    await host.run('useradd --system wiki; useradd --groups adm watcher; useradd outsider; mkdir -m 1777 /var/attack');
    await lab.roles(['borg'], { backup_paths: ['/etc/hostname', '/var/attack'], borg_lock_wait: 20 });
    await lab.playbook([
      {
        hosts: 'all',
        gather_facts: false,
        tasks: [
          {
            'rootless.backup.hook': {
              name: 'wiki',
              user: 'wiki',
              script: '#!/bin/sh\nexec /usr/bin/python3 /var/attack/hook\n',
              restore: ['/usr/bin/python3', '/var/attack/hook'],
            },
          },
        ],
      },
    ]);
    await host.write('/var/attack/hook', '');
  },
  (fixture) => {
    it('cannot fill the memory through what a member of the group asks by', async () => {
      const { host } = fixture;
      for (const how of [
        'dd if=/dev/zero of=/run/backup-requests/backup bs=1M count=20 oflag=nonblock conv=notrunc',
        'truncate --size=100M /run/backup-requests/backup-check',
        'fallocate --length 10M /run/backup-requests/backup-check',
        'touch /run/backup-requests/more',
        'ln -s x /run/backup-requests/more',
        'setfattr -n user.x -v y /run/backup-requests/backup',
      ]) {
        await host.run(`timeout 20 ${how}`, { user: 'watcher', mayFail: true });
      }
      expect(
        (await host.run('du --summarize --apparent-size --block-size=1 /run/backup-requests/* | sort -n | tail -1'))
          .stdout,
      ).toMatch(/^0\t/);
      expect((await host.run('stat --format "%n %F" /run/backup-requests/*')).stdout).toBe(
        ['backup', 'backup-check', 'backup-drill'].map((name) => `/run/backup-requests/${name} fifo\n`).join(''),
      );
    });

    it('and he still asks by it, also after a boot', async () => {
      const { host } = fixture;
      expect((await host.run('backupctl run', { user: 'watcher' })).stdout).toMatch(/backup\.service succeeded/);
      await settle(host);
      await host.powerOff();
      await host.boot();
      expect((await host.run('backupctl run', { user: 'watcher' })).stdout).toMatch(/backup\.service succeeded/);
      await settle(host);
    });

    it('is a pipe where an older version had a file', async () => {
      const { host } = fixture;
      await host.run(
        'systemctl stop backup.path; rm /run/backup-requests/backup; echo x > /run/backup-requests/backup; systemd-tmpfiles --create /etc/tmpfiles.d/rootless-backup.conf; systemctl start backup.path',
      );
      expect((await host.run('stat --format "%F %a %G" /run/backup-requests/backup')).stdout).toBe('fifo 620 adm\n');
      expect((await host.run('backupctl run', { user: 'watcher' })).stdout).toMatch(/backup\.service succeeded/);
      await settle(host);
    });

    it('keep no lock of ours who may only read', async () => {
      const { host } = fixture;
      await host.run('backupctl restore-db --all wiki', { mayFail: true });
      await host.write('/var/attack/holder.py', holder);
      await host.run(
        'systemd-run --quiet --unit=holder --property=User=watcher python3 /var/attack/holder.py /var/lib/backup-restore /var/lib/backup-report /var/lib/borg /var/lib/backup-drill /run/backup-requests; while ! [ -e /var/attack/held ]; do sleep 0.1; done',
      );
      const restored = await host.run('backupctl restore-db --all wiki', { mayFail: true });
      expect(restored.stdout + restored.stderr).not.toContain('another one is at work');
      expect((await backUp(host)).ok).toBe(true);
      await settle(host);
      const held = (await host.run('cat /var/attack/held; rm /var/attack/held; systemctl stop holder')).stdout;
      expect(held).not.toMatch(/lock|at-work/);
    });

    it('shows no terminal what the user of a hook says while it is restored', async () => {
      const { host } = fixture;
      await host.write('/var/attack/hook', 'import os\nprint("\\x1b]0;owned\\x07\\u202e")\n');
      expect((await backUp(host)).ok).toBe(true);
      const { stdout, stderr } = await host.run('backupctl restore-db --all wiki', { mayFail: true });
      expect(stdout + stderr).not.toMatch(/[\u001b\u0007\u202e]/);
      expect(stdout).toContain(String.raw`\x1b]0;owned\x07\u202e`);
      await settle(host);
    });

    it('are saved as deep as they are, and the hook’s restore does not end by it', async () => {
      const { host } = fixture;
      await host.write(
        '/var/attack/hook',
        `import os
if os.path.isdir("/backup/wiki"):
    os.chdir("/backup/wiki")
    for _ in range(1200):
        os.makedirs("d", exist_ok=True)
        os.chdir("d")
    open("end", "w").write("x")
`,
      );
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(log).not.toContain('RecursionError');
      expect((await host.run(`backup-borg list --short ::${await newest(host, 'dumps')} | grep -c /end$`)).stdout).toBe(
        '1\n',
      );
      const restored = await host.run('backupctl restore-db --all wiki', { mayFail: true });
      expect(restored.stdout + restored.stderr).not.toMatch(/Traceback[^]*restore-db/);
      expect(await host.exists('/var/lib/backup-restore/wiki')).toBe(false);
      // Taking the role away is not what this is about.
      await host.run('rm -r /backup/wiki/d');
      await settle(host);
    });

    it('does not take a directory that nobody may enter for an end of the backup', async () => {
      const { host } = fixture;
      await host.write(
        '/var/attack/hook',
        'import os\nif os.path.isdir("/backup/wiki"):\n    os.makedirs("/backup/wiki/closed", mode=0, exist_ok=True)\n    os.chmod("/backup/wiki", 0)\n',
      );
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      await host.run('chmod 700 /backup/wiki /backup/wiki/closed');
      await settle(host);
    });

    it('takes no more memory than each unit is given', async () => {
      const { host } = fixture;
      const units = [
        'backup',
        'backup-check',
        'borg-init',
        'borg-secrets',
        'borg-passphrase',
        'borg-ssh-key',
        'backup-drill',
        'backup-stage@x',
        'backup-prove@x',
        'backup-report@x',
        'backup-watch',
        'backup-wiki',
        'backup-wiki-restore',
      ];
      const { stdout } = await host.run(
        `for unit in ${units.join(' ')}; do systemctl show --property=Id,MemoryMax,LimitDATA $unit.service; done`,
      );
      expect(stdout).not.toContain('infinity');
      expect(stdout.match(/^LimitDATA=\d+$/gm)).toHaveLength(units.length);
      expect(stdout.match(/^MemoryMax=\d+$/gm)).toHaveLength(units.length);
      // On cgroup v1 only this one holds.
      await host.write('/var/attack/hook', 'b = bytearray(17 << 30)\n');
      const { ok, log } = await backUp(host);
      expect(ok).toBe(false);
      expect(log).toContain('backup-wiki.service');
      expect(await host.journal('backup-wiki.service')).toContain('MemoryError');
      await host.write('/var/attack/hook', '');
      await settle(host);
    });

    it('takes no more memory of root than a few lines do, however much the user of a hook says while it is restored', async () => {
      const { host } = fixture;
      // Below what journald takes of one service; it keeps it small, since it compresses.
      await host.write(
        '/var/attack/hook',
        'import os\nif "BACKUP_DUMP" in os.environ:\n    for number in range(6000):\n        print("%d said" % number, "x" * 45_000)\n',
      );
      expect((await backUp(host)).ok).toBe(true);
      const { code, stdout, stderr } = await host.run(`prlimit --data=${256 << 20} backupctl restore-db --all wiki`, {
        mayFail: true,
      });
      expect(code, stderr.slice(-2000)).toBe(0);
      expect(stdout).toMatch(/^\d+ said x/m);
      expect(stdout.length).toBeLessThan(16 << 20);
      expect(
        Number(
          (await host.run('journalctl --sync; journalctl --output=cat --unit=backup-wiki-restore | wc --bytes')).stdout,
        ),
      ).toBeGreaterThan(200 << 20);
      await host.write('/var/attack/hook', '');
      await settle(host);
    });

    it('leaves nothing behind of it when the role is taken away', async () => {
      const { host, lab } = fixture;
      await lab.playbook([
        { hosts: 'all', gather_facts: false, tasks: [{ 'rootless.backup.hook': { name: 'wiki', state: 'absent' } }] },
      ]);
      await lab.roles(['borg'], { backup_state: 'absent' });
      expect(await host.exists('/run/backup-requests')).toBe(false);
    });
  },
);
