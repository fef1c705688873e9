import { expect, it } from 'vitest';
import { onEachRelease } from '../host/fixture.ts';

const databases = 1000;
/** The default of the setting `backup_drill_time_limit`, in seconds. */
const timeLimit = 6 * 3600;
/** In milliseconds: the drill is to fail by its own measure, also where the machine is busy, and not by that of the suite. */
const longest = (3600 + timeLimit) * 1000;

onEachRelease(
  `a server of ${databases} databases`,
  async ({ lab, host }) => {
    const make = Array.from(
      { length: databases },
      (_, n) =>
        `CREATE DATABASE d${n};\n\\connect d${n}\nCREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 1000) n;\n`,
    );
    await host.run(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1'], {
      user: 'postgres',
      input: make.join(''),
      timeoutSeconds: 3600,
    });
    await lab.roles(['borg', 'postgres'], { backup_paths: ['/etc/hostname'], backup_mail_to: [] });
  },
  (fixture) => {
    it('is dumped, and proven in a quarter of the time that the drill has', { timeout: longest }, async () => {
      const { host } = fixture;
      const saving = Date.now();
      await host.run('systemctl start backup.service', { timeoutSeconds: 3600 });
      console.log(`${databases} databases: saved in ${((Date.now() - saving) / 1000).toFixed(0)} s`);
      const begun = Date.now();
      const { code } = await host.run('systemctl start backup-drill.service', {
        mayFail: true,
        timeoutSeconds: timeLimit,
      });
      const log = await host.journal('backup-drill.service');
      const seconds = (Date.now() - begun) / 1000;
      console.log(
        `${databases} databases: proven in ${seconds.toFixed(0)} s, ${(seconds / databases).toFixed(2)} s each`,
      );
      expect(code, log.slice(-2000)).toBe(0);
      expect(log).toContain(`${databases + 2} databases`);
      expect(seconds).toBeLessThan(timeLimit / 4);
    });
  },
);
