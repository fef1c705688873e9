import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { debianFile } from '../lab/packages.ts';
import type { Host } from '../lab/host.ts';
import { archives, backUp, onEachRelease, start } from './fixture.ts';
import { damages, isMended } from './cache.ts';
import { mails } from './mail.ts';

const security = '/var/lib/borg/.config/borg/security/[0-9a-f]*';

/** What Borg 1.2.4 does when it renames, by whatever Borg there is: the tag that the archive is authenticated by stays as it was. */
const renames = `import sys
import borg.archive
from borg.archiver import main
from borg.helpers import msgpack
def set_meta(self, key, value):
    metadata = self._load_meta(self.id)
    # As it is kept, with the tag.
    found = msgpack.unpackb(self.key.decrypt(self.id, self.repository.get(self.id)))
    of = (lambda text: text.encode()) if b"name" in found else str
    found[of(key)] = of(value)
    data = msgpack.packb(found)
    new_id = self.key.id_hash(data)
    self.cache.add_chunk(new_id, data, self.stats)
    self.manifest.archives[self.name] = (new_id, metadata.time)
    self.cache.chunk_decref(self.id, self.stats)
    self.id = new_id
borg.archive.Archive.set_meta = set_meta
main()
`;

async function backupctl(host: Host, ...args: string[]): Promise<{ ok: boolean; said: string }> {
  const { code, stdout, stderr } = await host.run(['backupctl', ...args], { mayFail: true });
  return { ok: code === 0, said: stdout + stderr };
}

