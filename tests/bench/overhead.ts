import { Lab } from '../lab/lab.ts';
import type { Part } from './main.ts';
import { milliseconds, ratio, takeTurns } from './rounds.ts';

/** `backup.service` on files that did not change, against bare Borg as root with the same options. */
export const overhead: Part = {
  title: 'A backup of 50,000 unchanged files, against bare Borg as root',
  columns: ['What', 'Median', 'Quartiles', 'Ratio', 'Reach'],
  async measure() {
    const lab = await Lab.open();
    try {
      await lab.installCollection();
      const host = await lab.boot({ name: 'bench', debian: 12 });
      await host.run(`python3 -c 'import os
for d in range(500):
    os.makedirs("/srv/tree/%d" % d)
    for f in range(100):
        with open("/srv/tree/%d/%d" % (d, f), "w") as file: file.write("%d %d " % (d, f) * (f + 1))'`);
      await lab.roles(['borg'], { borg_paths: ['/srv/tree'], borg_mail_to: [] });
      const passphrase = (await host.read('/etc/credstore/borg.passphrase')).trim();
      const bare = [
        'export BORG_REPO=/var/lib/bare BORG_HOST_ID=bench BORG_BASE_DIR=/root/bare LANG=C.UTF-8',
        "a=web-files-$(date -u +%FT%H:%M:%S.%NZ)",
        'borg create --compression zstd,3 --files-cache ctime,size,inode --json --list --filter dsbcf ::$a /srv/tree > /dev/null 2>&1',
        "borg prune --glob-archives 'web-files-*' --keep-daily 30 --keep-weekly 12 --keep-monthly 12",
        'borg compact',
      ].join(' && ');
      const environment = `export BORG_PASSPHRASE=${passphrase};`;
      await host.run(`${environment} BORG_BASE_DIR=/root/bare borg init --encryption repokey-blake2 /var/lib/bare`);
      const { ours, theirs } = await takeTurns(9, {
        ours: () => host.run('systemctl start backup.service'),
        theirs: () => host.run(`${environment} ${bare}`),
      });
      const { stdout } = await host.run('journalctl --output=short-unix --unit=backup.service --no-pager | tail -40');
      console.log(stdout);
      return [
        ['`systemctl start backup.service`', ...milliseconds(ours), ratio(ours, theirs), '≤ 1.05'],
        ['`borg create`, `prune`, `compact` as root', ...milliseconds(theirs), '', ''],
      ];
    } finally {
      await lab.close();
    }
  },
};
