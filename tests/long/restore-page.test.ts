import { writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { lose, manage } from '../docs/reader.ts';
import { address, items, openShop, readerOf, serve, stock, type Shop } from '../docs/shop.ts';
import { walk, type Around } from '../docs/walk.ts';
import { backUp } from '../host/fixture.ts';
import type { Host } from '../lab/host.ts';

/** A reader of the page for the night of the loss, who loses his machine twice. */
let shop: Shop;
let rescue: Host;

const remote = `ssh://borg@${address}/./web1`;
function settings(repositories: readonly string[]): void {
  mkdirSync(join(shop.lab.directory, 'group_vars/all'), { recursive: true });
  writeFileSync(
    join(shop.lab.directory, 'group_vars/all/remote.yml'),
    JSON.stringify({
      borg_repositories: repositories,
      borg_known_hosts: [`${address} ${shop.server.hostKey}`],
      sqlite_databases: [{ name: 'wiki', user: 'wiki', paths: ['/srv/wiki/data/*.db'] }],
    }),
  );
}

/** A SQLite database of who is no person. */
const database = 'import sqlite3; d = sqlite3.connect("/srv/wiki/data/wiki.db")';
const notes = `python3 -c '${database}; print(d.execute("SELECT t FROM note").fetchall())'`;
const takeNotes = `useradd --system wiki; install -d -o wiki /srv/wiki /srv/wiki/data
  runuser -u wiki -- python3 -c '${database}; d.execute("CREATE TABLE note AS SELECT 3 AS t"); d.commit()'`;

beforeAll(async () => {
  shop = await openShop();
  rescue = await shop.lab.boot({ name: 'rescue', debian: 12 });
  manage(shop.lab, address, 'rescue');
  await shop.host.run(takeNotes);
  const roles = ['borg', 'postgres', 'mariadb', 'sqlite'].map((role) => `rootless.backup.${role}`);
  writeFileSync(join(shop.lab.directory, 'backup.yml'), JSON.stringify([{ hosts: 'all', become: true, roles }]));
  settings([remote, '/var/lib/borg/repository']);
  const apply = (mayFail: boolean): Promise<unknown> =>
    shop.lab.run(join(shop.lab.directory, 'backup.yml'), { args: ['-i', 'inventory'], mayFail });
  await apply(true);
  const key = (await shop.host.read('/etc/credstore/borg.ssh-key.pub')).trim();
  await shop.server.write(
    '/home/borg/.ssh/authorized_keys',
    `command="borg serve --append-only --restrict-to-repository web1",restrict ${key}\n`,
  );
  await apply(false);
  const { ok, log } = await backUp(shop.host);
  expect(ok, log).toBe(true);
});
afterAll(() => shop.lab.close());

/** The machine is lost; another one has its name, with servers that are empty. */
async function burn(): Promise<void> {
  shop.host = await lose(shop.lab, shop.host, 12);
  manage(shop.lab, address, 'rescue');
  await shop.host.run(serve);
}

/** Which key is that of the repository. */
let key = '';
const reader = readerOf(
  () => shop,
  () => rescue,
  () => [['key-1a2b3c4d', key]],
);
const page = (path: string, around: Around): void =>
  it(`${path} is true, word by word`, () => walk(path, reader, around), 1_800_000);

/** All that was saved is there again. */
const isBack = async (): Promise<void> => {
  expect(await shop.host.read('/home/alice/letters/report-1.odt')).toBe('report\n');
  expect((await shop.host.run(`${items} shop`, { user: 'postgres' })).stdout).toBe('1000|500500\n');
  expect((await shop.host.run(`${stock} shop`)).stdout).toBe('7\n');
  expect((await shop.host.run(notes, { user: 'wiki' })).stdout).toBe('[(3,)]\n');
};

page('docs/restore.md', {
  Files: {
    after: async (said) => {
      const [place = ''] = /\/var\/tmp\/restored-\S+?(?=[\s,:/]|$)/m.exec(said) ?? [];
      expect(await shop.host.read(`${place}/home/alice/letters/report-1.odt`)).toBe('report\n');
    },
  },
  'A database': {
    before: () => shop.host.run("psql -Xqc 'DELETE FROM item' shop", { user: 'postgres' }),
    after: async () => {
      for (const database of ['shop', 'shop_yesterday', 'shop_then'])
        expect((await shop.host.run(`${items} ${database}`, { user: 'postgres' })).stdout).toBe('1000|500500\n');
    },
  },
  'A database 2': {
    before: () => shop.host.run("mariadb -e 'DELETE FROM shop.item'"),
    after: async () => {
      for (const database of ['shop', 'shop_yesterday'])
        expect((await shop.host.run(`${stock} ${database}`)).stdout).toBe('7\n');
    },
  },
  'A database 3': {
    before: () => shop.host.run("mariadb -e 'DROP DATABASE shop; DROP DATABASE shop_yesterday'"),
    after: async () => expect((await shop.host.run(`${stock} shop`)).stdout).toBe('7\n'),
  },
  'The machine, by one playbook': {
    before: async () => {
      // Only what is on the server is left. The settings are as they were.
      await burn();
    },
    after: isBack,
  },
  'The machine, by one playbook 2': { after: (said) => expect(said).toContain('backup-drill.service succeeded') },
  'The machine, by one playbook 3': {
    after: async () => expect((await shop.host.run('ls /var/tmp')).stdout).not.toContain('restored-'),
  },
  'The machine, by hand': {
    before: async () => {
      // As the page says, without the repository that was lost with the machine.
      settings([remote]);
      await burn();
    },
  },
  // As the page says: who owns the SQLite database is not there yet.
  'The machine, by hand 3': { fails: true },
  'The machine, by hand 6': { after: isBack },
  'With Borg alone': {
    before: async () => {
      const secrets = (await shop.lab.ansible('tar', ['-c', 'backup-secrets/web1'])).stdoutBytes;
      await rescue.run('mkdir /mnt/new-root; tar -C /root -x', { input: secrets });
      await rescue.write('/root/.ssh/known_hosts', `${address} ${shop.server.hostKey}\n`);
      // The reader sees by its first line which one it is.
      const id = (await shop.server.run("sed -n 's/^id = //p' /home/borg/web1/config")).stdout.trim();
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
        expect((await shop.host.run(`${stock} ${database}`)).stdout).toBe('7\n');
    },
  },
});
