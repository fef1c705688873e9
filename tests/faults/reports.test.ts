import { expect } from 'vitest';
import { onEachRelease } from '../host/fixture.ts';
import { fault, hook, prepare } from './fault.ts';

onEachRelease(
  'the fault matrix: reports',
  async (fixture) => {
    // It takes connections, and never answers.
    await fixture.host.run([
      'systemd-run',
      '--quiet',
      '--unit=silent',
      'python3',
      '-c',
      'import socket, time\ns = socket.create_server(("127.0.0.1", 8080))\ntime.sleep(3600)',
    ]);
    await prepare(fixture);
  },
  (fixture) => {
    const broken = (): Promise<unknown> => hook(fixture, { name: 'wiki', user: 'wiki', command: '/usr/bin/false' });
    const mended = (): Promise<unknown> => hook(fixture, { name: 'wiki', state: 'absent' });
    const settings = { borg_lock_wait: 10, backup_paths: ['/srv'] };

    fault(fixture, 'postfix down', {
      provoke: async ({ host }) => {
        await host.run('systemctl stop postfix');
        await broken();
      },
      mend: async ({ host }) => {
        await host.run(
          'systemctl start postfix; sleep 2; postqueue -f; while [ ! -s /var/mail/root ]; do sleep 0.2; done',
          { timeoutSeconds: 60 },
        );
        await mended();
      },
    });
    fault(fixture, 'URL hangs', {
      provoke: async ({ lab }) => {
        await lab.roles(['borg'], { ...settings, backup_report_url: 'http://127.0.0.1:8080/ping' });
        await broken();
      },
      during: async ({ host }) => {
        await host.run('while systemctl list-jobs --no-legend | grep -q " backup-re[ps]"; do sleep 0.5; done', {
          timeoutSeconds: 120,
        });
        expect((await host.run('systemctl is-failed backup-report@backup:failure')).stdout).toBe('failed\n');
      },
      mend: async ({ lab }) => {
        await mended();
        await lab.roles(['borg'], settings);
      },
    });
  },
);
