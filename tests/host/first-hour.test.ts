import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { blocks, commands, kind } from '../docs/block.ts';
import { lose, ownArchives } from '../docs/reader.ts';
import { walk, type Around } from '../docs/walk.ts';
import { copyTree } from '../lab/collection.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import { run } from '../lab/process.ts';
import { archives, backUp, newest } from './fixture.ts';
import { mails } from './mail.ts';

/** A reader of the README, from nothing on, and of the pages of every day. */
let lab: Lab;
let host: Host;
/** The address that the README clones from leads to this working tree. */
let env: NodeJS.ProcessEnv = {};

const shop = "psql -XqAt -c 'SELECT count(*), sum(n) FROM item' shop";
const wiki = `#!/bin/sh
cp /srv/wiki/page "$3"
`;

beforeAll(async () => {
  lab = await Lab.open();
  const upstream = join(lab.directory, 'upstream');
  mkdirSync(upstream);
  await copyTree(upstream);
  const git = (...args: string[]): Promise<unknown> =>
    run('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-C', upstream, ...args]);
  await git('init', '--quiet');
  await git('add', '--all');
  await git('commit', '--quiet', '--message', 'all');
  env = {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `url.file://${upstream}.insteadOf`,
    GIT_CONFIG_VALUE_0: 'https://github.com/rootless-backup/rootless.backup',
  };
  host = await lab.boot({ name: 'web1', debian: 13 });
  await host.run(
    `dpkg --purge --force-depends borgbackup; rm -rf /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] file:/var/local/debs ./' > /etc/apt/sources.list
    useradd --create-home wiki; install -d -o wiki /srv/wiki; echo welcome > /srv/wiki/page
    mkdir /etc/nginx; echo 'worker_processes 1;' > /etc/nginx/nginx.conf`,
  );
  await host.write('/usr/local/bin/wiki', wiki, '0755');
  await host.run(['psql', '-Xq', '-f', '-'], {
    user: 'postgres',
    input: 'CREATE DATABASE shop; \\connect shop\nCREATE TABLE item AS SELECT n FROM generate_series(1, 1000) n;',
  });
});
afterAll(() => lab.close());

const page = (path: string, around: Around = {}): void =>
  it(
    `${path} is true, word by word`,
    () => walk(path, { lab, env, machine: () => host, own: () => ownArchives(host) }, around),
    900_000,
  );

let begun = 0;
let restored = '';
page('README.md', {
  'Quick start': { before: () => Promise.resolve((begun = Date.now())) },
  'Quick start 4': {
    after: async (said) => {
      const seconds = (Date.now() - begun) / 1000;
      const taken = blocks
        .filter((block) => block.heading === 'Quick start' && kind(block) === 'command')
        .flatMap(({ text }) => commands(text));
      console.log(`from the README to a restored file: ${taken.length} commands, ${seconds.toFixed(0)} s`);
      expect(seconds).toBeLessThan(300);
      expect(taken.length).toBeLessThan(10);
      [restored = ''] = /\/var\/tmp\/restored-\S+?(?=[\s,:/]|$)/m.exec(said) ?? [];
      expect(await host.read(`${restored}/etc/hostname`)).toBe('web1\n');
    },
  },
  'Back up your own software': {
    after: async () => {
      expect((await backUp(host)).ok).toBe(true);
      const dumps = await newest(host, 'dumps');
      expect((await host.run(`backup-borg extract --stdout ::${dumps} backup/wiki/wiki.xml`)).stdout).toBe('welcome\n');
    },
  },
  Restore: {
    before: () => host.run('echo vandal > /srv/wiki/page; runuser -u postgres -- dropdb shop', { timeoutSeconds: 60 }),
    after: async (said) => {
      expect(said).toContain('/etc/nginx/nginx.conf');
      expect(await host.read('/srv/wiki/page')).toBe('welcome\n');
      expect((await host.run(shop, { user: 'postgres' })).stdout).toBe('1000|500500\n');
    },
  },
  'Restore 2': {
    before: async () => {
      const repository = (await host.run('tar -C / -c var/lib/borg/repository')).stdoutBytes;
      host = await lose(lab, host, 13);
      await host.run('tar -C / -x', { input: repository });
    },
    after: async () => {
      expect(await host.read('/srv/wiki/page')).toBe('welcome\n');
      expect((await host.run(shop, { user: 'postgres' })).stdout).toBe('1000|500500\n');
    },
  },
});

page('docs/hooks.md', {
  'Hooks: save your own software': {
    after: async () => {
      await host.run('backupctl restored');
      expect((await backUp(host)).ok).toBe(true);
      expect(await host.read('/backup/wiki/wiki.xml')).toBe('welcome\n');
      const gone = { 'rootless.backup.hook': { name: 'wiki', state: 'absent' } };
      await lab.playbook([{ hosts: 'all', gather_facts: false, tasks: [gone] }]);
    },
  },
});

page('docs/hooks-by-hand.md', {
  'Hooks by hand 4': {
    after: async () => {
      await host.run('echo by hand > /srv/wiki/page');
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      expect(await host.read('/backup/wiki/wiki.xml')).toBe('by hand\n');
    },
  },
});

let mail = '';
page('docs/failures.md', {
  'When a backup fails': {
    before: async () => {
      await host.write('/usr/local/bin/wiki', '#!/bin/sh\necho "no space left on /srv/wiki" >&2; exit 1\n', '0755');
      await mails(host);
      for (const run of ['first', 'second']) {
        expect((await backUp(host)).ok, run).toBe(false);
        const [told] = await mails(host);
        mail = `Subject: ${told?.subject ?? ''}\n\n${told?.text ?? ''}`;
      }
    },
    after: async (said) => {
      expect(said).toContain('no space left on /srv/wiki');
      await host.write('/usr/local/bin/wiki', wiki, '0755');
    },
  },
});

page('docs/reports.md', {
  Mail: { before: () => Promise.resolve(mail) },
  Prometheus: {
    before: () => host.run('install -d /var/lib/prometheus/node-exporter'),
    after: async () =>
      expect(await host.read('/var/lib/prometheus/node-exporter/backup.prom')).toContain('backup_last_success'),
  },
});

page('docs/verify.md', {
  'The restore test': {
    before: async () => expect((await backUp(host)).ok).toBe(true),
    after: (said) => expect(said).toContain('succeeded'),
  },
});

page('docs/fleet.md', {
  'All machines on one page': {
    after: () => expect(existsSync(join(lab.directory, 'backup-fleet/fleet.html'))).toBe(true),
  },
});

page('docs/adopt.md', {
  'Adopt a host that already backs itself up 2': {
    // As the article's own script named them.
    before: () =>
      host.run(
        `export BORG_BASE_DIR=/tmp/old BORG_PASSPHRASE="$(cat /etc/credstore/borg.passphrase)"; install -d -o borg /tmp/old; runuser -u borg -- borg create /var/lib/borg/repository::web1-2020-01-31 /etc/hostname`,
      ),
    after: async () => expect(await archives(host)).not.toContain('web1-2020-01-31'),
  },
});

page('docs/remove.md', {
  'Take the backup away': {
    after: async () => {
      expect((await host.run('systemctl cat backup.service', { mayFail: true })).code).not.toBe(0);
      expect(await host.exists('/var/lib/borg/repository/config')).toBe(true);
      expect(await host.exists('/etc/credstore/borg.passphrase')).toBe(true);
    },
  },
});
