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

    it('change by one setting, or one command if they are generated: in each repository, on the host, and on the control node', async () => {
      const { lab, host } = fixture;
      const [local, keyfile] = ['/var/lib/borg/repository', '/srv/keyfile'];
      const role = (vars: object, args: readonly string[] = []) =>
        lab.roles(
          ['borg'],
          { borg_repositories: [local, keyfile], borg_encryption: 'keyfile', ...vars },
          { args: ['--limit', 'web', ...args] },
        );
      const saved = (name: string): string => readFileSync(join(secretsDirectory(), name), 'utf8').trim();
      const opens = async (secret: string): Promise<boolean[]> =>
        Promise.all(
          [local, keyfile].map(async (place, number) => {
            const base = `/tmp/other-${number}`;
            const { code } = await host.run(
              `mkdir -p ${base}/.config/borg; cp -rT /var/lib/borg/.config/borg/keys ${base}/.config/borg/keys; BORG_PASSPHRASE="$(cat)" BORG_BASE_DIR=${base} borg list --bypass-lock ${place}`,
              { mayFail: true, input: secret },
            );
            return code === 0;
          }),
        );
      await role({});
      expect(saved('passphrase')).toBe(passphrase);
      expect((await role({ borg_new_passphrase: true }, ['--check'])).recap['web']?.changed).toBe(1);
      expect(await opens(passphrase)).toEqual([true, true]);
      await host.run('systemd-run --quiet --unit=watch /usr/local/bin/watch');
      const { stdout, stderr } = await role({ borg_new_passphrase: true }, ['--diff', '-vvv']);
      await host.run('systemctl stop watch');
      const generated = saved('passphrase');
      expect(generated).not.toBe(passphrase);
      expect((await host.read('/etc/credstore/borg.passphrase')).trim()).toBe(generated);
      expect([await opens(passphrase), await opens(generated)]).toEqual([
        [false, false],
        [true, true],
      ]);
      // The old one stays, with its date, and the exported keys are those that the new one opens.
      const dated = readdirSync(secretsDirectory()).filter((name) => name.startsWith('passphrase.'));
      expect(dated.map(saved)).toContain(passphrase);
      const [exported] = (await host.run('cat /var/lib/borg/exported-keys/* | sort')).stdoutBytes
        .toString()
        .split('\u0000');
      const keys = readdirSync(secretsDirectory()).filter((name) => /^key-[0-9a-f]{8}$/.test(name));
      expect(keys.flatMap((name) => saved(name).split('\n')).sort()).toEqual(exported?.trim().split('\n').sort());
      const watched = (await host.run('cat /run/watched')).stdout;
      const journal = (await host.run('journalctl --sync; journalctl --boot --no-pager')).stdout;
      for (const secret of [generated, 'correct-horse'])
        for (const text of [stdout, stderr, watched, journal]) expect(text).not.toContain(secret);
      expect((await role({})).recap['web']).toMatchObject({ failed: 0, changed: 0 });
      await role({ borg_passphrase: 'staple-battery' });
      expect(await opens('staple-battery')).toEqual([true, true]);
      expect((await host.read('/etc/credstore/borg.passphrase')).trim()).toBe('staple-battery');
      // What opens nothing any more has no name under which it would be taken for what does.
      const names = readdirSync(secretsDirectory());
      expect(names).not.toContain('passphrase');
      expect(names.filter((name) => name.startsWith('passphrase.')).map(saved)).toContain(generated);
      expect((await backUp(host)).ok).toBe(true);
      const byHand = await host.run('backup-borg key change-passphrase', { mayFail: true });
      expect(byHand.code).not.toBe(0);
      expect(byHand.stderr).toContain('borg_new_passphrase=true');
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
