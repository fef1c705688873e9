import { it } from 'vitest';
import { damages, isMended } from '../host/cache.ts';
import { onEachRelease } from '../host/fixture.ts';

onEachRelease(
  'a damaged cache',
  async ({ lab, host }) => {
    await host.run('mkdir /srv/data; for n in {1..50}; do head -c 20000 /dev/urandom > /srv/data/$n; done');
    // The mail server of the host's root is not up by itself.
    await host.run('newaliases; systemctl restart postfix');
    await lab.roles(['borg'], { backup_paths: ['/srv'] });
    await host.run('systemctl start backup.service');
  },
  (fixture) => {
    it.each(damages)('is made anew, and told: %s', (damage) => isMended(fixture.host, damage));
  },
);
