import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { backUp, onEachRelease } from '../host/fixture.ts';
import type { Host } from '../lab/host.ts';
import type { PlaybookResult } from '../lab/lab.ts';

/** A service of one's own with data in /var, files of a person, and a database. */
const build = `set -e
useradd --create-home alice; head -c 60M /dev/urandom > /home/alice/large; echo letter > /home/alice/letter; chown -R alice: /home/alice
useradd --system books; install -d -o books /var/lib/books; echo seven > /var/lib/books/book; chown books: /var/lib/books/book
printf '%s\\n' '[Unit]' ConditionPathExists=/var/lib/books/book '[Service]' User=books 'ExecStart=/usr/bin/tail --follow /var/lib/books/book' '[Install]' WantedBy=multi-user.target > /etc/systemd/system/books.service
systemctl enable --quiet --now books
for name in archive shop; do runuser -u postgres -- psql -Xqc "CREATE DATABASE $name" && runuser -u postgres -- psql -Xqc 'CREATE TABLE item AS SELECT n, md5(n::text) AS t FROM generate_series(1, 1000000) n' $name; done`;
const ask = `sha256sum < /home/alice/large; cat /home/alice/letter /var/lib/books/book; stat -c '%U' /home/alice/large /var/lib/books/book
systemctl is-active books; for name in archive shop; do runuser -u postgres -- psql -XAtc 'SELECT count(*), max(t) FROM item' $name; done`;

let store: Host;