onEachRelease(
  'what is put right by itself, or by what is named',
  async ({ lab, host }) => {
    await host.run('mkdir /srv/data; for n in {1..50}; do head -c 20000 /dev/urandom > /srv/data/$n; done');
    await host.run('newaliases; systemctl restart postfix');
    await lab.roles(['borg'], { backup_paths: ['/srv'], borg_lock_wait: 10 });
    const { ok, log } = await backUp(host);
    expect(ok, log).toBe(true);
  },
  (fixture) => {
    it('a damaged cache is made anew, and told', async () => {
      const { host } = fixture;
      for (const damage of damages.slice(0, 2)) await isMended(host, damage);
      const again = await backUp(host);
      expect(again.ok, again.log).toBe(true);
      expect(again.log).not.toContain('damaged');
    });

    it('what a power failure left of files of state counts as absent, and is told', async () => {
      const { host } = fixture;
      await host.run(
        `for file in ${security}/nonce ${security}/key-type ${security}/location ${security}/manifest-timestamp /var/lib/borg/initialised/* /var/lib/borg/dump-chunker-params /var/lib/borg/records/*/*.json /var/lib/backup-report/status.json; do [ -s "$file" ] || exit 1; : > "$file"; done`,
      );
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      for (const name of ['nonce', 'key-type', 'location', 'manifest-timestamp'])
        expect(log).toMatch(new RegExp(`/${name} was taken away, since it is empty`));
      expect(log).toMatch(/initialised\/\w+ counts as absent: it is empty/);
      expect(log).toMatch(/dump-chunker-params counts as absent: it is empty/);
      expect((await mails(host)).map((mail) => mail.subject).join()).toContain('what was known of earlier runs');
      const drill = await start(host, 'backup-drill.service');
      expect(drill.ok, drill.log).toBe(true);
      const again = await backUp(host);
      expect(again.ok, again.log).toBe(true);
      expect(again.log).not.toContain('counts as absent');
      await mails(host);
    });

    it('what Borg 1.2.4 renamed goes, once, or its way is named; what is not whole is authentic now, and stays', async () => {
      const { host, release } = fixture;
      await host.write('/usr/local/lib/renames.py', renames);
      const borg =
        'env BORG_PASSPHRASE=$(cat /etc/credstore/borg.passphrase) BORG_BASE_DIR=/var/lib/borg BORG_CACHE_DIR=/var/cache/borg BORG_REPO=/var/lib/borg/repository';
      // As an older version of the collection left it.
      await host.run(
        `cd /; runuser -u borg -- ${borg} borg create ::renamed /srv/data/1; runuser -u borg -- ${borg} python3 /usr/local/lib/renames.py rename ::renamed web-files-2026-01-02T03:04:05Z.incomplete; rm -r /var/lib/borg/authentic /var/cache/borg/[0-9a-f]*`,
      );
      const { ok, log } = await backUp(host);
      // Borg 1.2.4 itself does not look.
      expect(ok, log).toBe(release === 12);
      if (release !== 12) {
        const text = (await mails(host)).map((mail) => mail.text).join();
        expect(text).toContain('`backup-borg upgrade --archives-tam`');
        expect(text).not.toMatch(/run `backup-borg check --repair`/);
        await host.run('backup-borg upgrade --archives-tam');
        const again = await backUp(host);
        expect(again.ok, again.log).toBe(true);
      }
      const marked = async () => (await archives(host)).filter((name) => name.endsWith('.incomplete'));
      expect(await marked()).toEqual([]);
      await host.write('/etc/backup/exclude.d/test', '/srv\n');
      expect((await backUp(host)).ok).toBe(false);
      await host.run('rm /etc/backup/exclude.d/test');
      if (release !== 12)
        expect((await host.run('backup-borg upgrade --check-archives-tam')).stdout).not.toContain('missing');
      expect((await backUp(host)).ok).toBe(true);
      expect((await marked()).length).toBe(1);
      await mails(host);
    });

    it('archives that no rule keeps or forgets are named in one place, with what decides', async () => {
      const { host } = fixture;
      await host.run(
        'backup-borg create --timestamp 2026-01-02T03:04:05 ::former-files-2026-01-02T03:04:05Z /srv/data/1',
      );
      const { said } = await backupctl(host, 'list');
      expect(said).toMatch(/no rule of it keeps or forgets them:\s+(\S+\s+)?former-files-2026-01-02T03:04:05Z/);
      expect(said).toContain('`backup-borg delete ::ARCHIVE`');
      const { ok, log } = await start(host, 'backup-check.service');
      expect(ok, log).toBe(true);
      expect(log).toMatch(/\d archives are of no host that is called like this one/);
      await host.run('backup-borg delete ::former-files-2026-01-02T03:04:05Z');
      expect((await backupctl(host, 'list')).said).not.toContain('former');
    });

    it('a repository that was moved is accepted where the settings name it, once, and told', async () => {
      const { lab, host } = fixture;
      await host.run('mv /var/lib/borg/repository /var/lib/borg/moved');
      const before = await host.run('ls /var/lib/borg/records/*/');
      await lab.roles(['borg'], {
        backup_paths: ['/srv'],
        borg_lock_wait: 10,
        borg_repositories: ['/var/lib/borg/moved'],
      });
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect((await host.run('journalctl --output=cat -u borg-init.service')).stdout).toContain(
        'which was at another place before. borg_repositories names this place now',
      );
      expect((await host.run('ls /var/lib/borg/initialised')).stdout.trim().split('\n').length).toBe(1);
      // What was known of its archives goes on.
      expect(before.stdout).toContain('-files-');
      expect((await host.run('ls /var/lib/borg/records/*/')).stdout).toContain(
        before.stdout.split('\n').filter((line) => line.includes('-files-'))[0],
      );
      const drill = await start(host, 'backup-drill.service');
      expect(drill.ok, drill.log).toBe(true);
      // Moved again, and nobody set it so: the next run says what is the way.
      await host.run(
        `mv /var/lib/borg/moved /var/lib/borg/repository; sed -i s,/var/lib/borg/moved,/var/lib/borg/repository, /etc/backup/borg.json`,
      );
      await mails(host);
      expect((await backUp(host)).ok).toBe(false);
      expect((await mails(host)).map((mail) => mail.text).join()).toContain('`systemctl start borg-init.service`');
      await host.run('systemctl start borg-init.service');
      expect((await backUp(host)).ok).toBe(true);
      await mails(host);
    });

    it('a clock that was ahead, or is back, costs no archive, and nothing old is taken for the newest', async () => {
      const { host } = fixture;
      await host.write(
        '/usr/local/lib/faketime.so',
        readFileSync(await debianFile('libfaketime', '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1')),
      );
      const saveAt = async (offset: string, text: string): Promise<{ ok: boolean; log: string }> => {
        await host.write('/srv/clock', text);
        const clock = offset && `[Service]\nEnvironment=LD_PRELOAD=/usr/local/lib/faketime.so FAKETIME=${offset}\n`;
        await host.write('/etc/systemd/system/backup.service.d/zz-clock.conf', clock);
        await host.run('systemctl daemon-reload');
        return backUp(host);
      };
      // One archive alone is kept, so each of another time would take its place.
      await host.run(
        `sed -i.kept -E 's/"keep_daily": [0-9]+/"keep_daily": 1/; s/"keep_(weekly|monthly)": [0-9]+/"keep_\\1": 0/' /etc/backup/backup.json`,
      );
      expect((await saveAt('+40d', 'ahead')).ok).toBe(true);
      await mails(host);
      const { ok, log } = await saveAt('', 'right');
      expect(ok, log).toBe(true);
      expect((await mails(host)).map((mail) => mail.subject).join()).toContain(
        'ok, but /var/lib/borg/repository: of the files there are archives of a time to come (1, up to web-files-',
      );
      expect((await backupctl(host, 'status')).said).toContain('`backup-borg delete ::NAME`');
      const restored = await backupctl(host, 'restore', '--into', '/root/clock', '/srv/clock');
      expect(restored.ok, restored.said).toBe(true);
      expect(restored.said).toMatch(/-files-\S+ is of a time to come.*does not count as the newest/);
      expect(await host.read('/root/clock/srv/clock')).toBe('right');
      // Now all are of a time to come but the one that is made then.
      const back = await saveAt('-40d', 'back');
      expect(back.ok, back.log).toBe(true);
      const names = (await archives(host)).filter((name) => /-files-.*Z$/.test(name));
      expect(names.length, names.join()).toBe(3);
      expect((await host.run(`backup-borg extract --stdout ::${names[0]} srv/clock`)).stdout).toBe('back');
      await host.run(
        'mv /etc/backup/backup.json.kept /etc/backup/backup.json; rm /etc/systemd/system/backup.service.d/zz-clock.conf; systemctl daemon-reload; backup-borg delete --glob-archives "*-$(date -u -d "40 days" +%F)T*"',
      );
      await mails(host);
    });

    it('the end of the room is told in time, by mail, status and metrics', async () => {
      const { host } = fixture;
      expect((await backUp(host)).ok).toBe(true);
      await mails(host);
      await host.run(
        `python3 - <<'END'
import json, time
path = "/var/lib/backup-report/status.json"
known = json.load(open(path))
samples = known["room"]["/var/lib/borg/repository"]
samples[0][0] -= 5 * 86400
samples[0][1] *= 2
open(path, "w").write(json.dumps(known))
END`,
      );
      expect((await backUp(host)).ok).toBe(true);
      const told = /the disk of \/var\/lib\/borg\/repository will be full in [45] days if it goes on like this/;
      expect((await mails(host)).map((mail) => mail.subject).join()).toMatch(told);
      const { ok, said } = await backupctl(host, 'status');
      expect(ok).toBe(false);
      expect(said).toMatch(told);
      expect(await host.read('/var/lib/backup-report/backup.prom')).toContain(
        'backup_repository_full_timestamp_seconds{',
      );
    });

    it('where the report finds no room it is told first, and status says what systemd knows', async () => {
      const { host } = fixture;
      await host.run(
        'cp -a /var/lib/backup-report /root/kept; mount -t tmpfs -o size=64k tmpfs /var/lib/backup-report; cp -a /root/kept/. /var/lib/backup-report; chown --reference=/root/kept /var/lib/backup-report; head -c 1M /dev/zero > /var/lib/backup-report/filler; mv /srv /srv.away',
        { mayFail: true },
      );
      expect((await backUp(host)).ok).toBe(false);
      await host.run('mv /srv.away /srv');
      const subjects = (await mails(host)).map((mail) => mail.subject).join('\n');
      expect(subjects).toContain('FAILED: ');
      expect(subjects).toContain('could not be recorded');
      const { ok, said } = await backupctl(host, 'status');
      expect(ok, said).toBe(false);
      expect(said).toMatch(/The last backup failed \(exit-code\), and its report is not there/);
      await host.run('umount /var/lib/backup-report');
      expect((await backUp(host)).ok).toBe(true);
    });

    it('a file of which a repair left zeros takes no place unless that is wanted', async () => {
      const { host } = fixture;
      await host.run('head -c 3M /dev/urandom > /srv/data/large');
      expect((await backUp(host)).ok).toBe(true);
      await host.run(
        'f=$(find /var/lib/borg/repository/data -type f -size +2M | sort | tail -1); printf XXXX | dd of="$f" bs=1 seek=1500000 conv=notrunc status=none; yes YES | backup-borg check --repair; echo live > /srv/data/large; echo live > /srv/data/1',
        { mayFail: true },
      );
      const { ok, said } = await backupctl(host, 'restore', '--in-place', '/srv/data');
      expect(ok).toBe(false);
      expect(said).toMatch(/\/srv\/data\/large: the repository lost a part of it.*so it was not put in place/);
      expect(await host.read('/srv/data/large')).toBe('live\n');
      expect((await host.run('stat -c %s /srv/data/1')).stdout).toBe('20000\n');
      const beside = await backupctl(host, 'restore', '/srv/data/large');
      expect(beside.ok).toBe(false);
      expect(beside.said).toMatch(/srv\/data\/large: .*damaged/);
      const damaged = await backupctl(host, 'restore', '--in-place', '--damaged', '/srv/data/large');
      // It is there, and not whole.
      expect(damaged.ok, damaged.said).toBe(false);
      expect(damaged.said).toContain(
        '/srv/data/large: it was put in place with zeros, where the repository lost a part of it',
      );
      expect((await host.run('stat -c %s /srv/data/large')).stdout).toBe('3145728\n');
    });
  },
);
