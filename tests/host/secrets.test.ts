import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { backUp, onEachRelease } from './fixture.ts';

const passphrase = 'correct-horse-battery-staple-{{ not_a_variable }}-"$%\'';

onEachRelease(
  'secrets',
  () => Promise.resolve(),
  (fixture) => {
    const secretsDirectory = (): string => join(fixture.lab.directory, 'backup-secrets/web');

    it('that are generated are saved on the control node for its owner only, and the role says where', async () => {
      const { stdout } = await fixture.lab.roles(['borg']);
      expect(stdout).toContain(`is saved in ${secretsDirectory()}`);
      const files = readdirSync(secretsDirectory());
      expect(files.length).toBe(2);
      for (const name of files) expect(statSync(join(secretsDirectory(), name)).mode & 0o777).toBe(0o600);
      expect(statSync(secretsDirectory()).mode & 0o777).toBe(0o700);
      expect(readFileSync(join(secretsDirectory(), 'passphrase'), 'utf8')).toBe(
        await fixture.host.read('/etc/credstore/borg.passphrase'),
      );
      expect(files.map((name) => readFileSync(join(secretsDirectory(), name), 'utf8')).join('')).toContain('BORG_KEY');
    });

    it('open the repository of a host that is lost: passphrase and key from the control node, Borg alone', async () => {
      const { lab, host, release } = fixture;
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const other = await lab.boot({ name: 'other', debian: release });
      const repository = await host.run('tar -C /var/lib/borg -c repository');
      await other.run('mkdir /srv/rescued && tar -C /srv/rescued -x', { input: repository.stdoutBytes });
      const key = readdirSync(secretsDirectory()).find((name) => name.startsWith('key')) ?? '';
      await other.write('/root/key', readFileSync(join(secretsDirectory(), key)));
      await other.write('/root/passphrase', readFileSync(join(secretsDirectory(), 'passphrase')));
      // The worst case: the key in the repository is gone too.
      await other.run("sed -i '/^key = /,$d' /srv/rescued/repository/config");
      const { stdout } = await other.run(
        'export BORG_PASSCOMMAND="cat /root/passphrase" BORG_RELOCATED_REPO_ACCESS_IS_OK=yes; borg key import /srv/rescued/repository /root/key && borg list --short /srv/rescued/repository',
      );
      expect(stdout).toMatch(/^web-files-/m);
    });

    it('are in no argument, no foreign environment, no journal, no diff and no -vvv', async () => {
      const { lab, host } = fixture;
      await lab.roles(
        ['borg'],
        { backup_state: 'absent', borg_delete_repositories: true },
        { args: ['--limit', 'web'] },
      );
      const vars = {
        borg_passphrase: `{% raw %}${passphrase}{% endraw %}`,
        backup_secrets_dir: join(lab.directory, 'given'),
      };
      await host.write(
        '/usr/local/bin/watch',
        '#!/bin/bash\nwhile :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2> /dev/null; sleep 0.01; done > /run/watched\n',
        '0755',
      );
      await host.run('systemd-run --quiet --unit=watch /usr/local/bin/watch');
      const output: string[] = [];
      for (const args of [
        ['--check', '--diff', '-vvv'],
        ['--diff', '-vvv'],
        ['--diff', '-vvv'],
      ]) {
        const { stdout, stderr } = await lab.roles(['borg'], vars, { args: [...args, '--limit', 'web'] });
        output.push(stdout, stderr);
      }
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      await host.run('systemctl stop watch');
      const kept = (await host.read('/etc/credstore/borg.passphrase')).trim();
      expect(kept).toBe(passphrase);
      expect((await host.run('stat -c "%a %U" /etc/credstore/borg.passphrase')).stdout.trim()).toBe('600 root');
      const needle = 'correct-horse';
      expect(output.join('')).toContain('/etc/credstore/borg.passphrase');
      expect(output.join('')).not.toContain(needle);
      expect((await host.run('journalctl --sync; journalctl --boot --no-pager')).stdout).not.toContain(needle);
      const watched = (await host.run('cat /run/watched')).stdout;
      expect(watched).toContain('BORG_PASSCOMMAND');
      expect(watched).not.toContain(needle);
      // A passphrase that was given is in the administrator's vault already.
      expect(readdirSync(join(lab.directory, 'given')).filter((name) => !name.startsWith('key'))).toEqual([]);
    });

    it('that are not given any more stay on the host: the repository would be lost without them', async () => {
      await fixture.lab.roles(['borg'], {}, { args: ['--limit', 'web'] });
      expect((await fixture.host.read('/etc/credstore/borg.passphrase')).trim()).toBe(passphrase);
      expect((await backUp(fixture.host)).ok).toBe(true);
    });

    it('are not readable for other users of the host', async () => {
      const { host } = fixture;
      for (const path of [
        '/etc/credstore/borg.passphrase',
        '/etc/credstore/borg.ssh-key',
        '/var/lib/borg/repository/config',
        '/run/credentials/backup.service',
      ])
        expect((await host.run(['test', '-r', path], { user: 'nobody', mayFail: true })).code, path).not.toBe(0);
    });
  },
);
