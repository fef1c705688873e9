import { expect } from 'vitest';
import { newest, onEachRelease } from '../host/fixture.ts';
import { fault, prepare } from './fault.ts';

onEachRelease(
  'the fault matrix: the repository',
  async (fixture) => {
    const { host } = fixture;
    await host.run(
      'mkdir -p /var/disk && mount -t tmpfs -o size=700M,mode=755 tmpfs /var/disk && mount --bind /var/disk /mnt && head -c 3M /dev/urandom > /srv/random',
    );
    await prepare(fixture, { borg_repositories: ['/mnt/repository'] });
  },
  (fixture) => {
    const on = (command: string) => (): Promise<unknown> => fixture.host.run(command);

    fault(fixture, 'disk full', {
      // It ends with an error when the disk is full, which it is to be.
      provoke: on('head -c 5M /dev/urandom > /srv/new; cat /dev/zero > /mnt/filler 2> /dev/null || true'),
      mend: on('rm /mnt/filler /srv/new'),
    });
    fault(fixture, 'disk stays full', {
      provoke: on(
        `for n in {1..4}; do head -c 40M /dev/urandom > /var/older; backup-borg create --timestamp 2026-01-0\${n}T02:00:00 "::web-files-2026-01-0\${n}T02:00:00Z" /var/older; done; rm /var/older; cp -a /etc/backup/backup.json /root/; python3 -c '
import json
path = "/etc/backup/backup.json"
settings = json.load(open(path))
settings.update(keep_daily=1, keep_weekly=0, keep_monthly=0)
json.dump(settings, open(path, "w"))'; head -c 5M /dev/urandom > /srv/new; cat /dev/zero > /mnt/filler 2> /dev/null || true`,
      ),
      after: on('rm /mnt/filler /srv/new; cp -a /root/backup.json /etc/backup/'),
    });
    fault(fixture, 'read-only', {
      provoke: on('mount -o remount,bind,ro /mnt'),
      mend: on('mount -o remount,bind,rw /mnt'),
    });
    fault(fixture, 'missing', {
      provoke: on('mv /mnt/repository /mnt/away'),
      mend: on('mv /mnt/away /mnt/repository'),
    });
    fault(fixture, 'unmounted', {
      provoke: on('umount /mnt'),
      during: async () => expect((await fixture.host.run('ls -A /mnt')).stdout).toBe(''),
      mend: on('mount --bind /var/disk /mnt'),
    });
    fault(fixture, 'another', {
      provoke: on(
        // One that Borg itself has never seen, so that it has nothing to compare with.
        'backup-borg init --encryption repokey-blake2 /var/lib/borg/foreign; cp -a /var/lib/borg/.config/borg/security /root/; rm -r /var/lib/borg/.config/borg/security /var/cache/borg/*; mv /mnt/repository /mnt/away; cp -a /var/lib/borg/foreign /mnt/repository',
      ),
      mend: on(
        'rm -r /mnt/repository; mv /mnt/away /mnt/repository; rm -r /var/lib/borg/.config/borg/security; cp -a /root/security /var/lib/borg/.config/borg/',
      ),
    });
    fault(fixture, 'older copy', {
      provoke: on(
        'cp -a /mnt/repository /mnt/older && systemctl start backup.service && rm -r /mnt/repository && mv /mnt/older /mnt/repository',
      ),
    });
    fault(fixture, 'lock of another host', {
      provoke: on(
        'install -d -o borg -m 700 /mnt/repository/lock.exclusive; install -o borg /dev/null /mnt/repository/lock.exclusive/elsewhere@123.4567-0',
      ),
      mend: on('rm -r /mnt/repository/lock.exclusive'),
    });
    fault(fixture, 'lock of a dead host', {
      provoke: on(
        'install -d -o borg -m 700 /mnt/repository/lock.exclusive; install -o borg /dev/null /mnt/repository/lock.exclusive/elsewhere@123.4567-0',
      ),
    });
    const check = async (): Promise<string> =>
      (
        await fixture.host.run(
          'systemctl start backup-check.service; journalctl --sync; journalctl --output=cat -u backup-check.service',
          { mayFail: true },
        )
      ).stdout;
    const restored = async (): Promise<void> => {
      const { stdout } = await fixture.host.run(
        `backup-borg extract --stdout ::${await newest(fixture.host, 'files')} srv/random | cmp - /srv/random && echo equal`,
        { mayFail: true },
      );
      expect(stdout).toBe('equal\n');
    };
    // In the random data, of which the archives have one copy: what is on the machine is not touched.
    const segment = 'f=$(find /mnt/repository/data -type f -size +1M | sort | head -1)';
    fault(fixture, 'corrupted', {
      provoke: on(`${segment}; printf XXXX | dd of="$f" bs=1 seek=1000000 conv=notrunc status=none`),
      run: check,
      after: restored,
    });
    fault(fixture, 'segment missing', {
      // One of data that changed alone: what else the newest archives hold lies in others.
      provoke: on(
        'systemctl start backup.service; head -c 3M /dev/urandom > /srv/random; systemctl start backup.service; f=$(find /mnt/repository/data -type f -size +1M | sort --version-sort | tail -1); touch /srv/random; systemctl start backup.service; rm "$f"',
      ),
      run: check,
      after: restored,
    });
    fault(fixture, 'index cut off', { provoke: on('truncate -s 100 /mnt/repository/index.*') });
    fault(fixture, 'index missing', { provoke: on('rm -f /mnt/repository/{index,hints,integrity}.*') });
    fault(fixture, 'configuration empty', {
      provoke: on('cp -a /mnt/repository/config /root/config; : > /mnt/repository/config'),
      mend: on('cp -a /root/config /mnt/repository/config'),
    });
    fault(fixture, 'not of borg', {
      provoke: on('chown -R root:root /mnt/repository'),
      mend: on('chown -R borg: /mnt/repository'),
    });
    fault(fixture, 'no inodes', {
      provoke: on('mount -o remount,nr_inodes=$(($(stat -f -c %c /mnt) - $(stat -f -c %d /mnt) + 1)) /var/disk'),
      mend: on('mount -o remount,nr_inodes=0 /var/disk'),
    });
  },
);
