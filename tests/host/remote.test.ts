import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { archives, backUp, onEachRelease } from './fixture.ts';
import { settle } from './mail.ts';

onEachRelease(
  'a remote repository',
  async (fixture) => {
    server = await fixture.lab.boot({ name: 'server', debian: fixture.release });
    await server.run('useradd --create-home --shell /bin/bash store && install -d -o store -m 700 ~store/.ssh');
  },
  (fixture) => {
    const settings = (overrides: object = {}): object => ({
      borg_repositories: ['ssh://store@server/./web'],
      borg_known_hosts: [`server ${server.hostKey.split(' ').slice(0, 2).join(' ')}`],
      backup_paths: ['/etc'],
      ...overrides,
    });
    const only = { args: ['--limit', 'web'] };

    it('that refuses the key: the role says what to install where, and the units are there already', async () => {
      const both = settings({ borg_repositories: ['/var/lib/borg/repository', 'ssh://store@server/./web'] });
      const { stdout, recap } = await fixture.lab.roles(['borg'], both, { ...only, mayFail: true });
      expect(recap['web']?.failed).toBe(1);
      expect(stdout).toContain('the server refuses the key of this host');
      // As it stands there, without a character more or less.
      const line =
        /^command="borg serve --append-only --restrict-to-repository web",restrict ssh-ed25519 (\S+) borg@web$/m.exec(
          stdout,
        );
      const key = (await fixture.host.read('/etc/credstore/borg.ssh-key.pub')).trim();
      expect(key).toContain(line?.[1] ?? 'no key');
      // What opens the local one is saved all the same.
      expect(
        readdirSync(join(fixture.lab.directory, 'backup-secrets/web'))
          .map((name) => name.slice(0, 4))
          .sort(),
      ).toEqual(['key-', 'pass', 'ssh-']);
      await server.write('/home/store/.ssh/authorized_keys', `${line?.[0] ?? ''}\n`, '0644');
    });

    it('is initialised and saved to when the key is installed', async () => {
      const { recap } = await fixture.lab.roles(['borg'], settings(), only);
      expect(recap['web']?.failed).toBe(0);
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
      expect((await archives(fixture.host)).length).toBe(2);
      expect(await server.exists('/home/store/web/config')).toBe(true);
      const again = await fixture.lab.roles(['borg'], settings(), only);
      expect(again.recap['web']?.changed).toBe(0);
    });

    it('is sent no more in a second than the setting allows', async () => {
      const upload = async (limit: number): Promise<number> => {
        await fixture.lab.roles(['borg'], settings({ borg_upload_limit: limit, borg_compression: 'none' }), only);
        await fixture.host.run('dd if=/dev/urandom of=/etc/random bs=1024 count=500 status=none');
        const begun = Date.now();
        expect((await backUp(fixture.host)).ok).toBe(true);
        return (Date.now() - begun) / 1000;
      };
      // 500 KiB at 50 KiB a second take ten seconds more than without a limit; what else a run does takes as long in both.
      expect(await upload(50)).toBeGreaterThan((await upload(0)) + 5);
      await fixture.host.run('rm /etc/random');
    });

    it('stands beside a local one, and a failure of one does not keep the other from its archives', async () => {
      await fixture.lab.roles(
        ['borg'],
        settings({ borg_repositories: ['ssh://store@server/./web', '/var/lib/borg/repository'] }),
        only,
      );
      expect((await backUp(fixture.host)).ok).toBe(true);
      await server.run('mv /home/store/.ssh /home/store/.ssh.away');
      const { ok, log } = await backUp(fixture.host);
      await settle(fixture.host);
      const shown = (await fixture.host.run('backupctl status', { mayFail: true })).stdout.split('\n').slice(0, 5);
      await server.run('mv /home/store/.ssh.away /home/store/.ssh');
      expect(ok).toBe(false);
      const [type, key] = (await fixture.host.read('/etc/credstore/borg.ssh-key.pub')).split(' ');
      expect(shown).toContain(
        `    To do: command="borg serve --append-only --restrict-to-repository web",restrict ${type} ${key}`,
      );
      expect(log).toContain('the server refuses the key of this host');
      expect(
        (await fixture.host.run('backup-borg --repository 2 list --short')).stdout.split('\n').filter(Boolean).length,
      ).toBeGreaterThanOrEqual(2);
    });

    it('whose server has another host key than the pinned one gets nothing', async () => {
      await server.run(
        'cd /etc/ssh && mv ssh_host_ed25519_key ssh_host_ed25519_key.away && ssh-keygen -q -t ed25519 -N "" -f ssh_host_ed25519_key && systemctl restart ssh',
      );
      const { ok, log } = await backUp(fixture.host);
      await server.run('cd /etc/ssh && mv -f ssh_host_ed25519_key.away ssh_host_ed25519_key && systemctl restart ssh');
      expect(ok).toBe(false);
      expect(log).toContain("the server's host key is not the one in borg_known_hosts");
      expect((await backUp(fixture.host)).ok).toBe(true);
    });

    it('with the line that was printed outlives a client that deletes all: the server takes back what came after', async () => {
      const { host } = fixture;
      expect(await server.read('/home/store/.ssh/authorized_keys')).toMatch(/^command="borg serve --append-only /);
      expect((await backUp(host)).ok).toBe(true);
      const before = await archives(host);
      // As in the documentation of Borg, "Append-only mode".
      const last = (
        await server.run('tail -1 /home/store/web/transactions | sed "s/^transaction \\([0-9]*\\),.*/\\1/"')
      ).stdout.trim();
      expect(last).toMatch(/^\d+$/);
      await host.run("backup-borg delete --force --glob-archives '*' && backup-borg compact --threshold 0");
      expect(await archives(host)).toEqual([]);
      await server.run(
        `cd /home/store/web; for file in $(find data -type f); do [ "$(basename "$file")" -le ${last} ] || rm "$file"; done; rm index.* hints.* integrity.*`,
      );
      // To this host, which saw the later state, the earlier one would look like an attack.
      await host.run('rm -r /var/lib/borg/.config/borg/security /var/cache/borg/*');
      expect(await archives(host)).toEqual(before);
      expect(
        (
          await host.run(
            `backup-borg extract --stdout ::${before.find((name) => name.includes('-files-')) ?? ''} etc/hostname`,
          )
        ).stdout,
      ).toBe('web\n');
      expect((await backUp(host)).ok).toBe(true);
    });

    it('loses its known_hosts on the host when no repository is remote any more', async () => {
      await fixture.lab.roles(['borg'], { backup_paths: ['/etc'] }, only);
      expect(await fixture.host.exists('/etc/backup/known_hosts')).toBe(false);
      expect(
        (await fixture.host.run('systemctl show --property=PrivateNetwork --value backup.service')).stdout.trim(),
      ).toBe('yes');
    });
  },
);

let server: Host;
