import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openShop, readerOf, type Shop } from '../docs/shop.ts';
import { walk, type Around } from '../docs/walk.ts';
import { archives, backUp } from '../host/fixture.ts';
import { releases } from '../lab/root.ts';

describe.each(releases)('on Debian %s', (release) => {
  /** A reader of the pages about databases and about a repository on a server. */
  let shop: Shop;

  const notes = (change = 'pass'): string =>
    `python3 -c 'import sqlite3; d = sqlite3.connect("/srv/wiki/data/wiki.db"); d.execute("CREATE TABLE IF NOT EXISTS note (t)"); ${change}; d.commit(); print(d.execute("SELECT t FROM note").fetchall())'`;

  beforeAll(async () => {
    shop = await openShop(release);
    await shop.host.run('useradd --create-home wiki; install -d -o wiki /srv/wiki /srv/wiki/data');
    await shop.host.run(notes('d.execute("INSERT INTO note VALUES (1)")'), { user: 'wiki' });
  });
  afterAll(() => shop.lab.close());

  /** The newest file of the repository from before a break-in. */
  let last = '';
  const reader = readerOf(
    () => shop,
    () => shop.host,
    () => [['4711', last]],
  );
  const page = (path: string, around: Around): void =>
    it(`${path} is true, word by word`, () => walk(path, reader, around), 900_000);

  const backedUp = async (): Promise<void> => {
    const { ok, log } = await backUp(shop.host);
    expect(ok, log).toBe(true);
  };

  page('docs/mariadb.md', { MariaDB: { after: backedUp } });

  page('docs/sqlite.md', {
    SQLite: { after: backedUp },
    'SQLite 2': {
      before: () => shop.host.run(notes('d.execute("DELETE FROM note")'), { user: 'wiki' }),
      after: async () => expect((await shop.host.run(notes(), { user: 'wiki' })).stdout).toBe('[(1,)]\n'),
    },
  });

  let line = '';
  page('docs/remote.md', {
    'A repository on a server': {
      // As the page says: it stops, and prints the line.
      fails: true,
      after: async (said) => {
        [line = ''] = /^command=.*$/m.exec(said) ?? [];
        await shop.server.write('/home/borg/.ssh/authorized_keys', `${line}\n`);
        const { recap } = await shop.lab.run(join(shop.lab.directory, 'backup.yml'), { args: ['-i', 'inventory'] });
        expect(recap['web1']?.failed).toBe(0);
        await backedUp();
      },
    },
  });

  page('docs/secrets.md', {
    'A generated passphrase': {
      after: async () =>
        expect(await shop.host.read('/etc/credstore/borg.passphrase')).toBe(
          readFileSync(join(shop.lab.directory, 'backup-secrets/web1/passphrase'), 'utf8'),
        ),
    },
    'The SSH key of a host': {
      // As the page says: it stops, and prints the line.
      fails: true,
      after: async (said) => {
        const old = line;
        [line = ''] = /^command=.*$/m.exec(said) ?? [];
        await shop.server.write('/home/borg/.ssh/authorized_keys', `${old}\n${line}\n`);
        const { recap } = await shop.lab.run(join(shop.lab.directory, 'backup.yml'), { args: ['-i', 'inventory'] });
        expect(recap['web1']?.failed).toBe(0);
        await shop.server.write('/home/borg/.ssh/authorized_keys', `${line}\n`);
        await backedUp();
      },
    },
  });

  let before: string[] = [];
  page('docs/server.md', {
    'What the key can do': { before: () => Promise.resolve(line) },
    'Going back': {
      before: async () => {
        before = await archives(shop.host);
        // The reader sees by the times when it was.
        const files = await shop.server.run("find /home/borg/web1/data -type f -printf '%f\\n' | sort -n | tail -1");
        last = files.stdout.trim();
        expect(last).toMatch(/^\d+$/);
        await shop.host.run("backup-borg delete --force --glob-archives '*'");
        expect(await archives(shop.host)).toEqual([]);
      },
      after: (said) => expect(said).toContain(`/${last}\n`),
    },
    'Going back 3': { after: async () => expect(await archives(shop.host)).toEqual(before) },
  });
});
