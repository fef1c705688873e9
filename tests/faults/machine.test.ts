import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { newest, onEachRelease } from '../host/fixture.ts';
import { debianFile } from '../lab/packages.ts';
import { fault, prepare } from './fault.ts';

const paths = ['/srv', '/var/data'];

onEachRelease(
  'the fault matrix: the machine and its settings',
  async (fixture) => {
    await fixture.host.run('mkdir /var/data; echo data > /var/data/file');
    await prepare(fixture, { backup_paths: paths });
  },
  (fixture) => {
    const on = (command: string) => (): Promise<unknown> => fixture.host.run(command);
    const dropIn = async (unit: string, lines: string): Promise<unknown> => {
      await fixture.host.write(`/etc/systemd/system/${unit}.d/fault.conf`, `[Service]\n${lines}\n`);
      return fixture.host.run('systemctl daemon-reload');
    };
    const withoutDropIns = on('rm -f /etc/systemd/system/*.d/fault.conf; systemctl daemon-reload');
    const role = (): Promise<unknown> => fixture.lab.roles(['borg'], { borg_lock_wait: 10, backup_paths: paths });
    const passphrase = (): string => readFileSync(join(fixture.lab.directory, 'backup-secrets/web/passphrase'), 'utf8');

    const entries = process.env['ATTACK_ROUNDS'] === undefined ? 100_000 : 1_000_000;
    // Not even the capability reads what is mounted for one user alone.
    fault(fixture, 'unreadable', {
      provoke: on(
        `[ -e /dev/fuse ] || mknod /dev/fuse c 10 229; mkdir -p /srv/closed; systemd-run --quiet --unit=closed python3 -c 'import ctypes, os, time
fuse = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=65534,group_id=65534" % fuse
assert ctypes.CDLL(None).mount(b"closed", b"/srv/closed", b"fuse", 0, options) == 0
time.sleep(3600)'; for wait in {1..50}; do grep -q " /srv/closed fuse" /proc/mounts && break; sleep 0.1; done; grep -q " /srv/closed fuse" /proc/1/mounts`,
      ),
      mend: on('umount --lazy /srv/closed; systemctl stop closed; rmdir /srv/closed'),
    });
    fault(fixture, 'many entries', {
      provoke: on(`python3 -c 'import os
os.mkdir("/srv/many")
open("/srv/many/0", "w").close()
for n in range(1, ${entries}): os.link("/srv/many/0", "/srv/many/%d" % n)'`),
      mend: on('rm -r /srv/many'),
    });
    fault(fixture, 'clock back', {
      provoke: async ({ host }) => {
        await host.write(
          '/usr/local/lib/faketime.so',
          readFileSync(await debianFile('libfaketime', '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1')),
        );
        for (const unit of ['backup.service', 'backup-report@backup:success.service'])
          await dropIn(unit, 'Environment=LD_PRELOAD=/usr/local/lib/faketime.so FAKETIME=+3d');
        await host.run('systemctl start backup.service');
        expect((await host.run('backup-borg list --short --last 1')).stdout).toContain(
          (await host.run('date -u -d "3 days" +%F')).stdout.trim(),
        );
        await withoutDropIns();
      },
      // Else each run tells of them for three days.
      mend: on('backup-borg delete --glob-archives "*-$(date -u -d "3 days" +%F)T*"'),
    });
    fault(fixture, 'clock ahead', {
      provoke: async ({ host }) => {
        for (const unit of ['backup.service', 'backup-report@backup:success.service'])
          await dropIn(unit, 'Environment=LD_PRELOAD=/usr/local/lib/faketime.so FAKETIME=+10y');
        await host.run('systemctl start backup.service');
        await withoutDropIns();
      },
      mend: on('backup-borg delete --glob-archives "*-$(date -u -d "10 years" +%Y)-*"'),
    });
    fault(fixture, 'no memory', { provoke: () => dropIn('backup.service', 'LimitAS=48M'), mend: withoutDropIns });
    fault(fixture, 'few files', { provoke: () => dropIn('backup.service', 'LimitNOFILE=10'), mend: withoutDropIns });
    fault(fixture, 'too slow', {
      provoke: async ({ host }) => {
        await host.run('head -c 300M /dev/urandom > /srv/random');
        await dropIn('backup.service', 'TimeoutStartSec=1s');
      },
      mend: async ({ host }) => {
        await host.run('rm /srv/random');
        await withoutDropIns();
      },
    });
    fault(fixture, 'cache gone', { provoke: on('rm -r /var/cache/borg/*') });
    fault(fixture, 'chunks damaged', {
      during: async ({ host }) => expect(await host.journal('backup.service')).toContain('was damaged. It was dropped'),
      provoke: on(
        'printf XXXX | dd of="$(echo /var/cache/borg/[0-9a-f]*/chunks)" bs=1 seek=100 conv=notrunc status=none',
      ),
    });
    fault(fixture, 'files cache damaged', {
      provoke: on('for file in /var/cache/borg/[0-9a-f]*/files*; do head -c 300 /dev/urandom > "$file"; done'),
    });
    fault(fixture, 'state empty', {
      provoke: on(
        'for file in /var/lib/borg/.config/borg/security/*/nonce /var/lib/borg/initialised/* /var/lib/borg/records/*/*.json /var/lib/backup-report/status.json; do [ -s "$file" ] || exit 1; : > "$file"; done',
      ),
    });
    fault(fixture, 'path missing', { provoke: on('mv /var/data /var/away'), mend: on('mv /var/away /var/data') });
    fault(fixture, 'path linked', {
      provoke: on('mv /var/data /var/disk; ln -s /var/disk /var/data'),
      during: async ({ host }) =>
        expect((await host.run(`backup-borg list --short ::${await newest(host, 'files')}`)).stdout).toContain(
          'var/disk/file\n',
        ),
      mend: on('rm /var/data; mv /var/disk /var/data'),
    });
    fault(fixture, 'too deep', {
      provoke: on(
        `python3 -c 'import os\nos.mkdir("/srv/deep")\nos.chdir("/srv/deep")\nfor _ in range(6000):\n    os.mkdir("d")\n    os.chdir("d")'`,
      ),
      mend: on('rm -r /srv/deep'),
    });
    fault(fixture, 'leased', {
      provoke: on(
        `echo x > /srv/leased; systemd-run --quiet --unit=lease python3 -c 'import fcntl, signal, time
signal.signal(signal.SIGIO, lambda *_: None)
file = open("/srv/leased", "r+")
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
while True: time.sleep(60)'; until grep -q LEASE /proc/locks; do sleep 0.1; done`,
      ),
      mend: on('systemctl stop lease; rm /srv/leased'),
    });
    fault(fixture, 'file grows', {
      provoke: on(
        'head -c 20M /dev/urandom > /srv/growing; systemd-run --quiet --unit=grow bash -c "while :; do head -c 4k /dev/zero >> /srv/growing; sleep 0.001; done"',
      ),
      mend: on('systemctl stop grow; rm /srv/growing'),
    });
    fault(fixture, 'no user', {
      provoke: on('usermod --login away borg'),
      mend: on('usermod --login borg away'),
    });
    fault(fixture, 'no Borg', { provoke: on('mv /usr/bin/borg /root/'), mend: on('mv /root/borg /usr/bin/') });
    fault(fixture, 'settings empty', {
      provoke: on('for f in /etc/backup/backup.json /etc/backup/borg.json; do cp -a $f /root/; : > $f; done'),
      mend: on('cp -a /root/backup.json /root/borg.json /etc/backup/'),
    });
    fault(fixture, 'unit hides data', {
      provoke: on(
        'mkdir -p /srv/private; echo InaccessiblePaths=/srv/private >> /etc/systemd/system/backup.service; systemctl daemon-reload',
      ),
      mend: role,
    });
    // Its timer is stopped before: it would come by itself each hour, and tell once a day. The role starts it again.
    const watch = on(
      "sed -i 's/\"last_good\": [0-9.]*/\"last_good\": '$(date -d '3 days ago' +%s)'/' /var/lib/backup-report/status.json; touch -d '3 days ago' /backup.last; systemctl start backup-watch.service",
    );
    const unwatched = on('sed -i \'s/"alerted": [0-9.]*/"alerted": 0/\' /var/lib/backup-report/status.json');
    fault(fixture, 'unit broken', {
      // That it cannot be started is the fault.
      provoke: on(
        'systemctl stop backup-watch.timer; sed -i "s/^Type=.*/ExecStart=nonsense/" /etc/systemd/system/backup.service; systemctl daemon-reload; systemctl start backup.service || true',
      ),
      run: watch,
      mend: async () => {
        await role();
        await unwatched();
      },
    });
    fault(fixture, 'timer off', {
      provoke: on('systemctl stop backup-watch.timer; systemctl disable --now backup.timer'),
      run: watch,
      mend: async () => {
        await role();
        await unwatched();
      },
    });
    fault(fixture, 'credential missing', {
      provoke: on('rm /etc/credstore/borg.passphrase'),
      mend: ({ host }) => host.write('/etc/credstore/borg.passphrase', passphrase(), '0600'),
    });
    fault(fixture, 'credential wrong', {
      provoke: ({ host }) => host.write('/etc/credstore/borg.passphrase', 'not the right one\n', '0600'),
      mend: ({ host }) => host.write('/etc/credstore/borg.passphrase', passphrase(), '0600'),
    });
    fault(fixture, 'timer missed', {
      provoke: async ({ host }) => {
        await host.run(
          "systemctl stop backup.timer; touch -d '2 days ago' /var/lib/systemd/timers/stamp-backup.timer; rm /backup.last; mkdir -p /etc/systemd/system/backup.timer.d; printf '[Timer]\\nRandomizedDelaySec=0\\n' > /etc/systemd/system/backup.timer.d/now.conf",
        );
        await host.powerOff();
        await host.boot();
      },
      run: on('until [ -e /backup.last ]; do sleep 0.2; done; systemctl restart postfix'),
      mend: on('rm -r /etc/systemd/system/backup.timer.d; systemctl daemon-reload'),
    });
  },
);
