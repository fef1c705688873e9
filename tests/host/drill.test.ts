import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { backUp, newest, onEachRelease, start } from './fixture.ts';

const drill = (host: Host): Promise<{ ok: boolean; log: string }> => start(host, 'backup-drill.service');

/** What a drill may have left: files, servers, directories of theirs, proofs. */
const leftovers =
  'find /var/lib/backup-drill /var/lib/backup-restore /var/lib/backup-told -mindepth 1 ! -name .at-work; pgrep -u borg,backup-prove -a; ls -d /var/tmp/systemd-private-*-backup-drill* /var/tmp/systemd-private-*-backup-prove* 2> /dev/null; systemctl list-units --no-legend --state=active,activating,deactivating "backup-prove@*"; true';

/** Takes the newest archives away: an older one has its turn in a later drill. */
async function forgetNewest(host: Host): Promise<void> {
  for (const series of ['files', 'dumps'] as const)
    await host.run(`backup-borg delete ::${await newest(host, series)}`);
}

/** Backs up with a dump that is changed, as root, between its hook and Borg. */
async function backUpChanged(host: Host, script: string): Promise<void> {
  await host.write('/usr/local/bin/change', `#!/bin/bash\nset -e\ncd /backup/postgresql/*-main\n${script}\n`, '0755');
  await host.write(
    '/run/systemd/system/backup.service.d/tamper.conf',
    '[Service]\nExecStartPre=+/usr/local/bin/change\n',
  );
  await host.run('systemctl daemon-reload');
  const { ok, log } = await backUp(host);
  await host.run('rm /run/systemd/system/backup.service.d/tamper.conf; systemctl daemon-reload');
  expect(ok, log).toBe(true);
}

/** Makes the manifest say that the dump of a database is as it should be. */
const vouch = (name: string): string => `python3 - <<'END'
import hashlib, json
data = open("${name}.dump", "rb").read()
manifest = json.load(open("manifest.json"))
manifest["files"]["${name}.dump"].update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
json.dump(manifest, open("manifest.json", "w"))
END`;

