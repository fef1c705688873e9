import { expect, it } from 'vitest';
import { backUp, onEachRelease, start } from '../host/fixture.ts';

/** Fetches the sources of the server that is installed, from a rescue system, and lays down its regression suite. */
const fetchSuite = `
sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > /etc/apt/sources.list.d/sources.list
apt-get update --quiet=2
cd /var/lib/postgresql
apt-get source --quiet=2 --download-only "postgresql-$(ls /usr/lib/postgresql)"
python3 -c 'import glob, tarfile
with tarfile.open(*glob.glob("postgresql-*.orig.tar.*")) as file:
    for member in file:
        parts = member.name.split("/")
        if parts[1:4] == ["src", "test", "regress"]:
            member.name = "/".join(parts[3:])
            file.extract(member)'
rm postgresql-* /etc/apt/sources.list.d/sources.list
mkdir -p regress/results
chown -R postgres regress
`;

/** Runs it as its schedule says, one file after the other. What needs more than the installed server fails; what is left is a database. */
const runSuite = `
cd /var/lib/postgresql/regress
export PGTZ=PST8PDT PGDATESTYLE='Postgres, MDY' PGOPTIONS='-c intervalstyle=postgres_verbose' PG_ABS_SRCDIR=$PWD PG_ABS_BUILDDIR=$PWD \\
  PG_LIBDIR=/usr/lib/postgresql/$(ls /usr/lib/postgresql)/lib PG_DLSUFFIX=.so
psql --quiet --command="CREATE DATABASE regression TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
for name in $(sed -n 's/^test: //p' parallel_schedule); do
  timeout 120 psql --no-psqlrc --quiet --dbname regression --file "sql/$name.sql" > "results/$name.out" 2>&1 || true
done
`;

/** 4,000 tables with three indexes each, by a transaction each. */
const makeTables = `
CREATE DATABASE wide;
\\connect wide
SELECT format('CREATE TABLE t%s (a int PRIMARY KEY, b int UNIQUE, c int); CREATE INDEX ON t%s (c); INSERT INTO t%s VALUES (1, 1, 1)', n, n, n)
FROM generate_series(1, 4000) n
\\gexec
`;

/** An application that reads a hundred tables in each transaction, until it is stopped; its errors go to a file. */
const application = `while :; do
  { echo 'BEGIN;'; for n in {1..100}; do echo "SELECT count(*) FROM t$((RANDOM % 4000 + 1)) WHERE c = 1;"; done; echo 'COMMIT;'; } |
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname wide --output /dev/null 2>> /var/lib/postgresql/errors
  echo . >> /var/lib/postgresql/rounds
done`;

onEachRelease(
  'PostgreSQL with all that it has',
  async ({ lab, host }) => {
    await host.powerOff();
    await host.rescue(fetchSuite, { timeoutSeconds: 900 });
    await host.boot();
    await lab.roles(['borg', 'postgres'], { backup_paths: ['/etc/hostname'], backup_mail_to: [] });
  },
  (fixture) => {
    it('its own regression suite is saved, proven and restored', async () => {
      const { host } = fixture;
      await host.run(runSuite, { user: 'postgres', timeoutSeconds: 1800 });
      const tables = Number(
        (
          await host.run("psql -XAt regression -c \"SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p')\"", {
            user: 'postgres',
          })
        ).stdout,
      );
      expect(tables).toBeGreaterThan(500);
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const drill = await start(host, 'backup-drill.service');
      expect(drill.ok, drill.log).toBe(true);
      const { stdout, stderr, code } = await host.run('backupctl restore-db --into again postgresql regression', {
        mayFail: true,
        timeoutSeconds: 1200,
      });
      expect(code, stdout + stderr).toBe(0);
      await host.run('dropdb regression; dropdb again', { user: 'postgres' });
    });

    it('4,000 tables are saved, proven and restored, and the queries of an application go on meanwhile', async () => {
      const { host } = fixture;
      await host.run(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1'], {
        user: 'postgres',
        input: makeTables,
        timeoutSeconds: 1200,
      });
      await host.run(['systemd-run', '--quiet', '--unit=application', '--uid=postgres', 'bash', '-c', application]);
      await host.run('until test -s /var/lib/postgresql/rounds; do sleep 0.1; done');
      const { ok, log } = await backUp(host);
      await host.run('systemctl stop application');
      expect(ok, log).toBe(true);
      expect((await host.run('cat /var/lib/postgresql/errors', { mayFail: true })).stdout).toBe('');
      const drill = await start(host, 'backup-drill.service');
      expect(drill.ok, drill.log).toBe(true);
      const { stdout, stderr, code } = await host.run('backupctl restore-db --into wider postgresql wide', {
        mayFail: true,
        timeoutSeconds: 1200,
      });
      expect(code, stdout + stderr).toBe(0);
      expect(
        (
          await host.run(
            'psql -XAt wider -c "SELECT count(*) FROM pg_class WHERE relkind = \'i\' AND relnamespace = 2200"',
            {
              user: 'postgres',
            },
          )
        ).stdout,
      ).toBe('12000\n');
      await host.run('dropdb wide; dropdb wider', { user: 'postgres' });
    });

    it('a standby is saved without the rows of its unlogged tables, which it does not have', async () => {
      const { host } = fixture;
      await host.run(
        'psql -Xq -c "CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS n" -c "CREATE TABLE lasting AS SELECT 2 AS n"',
        { user: 'postgres' },
      );
      await host.run(`set -e
        version=$(ls /usr/lib/postgresql); data=/var/lib/postgresql/$version/standby
        pg_createcluster $version standby --port 5433
        rm -r $data; runuser -u postgres -- pg_basebackup --pgdata $data --write-recovery-conf --checkpoint=fast
        pg_ctlcluster $version standby start`);
      expect((await host.run('psql -XAt -p 5433 -c "SELECT pg_is_in_recovery()"', { user: 'postgres' })).stdout).toBe(
        't\n',
      );
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const drill = await start(host, 'backup-drill.service');
      expect(drill.ok, drill.log).toBe(true);
    });
  },
);
