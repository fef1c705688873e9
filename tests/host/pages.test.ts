import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { lose, manage, ownArchives } from '../docs/reader.ts';
import { walk, type Around } from '../docs/walk.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import { archives, backUp } from './fixture.ts';

/** A reader of the pages about databases, a repository on a server, and what is lost. */
let lab: Lab;
let server: Host;
let rescue: Host;
let host: Host;

const name = 'backup.example.org';

/** MariaDB as Debian's package makes it, empty. */
const serve =
  'mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket > /dev/null && systemctl start mariadb';
const items = "psql -XqAt -c 'SELECT count(*), sum(n) FROM item'";
const stock = "mariadb -BN -e 'SELECT n FROM item'";
const notes = (change = 'pass'): string =>
  `python3 -c 'import sqlite3; d = sqlite3.connect("/srv/wiki/data/wiki.db"); d.execute("CREATE TABLE IF NOT EXISTS note (t)"); ${change}; d.commit(); print(d.execute("SELECT t FROM note").fetchall())'`;

beforeAll(async () => {
  lab = await Lab.open();
  await lab.unpackCollection();
  [server, rescue] = [await lab.boot({ name, debian: 12 }), await lab.boot({ name: 'rescue', debian: 12 })];
  await server.run('useradd --create-home --shell /bin/bash borg && install -d -o borg -m 700 ~borg/.ssh');
  host = await lab.boot({ name: 'web1', debian: 12 });
  manage(lab, name, 'rescue');
  await host.run(serve);
  await host.run('mariadb -e "CREATE DATABASE shop; CREATE TABLE shop.item AS SELECT 7 AS n"');
  await host.run(['psql', '-Xq', '-f', '-'], {
    user: 'postgres',
    input: 'CREATE DATABASE shop; \\connect shop\nCREATE TABLE item AS SELECT n FROM generate_series(1, 1000) n;',
  });
  await host.run(
    `useradd --create-home alice; useradd --create-home wiki; install -d -o wiki /srv/wiki /srv/wiki/data
    runuser -u alice -- bash -c 'mkdir ~/letters; echo report > ~/letters/report-1.odt'`,
  );
  await host.run(notes('d.execute("INSERT INTO note VALUES (1)")'), { user: 'wiki' });
});
afterAll(() => lab.close());

/** What a reader has in his own key, and in his own list of transactions. */
let last = '4711';
let key = '';
const page = (path: string, around: Around): void =>
  it(
    `${path} is true, word by word`,
    () =>
      walk(
        path,
        {
          lab,
          machine: (machine) => ({ host, server, rescue })[machine],
          own: async () => [
            ...(await ownArchives(host)),
            ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…', server.hostKey.split(' ').slice(0, 2).join(' ')],
            ['4711', last],
            ['key-1a2b3c4d', key],
          ],
        },
        around,
      ),
    900_000,
  );
const backedUp = async (): Promise<void> => {
  const { ok, log } = await backUp(host);
  expect(ok, log).toBe(true);
};

page('docs/mariadb.md', { MariaDB: { after: backedUp } });

page('docs/sqlite.md', {
  SQLite: { after: backedUp },
  'SQLite 2': {
    before: () => host.run(notes('d.execute("DELETE FROM note")'), { user: 'wiki' }),
    after: async () => expect((await host.run(notes(), { user: 'wiki' })).stdout).toBe('[(1,)]\n'),
  },
});

let line = '';
page('docs/remote.md', {
  'A repository on a server': {
    before: () => {
      const roles = ['borg', 'postgres', 'mariadb'].map((role) => `rootless.backup.${role}`);
      writeFileSync(join(lab.directory, 'backup.yml'), JSON.stringify([{ hosts: 'all', become: true, roles }]));
      return Promise.resolve();
    },
    // As the page says: it stops, and prints the line.
    fails: true,
    after: async (said) => {
      [line = ''] = /^command=.*$/m.exec(said) ?? [];
      await server.write('/home/borg/.ssh/authorized_keys', `${line}\n`);
      const { recap } = await lab.run(join(lab.directory, 'backup.yml'), { args: ['-i', 'inventory'] });
      expect(recap['web1']?.failed).toBe(0);
      await backedUp();
    },
  },
});

/** All that was saved is there again. */
const isBack = async (): Promise<void> => {
  expect(await host.read('/home/alice/letters/report-1.odt')).toBe('report\n');
  expect((await host.run(`${items} shop`, { user: 'postgres' })).stdout).toBe('1000|500500\n');
};