onEachRelease(
  'the drill',
  async ({ lab, host }) => {
    await host.run(
      'mkdir -p /srv/tree/{a,b,c}; for n in {1..20}; do echo $n > /srv/tree/a/$n; echo $n > /srv/tree/b/$n; done; echo excluded > /srv/tree/c/x.log; setcap cap_net_raw+ep /srv/tree/a/1; chmod 0400 /srv/tree/a/2; chmod 0500 /srv/tree/b',
    );
    await host.run(
      "psql -Xq -c 'CREATE ROLE app LOGIN' -c 'CREATE DATABASE shop OWNER app' -c 'CREATE DATABASE \"odd \"\" name\"'",
      { user: 'postgres' },
    );
    await host.run(['psql', '-Xq', 'shop'], {
      user: 'postgres',
      input: `
      CREATE TABLE orders AS SELECT n, md5(n::text) AS t, now() + n * interval '1 second' AS at, random() AS weight FROM generate_series(1, 5000) n;
      ALTER TABLE orders ADD PRIMARY KEY (n); ALTER TABLE orders OWNER TO app;
      CREATE SCHEMA "Odd schema"; CREATE TABLE "Odd schema"."t|a b" (t int, "select" text); INSERT INTO "Odd schema"."t|a b" VALUES (1, E'x\\ny'), (NULL, NULL);
      CREATE TABLE parts (n int) PARTITION BY RANGE (n); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100); INSERT INTO parts VALUES (1), (2);
      CREATE POLICY p ON orders TO app; ALTER TABLE orders ENABLE ROW LEVEL SECURITY; ALTER TABLE orders FORCE ROW LEVEL SECURITY;
      CREATE EXTENSION IF NOT EXISTS plpgsql; SELECT lo_from_bytea(0, 'a large object');`,
    });
    // What a proof must not stumble over; `far` is a table of another database, which the throwaway server does not reach.
    await host.run(['psql', '-Xqc', 'CREATE TABLE near AS SELECT 1 AS n'], { user: 'postgres' });
    await host.run(['psql', '-Xq', 'shop'], {
      user: 'postgres',
      input: `
      CREATE ROLE grp; GRANT grp TO app; ALTER ROLE app IN DATABASE shop SET search_path = public, pg_temp; COMMENT ON DATABASE shop IS 'It''s the shop';
      CREATE EXTENSION postgres_fdw; CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/var/run/postgresql', dbname 'postgres');
      CREATE USER MAPPING FOR postgres SERVER away; CREATE FOREIGN TABLE far (n int) SERVER away OPTIONS (table_name 'near'); CREATE MATERIALIZED VIEW farther AS SELECT * FROM far;
      CREATE MATERIALIZED VIEW sums AS SELECT count(*) FROM orders; CREATE VIEW cheap AS SELECT * FROM orders WHERE weight < 0.1;
      SELECT lo_put(lo_from_bytea(0, ''), 1000000, 'far away');
      CREATE SUBSCRIPTION sub CONNECTION 'host=192.0.2.1' PUBLICATION p WITH (connect = false, enabled = false, create_slot = false, slot_name = NONE);
      ALTER DATABASE "odd "" name" SET quote_all_identifiers = on;`,
    });
    await host.run(
      'mkdir /srv/locked && echo 1 > /srv/locked/file && chmod 0 /srv/locked/file && chmod 0555 /srv/locked',
    );
    await host.run(
      'mkdir /srv/mounted && mount -t tmpfs tmpfs /srv/mounted && mkdir /srv/mounted/deep && touch /srv/mounted/deep/file /srv/mounted/file',
    );
    await lab.roles(['borg', 'postgres'], {
      backup_paths: ['/srv', '/etc', '/srv/locked'],
      backup_one_file_system: true,
      backup_exclude: ['/srv/tree/c/*.log'],
      backup_drill_sample: 300,
    });
    expect((await backUp(host)).ok).toBe(true);
    await host.run('cp -a /backup/postgresql /root/yesterday; sleep 1.1');
    expect((await backUp(host)).ok).toBe(true);
  },
  (fixture) => {
    it('is quiet on a good backup, restores from the newest and from an older archive, and leaves nothing behind', async () => {
      const { host } = fixture;
      const { ok, log } = await drill(host);
      expect(ok, log).toBe(true);
      expect(log.match(/files restored, each as it was/g)?.length, log).toBe(2);
      expect(log.match(/4 databases, \d+ tables, \d+ rows proven/g)?.length, log).toBe(2);
      expect(log).toMatch(/a materialized view has no rows until it is refreshed/);
      expect(
        (
          await host.run(
            'journalctl --sync; journalctl -p warning -o cat --no-pager -u backup-drill -u "backup-prove@*"',
          )
        ).stdout,
      ).toBe('');
      expect((await host.run(leftovers)).stdout).toBe('');
    });

    it('is told of in the status', async () => {
      await expect
        .poll(async () => (await fixture.host.run('backupctl status')).stdout, { timeout: 10_000 })
        .toMatch(/last drill .*success/);
    });

    it('records no file that is left out of the archive', async () => {
      const { host } = fixture;
      expect((await host.run('cat /var/lib/borg/records/*/*-files-*.json')).stdout).not.toContain('x.log');
    });

    it('finds a dump that is cut off, whether its manifest tells of it or not', async () => {
      const { host } = fixture;
      await backUpChanged(host, 'truncate -s -100 shop.dump');
      const first = await drill(host);
      expect(first.ok).toBe(false);
      expect(first.log).toMatch(/hook postgresql: \S+shop\.dump has \d+ bytes, but the manifest says \d+/);
      await forgetNewest(host);
      await backUpChanged(host, `truncate -s -60000 shop.dump\n${vouch('shop')}`);
      const second = await drill(host);
      expect(second.ok).toBe(false);
      expect(second.log).toMatch(/database "shop": cannot be restored/);
      expect(second.log).toContain('hook postgresql: its dump is not proven');
      await forgetNewest(host);
    });

    it('finds dumps that are complete but lack rows of a table, hold others, or lack what is no table', async () => {
      const { host } = fixture;
      const changes = {
        fewer: 'DELETE FROM orders WHERE n = 77',
        changed: "UPDATE orders SET t = 'x' WHERE n = 77",
        lacking: 'DROP TABLE parts; DROP VIEW cheap; ALTER TABLE orders DROP CONSTRAINT orders_pkey',
      };
      const each = (command: (name: string, change: string) => string): string =>
        Object.entries(changes)
          .map(([name, change]) => command(name, change))
          .join('\n');
      await host.run(each((name) => `runuser -u postgres -- psql -Xq -c 'CREATE DATABASE ${name} TEMPLATE shop'`));
      await backUpChanged(
        host,
        each(
          (name, change) => `
runuser -u postgres -- psql -Xq ${name} -c "${change}"
runuser -u postgres -- pg_dump -Fc -Z0 ${name} > ${name}.dump
${vouch(name)}`,
        ),
      );
      const { ok, log } = await drill(host);
      expect(ok, log).toBe(false);
      expect(log).toContain('database "fewer": table public.orders has 4999 rows, but had 5000');
      expect(log).toContain('database "changed": table public.orders has other contents than it had');
      expect(log).toContain('database "lacking": table public.parts_1 is missing');
      expect(log).toContain('database "lacking": there are 0 views, but there were 1');
      // The index of a primary key is of its constraint.
      expect(log).toContain('database "lacking": there are 0 constraints, but there were 1');
      expect(log).not.toContain('database "shop"');
      await forgetNewest(host);
      await host.run(each((name) => `runuser -u postgres -- psql -Xq -c 'DROP DATABASE ${name}'`));
    });

    it('finds a dump of yesterday passed off as that of today, with its manifest or without', async () => {
      const { host } = fixture;
      await backUpChanged(host, 'cp -p /root/yesterday/*/shop.dump .');
      const file = await drill(host);
      expect(file.ok).toBe(false);
      expect(file.log).toMatch(/shop\.dump has (another checksum|\d+ bytes)/);
      await forgetNewest(host);
      await backUpChanged(host, 'cp -p /root/yesterday/*/{shop.dump,manifest.json} .; cp -p /root/yesterday/*/* .');
      const both = await drill(host);
      expect(both.ok).toBe(false);
      expect(both.log).toMatch(/shop\.dump is of \S+, before the run of the backup began, at/);
      await forgetNewest(host);
    });

    it('finds a path that is missing in the archive, of the files and of the dumps', async () => {
      const { host } = fixture;
      expect((await backUp(host)).ok).toBe(true);
      await host.run(`backup-borg recreate --exclude srv/tree ::${await newest(host, 'files')}`);
      const files = await drill(host);
      expect(files.ok).toBe(false);
      expect(files.log).toMatch(/web-files-\S+: \/srv\/tree\S* is missing/);
      await host.run(`backup-borg recreate --exclude backup/postgresql ::${await newest(host, 'dumps')}`);
      expect((await drill(host)).log).toMatch(/web-dumps-\S+: \/backup\/postgresql is missing/);
      await forgetNewest(host);
    });

    it('finds a byte that was flipped in the repository, and the administrator is told', async () => {
      const { host } = fixture;
      const segment = (
        await host.run(
          "find /var/lib/borg/repository/data -type f -printf '%s %p\\n' | sort -n | tail -1 | cut -d' ' -f2",
        )
      ).stdout.trim();
      await host.run(`cp -p ${segment} /root/segment; python3 -c 'import os, sys
with open(sys.argv[1], "r+b") as file:
    file.seek(os.path.getsize(sys.argv[1]) // 2)
    byte = file.read(1)
    file.seek(-1, 1)
    file.write(bytes([byte[0] ^ 1]))' ${segment}`);
      const { ok, log } = await drill(host);
      await host.run(`cat /root/segment > ${segment}`);
      expect(ok).toBe(false);
      expect(log).toMatch(/the check of the repository failed/);
      await expect
        .poll(async () => (await host.run('cat /var/mail/root')).stdout, { timeout: 20_000 })
        .toMatch(/What failed:.*the check of the repository failed/s);
      await expect
        .poll(async () => (await host.run('backupctl status', { mayFail: true })).stdout, { timeout: 20_000 })
        .toContain('The last drill failed');
      const mended = await drill(host);
      expect(mended.ok, mended.log).toBe(true);
    });

    it('leaves nothing behind when it is stopped, or killed, at any step', async () => {
      const { host } = fixture;
      const steps = [
        'pgrep -f "[b]org .* extract"',
        'pgrep -u backup-prove postgres',
        'pgrep -u backup-prove pg_restore',
      ];
      for (const end of [
        'systemctl stop backup-drill.service',
        'systemctl kill --signal=KILL backup-drill.service',
        'systemctl kill --signal=KILL backup-prove@postgresql.service; systemctl kill --signal=KILL backup-drill.service',
      ])
        for (const step of steps) {
          await host.run(
            `systemctl start --no-block backup-drill.service; for n in {1..1000}; do ${step} > /dev/null && break; sleep 0.02; done; ${end}; true`,
          );
          await expect
            .poll(
              async () => (await host.run('systemctl is-active backup-drill.service', { mayFail: true })).stdout.trim(),
              { timeout: 30_000 },
            )
            .toMatch(/^(inactive|failed)$/);
          await expect.poll(async () => (await host.run(leftovers)).stdout, { timeout: 30_000 }).toBe('');
        }
      const { ok, log } = await drill(host);
      expect(ok, log).toBe(true);
    });

    it('no link that borg plants leads what systemd writes as root elsewhere', async () => {
      const { host } = fixture;
      await host.run('echo precious > /root/precious; chmod 600 /root/precious');
      await host.run('ln -s /root/precious /var/lib/backup-told/postgresql', { user: 'borg', mayFail: true });
      const { ok, log } = await drill(host);
      expect(ok, log).toBe(true);
      expect(await host.read('/root/precious')).toBe('precious\n');
      expect((await host.run('systemctl cat backup-prove@postgresql.service')).stdout).toContain(
        'StandardOutput=append:/var/lib/backup-told/%i\n',
      );
      expect((await host.run('stat -c "%U %a" /var/lib/backup-told')).stdout).toBe('root 750\n');
    });

    it('runs what is in a dump where it can reach nothing: no passphrase, no repository, no network, no other user', async () => {
      const { host } = fixture;
      await host.write(
        '/usr/local/bin/probe',
        `#!/bin/bash
id -un; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status
for place in "$CREDENTIALS_DIRECTORY"/* /etc/credstore/* /var/lib/borg/* /var/lib/backup-drill/* /backup/*; do cat "$place" > /dev/null 2>&1 && [ -f "$place" ] && echo "reads $place"; done
for place in / /etc /usr /var /var/lib /home /root /srv /run /backup /var/lib/backup-prove; do touch $place/probe 2> /dev/null && echo "writes $place"; done
(exec 3<> /dev/tcp/127.0.0.1/22) 2> /dev/null && echo 'reaches the network'
ls /proc | grep -c '^[0-9]*$' | sed 's/^/processes /'
cd; echo ran; exit 0
`,
        '0755',
      );
      await host.run(
        `cp /etc/backup/prove.d/postgresql.json /root/proof; echo '{"command": ["/usr/local/bin/probe"], "environment": {}}' > /etc/backup/prove.d/postgresql.json`,
      );
      const { ok, log } = await drill(host);
      await host.run(`echo '{"command": ["/usr/bin/true"], "environment": {}}' > /etc/backup/prove.d/postgresql.json`);
      const silent = await drill(host);
      await host.run('cat /root/proof > /etc/backup/prove.d/postgresql.json');
      expect(silent.ok, silent.log).toBe(true);
      expect(silent.log).toContain('proven by /usr/bin/true');
      expect(ok, log).toBe(true);
      expect(log).toMatch(/: backup-prove$/m);
      expect(log).toMatch(/CapEff:\t0000000000000000/);
      expect(log).toMatch(/CapBnd:\t0000000000000000/);
      expect(log).toMatch(/NoNewPrivs:\t1/);
      expect(log).not.toMatch(/: (reads|writes|reaches) /);
    });

    it('does not fill the disk: it says how much room it lacks, and where', async () => {
      const { host } = fixture;
      await host.run('mount -t tmpfs -o size=200k,mode=700,uid=borg,gid=borg tmpfs /var/lib/backup-drill');
      const { ok, log } = await drill(host);
      await host.run('umount /var/lib/backup-drill');
      expect(ok).toBe(false);
      expect(log).toMatch(
        /archive web-dumps-\S+: [\d.]+ MB are needed in \/var\/lib\/backup-drill, and [\d.]+ MB are free/,
      );
    });

    const missed = 'backup-drill.timer is not running.\n    To do: Run `systemctl enable --now backup-drill.timer`.\n';

    it('is missed where its timer was stopped', async () => {
      const { host } = fixture;
      expect((await host.run('backupctl status', { mayFail: true })).stdout).not.toContain(missed);
      await host.run('systemctl stop backup-drill.timer');
      const { stdout, code } = await host.run('backupctl status', { mayFail: true });
      expect(stdout).toContain(missed);
      expect(code).toBe(1);
      await host.run('systemctl start backup-drill.timer');
    });

    it('is not run when the role says so, and not missed then', async () => {
      const { lab, host } = fixture;
      await lab.roles(['borg'], { backup_paths: ['/srv', '/etc'], backup_drill: false });
      expect((await host.run('backupctl status', { mayFail: true })).stdout).not.toContain('backup-drill.timer');
      expect((await host.run('systemctl is-enabled backup-drill.timer', { mayFail: true })).stdout.trim()).toBe(
        'disabled',
      );
      expect((await host.run('systemctl is-active backup-drill.timer', { mayFail: true })).stdout.trim()).toBe(
        'inactive',
      );
    });
  },
);
