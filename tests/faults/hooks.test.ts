import { expect } from 'vitest';
import { onEachRelease } from '../host/fixture.ts';
import { fault, hook, prepare } from './fault.ts';

onEachRelease(
  'the fault matrix: hooks and databases',
  async (fixture) => {
    const { host } = fixture;
    await host.run('mkdir -p /backup && mount -t tmpfs -o size=40M,mode=755 tmpfs /backup');
    await host.run(
      'systemctl is-active --quiet postgresql; createdb shop && psql --quiet shop --command "CREATE TABLE orders AS SELECT n, md5(n::text) AS text FROM generate_series(1, 200000) AS n"',
      { user: 'postgres' },
    );
    await prepare(fixture, { postgres_lock_wait: 2, postgres_time_limit: '8s' }, ['postgres']);
  },
  (fixture) => {
    const on = (command: string) => (): Promise<unknown> => fixture.host.run(command);
    let dump = '';
    const sum = async (): Promise<string> =>
      (await fixture.host.run('sha256sum /backup/postgresql/*/shop.dump')).stdout;

    fault(fixture, 'staging full', {
      provoke: async ({ host }) => {
        dump = await sum();
        await host.run('psql --quiet shop --command "UPDATE orders SET text = md5(text)"', { user: 'postgres' });
        await host.run('cat /dev/zero > /backup/filler 2> /dev/null; truncate -s -2M /backup/filler');
      },
      during: async () => expect(await sum()).toBe(dump),
      mend: on('rm /backup/filler'),
    });
    fault(fixture, 'database down', {
      provoke: on('systemctl stop postgresql'),
      mend: on('systemctl start postgresql'),
    });
    fault(fixture, 'database refuses', {
      provoke: on(
        'f=$(echo /etc/postgresql/*/main/pg_hba.conf); cp -a $f $f.good; echo "local all all reject" > $f; systemctl reload postgresql',
      ),
      mend: on(
        'f=$(echo /etc/postgresql/*/main/pg_hba.conf); mv $f.good $f; systemctl reload postgresql; until runuser -u postgres -- psql --quiet --command "" 2> /dev/null; do sleep 0.1; done',
      ),
    });
    fault(fixture, 'database locked', {
      provoke: on(
        "systemd-run --quiet --unit=locker --uid=postgres psql shop --command 'BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)'; until pgrep --full '^postgres: .* shop .*SELECT' > /dev/null; do sleep 0.1; done",
      ),
      mend: on(
        'systemctl stop locker; runuser -u postgres -- psql --quiet -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE \'%pg_sleep%\' AND pid <> pg_backend_pid()" > /dev/null',
      ),
    });
    fault(fixture, 'database hangs', { provoke: on('pkill -STOP postgres'), mend: on('pkill -CONT postgres') });

    const broken =
      (script: string, more: object = {}) =>
      (): Promise<unknown> =>
        hook(fixture, { name: 'wiki', user: 'wiki', script: `#!/bin/sh\n${script}\n`, ...more });
    const mended = (): Promise<unknown> => hook(fixture, { name: 'wiki', state: 'absent' });
    fault(fixture, 'hook hangs', { provoke: broken('sleep 600', { timeout: '2s' }), mend: mended });
    fault(fixture, 'hook crashes', { provoke: broken('kill -SEGV $$'), mend: mended });
    fault(fixture, 'hook forks', {
      provoke: broken('setsid sleep 600 > /dev/null 2>&1 &'),
      during: async ({ host }) =>
        expect(
          (
            await host.run(
              'for wait in {1..50}; do pgrep --full "[s]leep 600" || break; sleep 0.1; done > /dev/null; pgrep --full "[s]leep 600"',
              { mayFail: true },
            )
          ).stdout,
        ).toBe(''),
      mend: mended,
    });
    const withHook = (script: string, change: string) => async (): Promise<unknown> => {
      await broken(script)();
      return fixture.host.run(change);
    };
    fault(fixture, 'hook without user', {
      provoke: async ({ host }) => {
        await host.run('useradd --system other');
        await broken('true', { user: 'other' })();
        await host.run('usermod --login away other');
      },
      mend: async ({ host }) => {
        await host.run('usermod --login other away');
        await mended();
      },
    });
    fault(fixture, 'hook without program', {
      provoke: async ({ host }) => {
        await host.run('cp /usr/bin/true /usr/local/bin/wiki-dump');
        await hook(fixture, { name: 'wiki', user: 'wiki', command: '/usr/local/bin/wiki-dump' });
        await host.run('rm /usr/local/bin/wiki-dump');
      },
      mend: mended,
    });
    fault(fixture, 'hook without directory', { provoke: withHook('true', 'rm -rf /backup/wiki'), mend: mended });
    fault(fixture, 'hook shouts', {
      provoke: broken(
        "for n in $(seq 20000); do printf '\\033]0;%s\\007\\033[2J line %s\\n' wiki $n; done; printf '\\033[31mno\\n' >&2; exit 3",
      ),
      mend: mended,
    });
    fault(fixture, 'hook masked', {
      provoke: withHook(
        'true',
        'mv /etc/systemd/system/backup-wiki.service /root/; systemctl mask --quiet backup-wiki.service',
      ),
      mend: async ({ host }) => {
        await host.run(
          'systemctl unmask --quiet backup-wiki.service; mv /root/backup-wiki.service /etc/systemd/system/; systemctl daemon-reload',
        );
        await mended();
      },
    });
    const dropIn = (lines: string) => async (): Promise<unknown> => {
      await fixture.host.write('/etc/systemd/system/backup.service.d/fault.conf', `[Service]\n${lines}\n`);
      return fixture.host.run('systemctl daemon-reload');
    };
    const withoutDropIn = on('rm /etc/systemd/system/backup.service.d/fault.conf; systemctl daemon-reload');
    fault(fixture, 'drop-in of nothing', {
      provoke: dropIn('ExecStartPre=!/bin/systemctl start backup-none.service'),
      mend: withoutDropIn,
    });
    fault(fixture, 'drop-in nonsense', { provoke: dropIn('ExecStartPer=!/bin/false'), mend: withoutDropIn });
  },
);
