import { Lab } from '../../tests/lab/lab.ts';
import type { Part } from './part.ts';
import { reach, seconds, takeTurns } from './rounds.ts';

/** `backupctl restore` against bare `borg extract` as root. */
export const restore: Part = {
  title: 'Restoring 50,000 files, against bare Borg as root',
  about: `An archive of 50,000 files of 20 kB each, 1 GB, restored into a fresh directory by \`backupctl restore\`, and by \`borg extract\` of root, in
five rounds; and by \`backupctl restore --in-place\`, where the files are gone, so that each is made anew, and renamed. The caches of the machine are
warm for all.`,
  settings: '`backup_paths` is the tree of files that is measured; all else is at its default.',
  async measure({ quick }) {
    const lab = await Lab.open();
    try {
      await lab.installCollection();
      const host = await lab.boot({ name: 'bench', debian: 12 });
      await host.run(
        `python3 -c 'import os
for d in range(${quick ? 5 : 500}):
    os.makedirs("/srv/tree/%d" % d)
    for f in range(100):
        with open("/srv/tree/%d/%d" % (d, f), "wb") as file: file.write(os.urandom(10_000) * 2)'`,
        { timeoutSeconds: 300 },
      );
      await lab.roles(['borg'], { backup_paths: ['/srv/tree'] });
      await host.run('systemctl start backup.service', { timeoutSeconds: 300 });
      const archive = (await host.run("backup-borg list --format '{archive}{NL}' | grep files")).stdout.trim();
      // A repository of root's own: what root wrote into ours would lock it out.
      await host.run('cp -a /var/lib/borg/repository /var/lib/bare; chown -R root: /var/lib/bare');
      const environment =
        "BORG_PASSCOMMAND='cat /etc/credstore/borg.passphrase' BORG_BASE_DIR=/root/bare BORG_RELOCATED_REPO_ACCESS_IS_OK=yes LANG=C.UTF-8";
      const again = (): Promise<unknown> =>
        host.run('rm -rf /var/tmp/ours /var/tmp/bare /srv/tree/*; mkdir /var/tmp/bare');
      const options = { timeoutSeconds: 300 };
      const taken = await takeTurns(
        quick ? 1 : 5,
        {
          ours: () =>
            host.run(['backupctl', 'restore', '--archive', archive, '--into', '/var/tmp/ours', '/srv/tree'], options),
          bare: () =>
            host.run(`cd /var/tmp/bare && ${environment} borg extract /var/lib/bare::${archive} srv/tree`, options),
          sparse: () =>
            host.run(
              `cd /var/tmp/bare && ${environment} borg extract --sparse /var/lib/bare::${archive} srv/tree`,
              options,
            ),
          place: () => host.run(['backupctl', 'restore', '--archive', archive, '--in-place', '/srv/tree'], options),
        },
        { beforeEach: again },
      );
      const part = (value: number): string => value.toFixed(2);
      return {
        tables: [
          {
            columns: ['What', 'Median', 'Quartiles', 'Ratio', 'Reach'],
            rows: [
              ['`backupctl restore`', ...seconds(taken.ours), ...reach(taken.ours.median / taken.bare.median, 1.1)],
              ['`borg extract` as root', ...seconds(taken.bare), '1', ''],
              [
                '`borg extract --sparse` as root, which ours is',
                ...seconds(taken.sparse),
                part(taken.sparse.median / taken.bare.median),
                '',
              ],
              [
                '`backupctl restore --in-place`',
                ...seconds(taken.place),
                part(taken.place.median / taken.bare.median),
                '',
              ],
            ],
          },
        ],
      };
    } finally {
      await lab.close();
    }
  },
};