page('docs/restore.md', {
  Files: {
    after: async (said) => {
      const [place = ''] = /\/var\/tmp\/restored-\S+?(?=[\s,:/]|$)/m.exec(said) ?? [];
      expect(await host.read(`${place}/home/alice/letters/report-1.odt`)).toBe('report\n');
    },
  },
  'A database': {
    before: () => host.run("psql -Xqc 'DELETE FROM item' shop", { user: 'postgres' }),
    after: async () => {
      for (const database of ['shop', 'shop_yesterday', 'shop_then'])
        expect((await host.run(`${items} ${database}`, { user: 'postgres' })).stdout).toBe('1000|500500\n');
    },
  },
  'A database 2': {
    before: () => host.run("mariadb -e 'DELETE FROM shop.item'"),
    after: async () => {
      for (const database of ['shop', 'shop_yesterday'])
        expect((await host.run(`${stock} ${database}`)).stdout).toBe('7\n');
    },
  },
  'A database 3': {
    before: () => host.run("mariadb -e 'DROP DATABASE shop; DROP DATABASE shop_yesterday'"),
    after: async () => expect((await host.run(`${stock} shop`)).stdout).toBe('7\n'),
  },
  'The machine, by one playbook': {
    before: async () => {
      // Only what is on the server is left, and stays in the settings until the machine is back.
      const settings = join(lab.directory, 'group_vars/all/remote.yml');
      writeFileSync(
        settings,
        JSON.stringify({
          borg_repositories: ['ssh://borg@backup.example.org/./web1'],
          borg_known_hosts: [`${name} ${server.hostKey}`],
        }),
      );
      host = await lose(lab, host, 12);
      manage(lab, name, 'rescue');
      await host.run(serve);
    },
    after: async () => {
      await isBack();
      expect((await host.run(`${stock} shop`)).stdout).toBe('7\n');
    },
  },
  'The machine, by one playbook 2': { after: (said) => expect(said).toContain('backup-drill.service succeeded') },
  'The machine, by one playbook 3': {
    after: async () => expect((await host.run('ls /var/tmp')).stdout).not.toContain('restored-'),
  },
  'The machine, by hand': {
    before: async () => {
      host = await lose(lab, host, 12);
      manage(lab, name, 'rescue');
      await host.run(serve);
      // In his home, what was saved of the machine on the control node.
      const secrets = (await lab.ansible('tar', ['-C', join(lab.directory, 'backup-secrets/web1'), '-c', '.']))
        .stdoutBytes;
      await host.run('tar -C /root -x', { input: secrets });
    },
  },
  'The machine, by hand 3': { after: isBack },
  'With Borg alone': {
    before: async () => {
      const secrets = (await lab.ansible('tar', ['-c', 'backup-secrets/web1'])).stdoutBytes;
      await rescue.run('mkdir /mnt/new-root; tar -C /root -x', { input: secrets });
      await rescue.write('/root/.ssh/known_hosts', `${name} ${server.hostKey}\n`);
      // The reader sees by its first line which one it is.
      const id = (await server.run("sed -n 's/^id = //p' /home/borg/web1/config")).stdout.trim();
      key = (await rescue.run(`cd /root/backup-secrets/web1 && grep -l ${id} key-*`)).stdout.trim();
    },
  },
  'With Borg alone 3': {
    after: async () => {
      expect(await rescue.read('/mnt/new-root/home/alice/letters/report-1.odt')).toBe('report\n');
      expect((await rescue.run(`${items} shop`, { user: 'postgres' })).stdout).toBe('1000|500500\n');
    },
  },
  'MariaDB, by hand': {
    after: async () => {
      for (const database of ['shop', 'shop_restored'])
        expect((await host.run(`${stock} ${database}`)).stdout).toBe('7\n');
    },
  },
});

let before: string[] = [];
page('docs/server.md', {
  'What the key can do': { before: () => Promise.resolve(line) },
  'Going back': {
    before: async () => {
      before = await archives(host);
      // The reader sees by the times when it was.
      const files = await server.run("find /home/borg/web1/data -type f -printf '%f\\n' | sort -n | tail -1");
      last = files.stdout.trim();
      expect(last).toMatch(/^\d+$/);
      await host.run("backup-borg delete --force --glob-archives '*'");
      expect(await archives(host)).toEqual([]);
    },
    after: (said) => expect(said).toContain(`/${last}\n`),
  },
  'Going back 3': { after: async () => expect(await archives(host)).toEqual(before) },
});