onEachRelease(
  'the steps of a restore in whatever order somebody takes them',
  async ({ lab, host, release }) => {
    store = await lab.boot({ name: 'store', debian: release });
    await store.run('useradd --create-home --shell /bin/bash store && install -d -o store -m 700 ~store/.ssh');
    await host.run(build);
  },
  (fixture) => {
    const settings = (): object => ({
      borg_repositories: ['ssh://store@store/./web'],
      borg_known_hosts: [`store ${store.hostKey.split(' ').slice(0, 2).join(' ')}`],
      // Of one day only the newest: whatever comes after a loss would take its place.
      backup_keep_daily: 1,
      backup_keep_weekly: 0,
      backup_keep_monthly: 0,
    });
    const roles = (vars: object = {}, mayFail = false): Promise<PlaybookResult> =>
      fixture.lab.roles(['borg', 'postgres'], { ...settings(), ...vars }, { args: ['--limit', 'web'], mayFail });
    const restore = (vars: object = {}): Promise<PlaybookResult> =>
      fixture.lab.run(`${fixture.lab.collection}/playbooks/restore.yml`, {
        args: ['--extra-vars', JSON.stringify({ restore_host: 'web', ...settings(), ...vars })],
        mayFail: true,
        timeoutSeconds: 600,
      });
    const back = async ({ recap, stdout }: PlaybookResult): Promise<void> => {
      expect(recap['web']?.failed, stdout).toBe(0);
      expect((await fixture.host.run(ask)).stdout).toBe(was);
      await whole();
    };
    const place = (): string => join(fixture.lab.directory, 'backup-secrets/web');
    const secrets = (): Record<string, string> =>
      Object.fromEntries(readdirSync(place()).map((name) => [name, readFileSync(join(place(), name), 'utf8')]));
    /** Asked on the server, of Borg alone, with what the control node has. */
    const stored = async (): Promise<string[]> => {
      const passphrase = opens['passphrase'] ?? '';
      const { stdout } = await store.run(['bash', '-c', `BORG_PASSPHRASE=$(cat) borg list --short ~/web`], {
        user: 'store',
        input: passphrase,
      });
      return stdout.split('\n').filter(Boolean);
    };
    const whole = async (): Promise<void> => {
      expect(secrets()).toMatchObject(opens);
      expect(await stored()).toEqual(expect.arrayContaining(saved));
    };
    /** The machine is lost; another one has its name, with a server that is empty. Of the repository nothing came after the loss. */
    const lose = async (): Promise<Host> => {
      await fixture.lab.forget(fixture.host);
      await store.run('rm -rf ~store/web; cp -a ~store/at-the-loss ~store/web');
      fixture.host = await fixture.lab.boot({ name: 'web', debian: fixture.release });
      return fixture.host;
    };
    let saved: string[] = [];
    let opens: Record<string, string> = {};
    let was = '';

    it('begins with a machine that is saved', async () => {
      const { host } = fixture;
      await roles({}, true);
      await store.write('/home/store/.ssh/authorized_keys', await host.read('/etc/credstore/borg.ssh-key.pub'));
      expect((await roles()).recap['web']?.failed).toBe(0);
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      was = (await host.run(ask)).stdout;
      expect(was).toMatch(/letter\nseven\nalice\nbooks\nactive\n(1000000\|\w+\n){2}$/);
      opens = secrets();
      saved = await stored();
      expect(saved.length).toBe(2);
      await store.run('cp -a ~store/web ~store/at-the-loss');
    });

    it("one's own playbook first: it stops with nothing done, as often as it is applied, and the restore brings all back", async () => {
      await lose();
      for (let time = 0; time < 2; time++) {
        const own = await roles({}, true);
        expect(own.recap['web']).toMatchObject({ failed: 1, changed: 0 });
        await whole();
      }
      await back(await restore());
      // Once more before the first run.
      await back(await restore());
      // One that was lost with the machine is made anew by its own playbook.
      const both = { borg_repositories: ['/var/lib/borg/repository', 'ssh://store@store/./web'] };
      expect((await roles(both)).recap['web']?.failed).toBe(0);
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
      await whole();
    });

    it('a local repository was lost with the machine, and made anew by its own playbook before all was back: what was before the loss comes back', async () => {
      const host = await lose();
      const both = { borg_repositories: ['/var/lib/borg/repository', 'ssh://store@store/./web'] };
      const broken = await restore({ ...both, restore_dumps: 'web-dumps-2020-01-01T00:00:00Z' });
      expect(broken.recap['web']?.failed).toBe(1);
      expect((await roles(both)).recap['web']?.failed).toBe(0);
      // Without a backup in it, and with one.
      for (let time = 0; time < 2; time++) {
        const refused = await host.run('backupctl restore /home/alice/letter 2>&1; backupctl compare 2>&1', {
          mayFail: true,
        });
        expect(refused.stdout.match(/before is in ssh:\/\/store@store\/\.\/web: add --repository 2/g)).toHaveLength(2);
        const { ok, log } = await backUp(host);
        expect(ok, log).toBe(true);
      }
      await back(await restore({ ...both, restore_again: true, restore_done: true }));
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      await whole();
      // From now on the first one is what is taken.
      expect((await host.run('backupctl compare /home')).stdout).toMatch(/back +\/home/);
    });

    it('a run first, by hand and then by the timer: it saves beside, until all is back and ever after', async () => {
      const host = await lose();
      await host.run('install -d -m 700 /etc/credstore');
      for (const [name, path] of [
        ['passphrase', 'borg.passphrase'],
        ['ssh-key', 'borg.ssh-key'],
      ] as const)
        await host.write(`/etc/credstore/${path}`, opens[name] ?? '', '0600');
      await host.run('ssh-keygen -y -f /etc/credstore/borg.ssh-key > /etc/credstore/borg.ssh-key.pub');
      expect((await roles()).recap['web']?.failed).toBe(0);
      await host.run('backupctl run');
      await whole();
      const first = (await stored()).length;
      expect(
        (await roles({ backup_schedule: '*-*-* *:*:0/2', backup_randomized_delay: '0' })).recap['web']?.failed,
      ).toBe(0);
      await host.run(`until [ "$(backupctl list | grep --count -- -files-)" -ge ${first} ]; do sleep 1; done`);
      await whole();
      const refused = await restore();
      expect(refused.stdout).toContain('has made a backup, so it is not a new machine');
      await back(await restore({ restore_again: true }));
      for (let time = 0; time < 2; time++) {
        await host.run('backupctl restored && backupctl run');
        await whole();
      }
      // What was saved between the loss and the restore is forgotten by the rules.
      expect((await stored()).length).toBe(4);
    });

    const moments = {
      'users come back': '[ -e /etc/credstore/borg.passphrase ] && [ -e /etc/systemd/system/backup.service ]',
      'files come back':
        "systemctl list-units --plain --no-legend 'backup-restore-*' | grep -q . && ls -d /home/.backup-restore-* 2> /dev/null | grep -q .",
      'services are stopped': '[ -e /var/lib/backup-restore/.stopped ]',
      'one database is loaded, and the next is not':
        'runuser -u postgres -- psql -XAtc "SELECT datname FROM pg_database" | grep -qx archive',
    };
    it('broken off in the middle, each time at another step: the next one brings all back', async () => {
      const host = await lose();
      for (const [moment, condition] of Object.entries(moments)) {
        const under = restore();
        await host.run(`until ${condition}; do sleep 0.05; done`, { timeoutSeconds: 200 });
        await host.powerOff();
        const ended = await under;
        expect(ended.code, moment).not.toBe(0);
        await host.boot();
        await whole();
        expect((await host.run('systemctl is-active backup.timer', { mayFail: true })).stdout, moment).toBe(
          'inactive\n',
        );
      }
      await back(await restore());
    });
  },
);
