import { expect } from 'vitest';
import { onEachRelease } from '../host/fixture.ts';
import { fault, faultRepeatedly, hook, prepare } from './fault.ts';

onEachRelease(
  'the fault matrix: a sudden end',
  async (fixture) => {
    await fixture.host.run('head -c 30M /dev/urandom > /srv/random');
    // Slow compression: an instant of a run can be met.
    await prepare(fixture, { borg_compression: 'zlib,6' });
  },
  (fixture) => {
    const newData = 'head -c 30M /dev/urandom > /srv/random';
    const ended = 'while systemctl is-active backup.service | grep -q activating; do sleep 0.05; done';
    const borg = (command: string): string => `[/]usr/bin/borg .* ${command}( |$)`;

    // How long each of them takes here, roughly; a kill that comes too late is tried again, a little earlier. Many are tried in
    // `npm run test:long`.
    const many = process.env['ATTACK_ROUNDS'] === undefined ? 1 : 10;
    for (const [command, kills, megabytes, seconds] of [
      ['create', 4, 30, 1.5],
      ['prune', 2, 1, 0.3],
      ['compact', 2, 1, 0.3],
    ] as const) {
      const data = `head -c ${megabytes}M /dev/urandom > /srv/random`;
      faultRepeatedly(fixture, `kill in ${command}`, many * kills, () => {
        let delay = Math.random() * seconds;
        return {
          provoke: ({ host }) => host.run(data),
          run: async ({ host }) => {
            for (;;) {
              const { stdout } = await host.run(
                `systemctl start --no-block backup.service; until pgrep --full '${borg(command)}' > /dev/null; do sleep 0.01; done; sleep ${delay.toFixed(3)}; pkill -9 --full '${borg(command)}' && echo hit; ${ended}; systemctl show --property=Result --value backup.service`,
                { mayFail: true, timeoutSeconds: 60 },
              );
              // One that hit Borg when it had ended already, and was only leaving, came too late as well. A failure that is swallowed ends in no end.
              if (stdout.startsWith('hit\n') && stdout !== 'hit\nsuccess\n')
                return `killed after ${delay.toFixed(3)} s\n${await host.journal('backup.service')}`;
              delay *= 0.7;
              await host.run(data);
            }
          },
        };
      });
    }

    fault(fixture, 'kill of all', {
      provoke: ({ host }) => host.run(newData),
      run: ({ host }) =>
        host.run(
          `systemctl start --no-block backup.service; until pgrep --full '${borg('create')}' > /dev/null; do sleep 0.05; done; sleep 0.5; systemctl kill --signal=KILL --kill-whom=all backup.service; ${ended}`,
        ),
    });

    fault(fixture, 'stopped', {
      provoke: async ({ host }) => {
        await hook(fixture, { name: 'wiki', user: 'wiki', command: '/usr/bin/sleep 600' });
        // Not between two joins: a stop in that instant has systemd run the next one still, for TimeoutStopSec= (see docs/design/units.md).
        await host.run(
          'systemctl start --no-block backup.service; until pgrep --full "[s]leep 600" && pgrep --full "[s]ystemctl start backup-wiki"; do sleep 0.05; done',
        );
      },
      // The hook is told to stop by then, and has a moment to do it.
      run: ({ host }) =>
        host.run(
          'systemctl stop backup.service; for wait in {1..50}; do pgrep --full "[s]leep 600" > /dev/null || break; sleep 0.1; done',
        ),
      during: async ({ host }) =>
        expect((await host.run('pgrep --full "[s]leep 600"', { mayFail: true })).stdout).toBe(''),
      mend: () => hook(fixture, { name: 'wiki', state: 'absent' }),
    });

    fault(fixture, 'power loss', {
      provoke: async ({ host }) => {
        await host.run(
          `${newData}; systemctl start --no-block backup.service; until pgrep --full '${borg('create')}' > /dev/null; do sleep 0.05; done; sleep 0.7`,
        );
        await host.powerOff();
        await host.boot();
        await host.run('systemctl restart postfix');
      },
    });
  },
);
