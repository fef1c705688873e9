import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import type { PlaybookOptions } from '../lab/lab.ts';
import { onEachRelease, start } from './fixture.ts';

const programs = '/usr/local/lib/backup';
const place = `${programs}/rootless_backup`;
const sqliteDatabases = ['app', 'other'].map((name) => ({ name, user: 'app', paths: [`/srv/app/${name}.db`] }));

/** The roles whose programs share the package, each with the hooks that it makes. */
const hooks: Readonly<Record<string, readonly string[]>> = {
  borg: [],
  postgres: ['postgresql'],
  mariadb: ['mariadb'],
  sqlite: ['sqlite-app', 'sqlite-other'],
};

/** All that a role could touch, with mode and checksum; not what servers write, nor what is known of the last login. */
const snapshot = `find /etc /usr/local /backup /var/lib/rootless.backup -xdev -printf '%p %m %u %g %y\\n' 2> /dev/null | sort
find /etc /usr/local /var/lib/rootless.backup -xdev -type f -print0 2> /dev/null | sort -z | xargs -0 sha256sum; getent passwd borg`;

onEachRelease(
  'the package of the programs',
  async ({ host }) => {
    await host.run(
      'mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket && systemctl start mariadb',
    );
    await host.run('useradd --system app; install -d -o app /srv/app; runuser -u app -- python3 -', {
      input:
        'import sqlite3\nfor name in ("app", "other"):\n    with sqlite3.connect("/srv/app/%s.db" % name) as d:\n        d.execute("CREATE TABLE t AS SELECT 1 AS n")\n',
    });
  },
  (fixture) => {
    const roles = (names: readonly string[], vars: object = {}, options: PlaybookOptions = {}) =>
      fixture.lab.roles(names, { sqlite_databases: sqliteDatabases, ...vars }, options);
    const absent = (...names: string[]) =>
      roles(names, Object.fromEntries(names.map((name) => [`${name === 'borg' ? 'backup' : name}_state`, 'absent'])));
    const hook = (options: object, more: PlaybookOptions = {}) =>
      fixture.lab.playbook([{ hosts: 'all', gather_facts: false, tasks: [{ 'rootless.backup.hook': options }] }], more);
    const state = async (): Promise<string> => (await fixture.host.run(snapshot, { mayFail: true })).stdout;
    const modules = async (): Promise<string> =>
      (
        await fixture.host.run(`cd ${place} && find . -type f -print0 | sort -z | xargs -0 sha256sum`, {
          mayFail: true,
        })
      ).stdout;
    const works = async (role: string): Promise<void> => {
      for (const name of hooks[role] ?? []) {
        const { ok } = await start(fixture.host, `backup-${name}.service`);
        expect([name, ok, await fixture.host.journal(`backup-${name}.service`)]).toEqual([
          name,
          true,
          expect.any(String),
        ]);
        expect(
          await fixture.host.exists(name === 'postgresql' ? `/backup/postgresql` : `/backup/${name}/manifest.json`),
        ).toBe(true);
      }
    };
    /** Whether nothing of any role is left where programs lie, nor what remembers them. */
    const nothingLeft = async (): Promise<void> =>
      expect(
        (
          await fixture.host.run(`ls -d ${programs} /var/lib/rootless.backup /etc/systemd/system/backup.service.d`, {
            mayFail: true,
          })
        ).stdout,
      ).toBe('');
    /** Writes into the installed collection. @returns what takes it back. */
    const change = (path: string, content: string | undefined): (() => void) => {
      const file = join(fixture.lab.collection, path);
      let before: string | undefined;
      try {
        before = readFileSync(file, 'utf8');
      } catch {
        before = undefined;
      }
      if (content === undefined) rmSync(file);
      else {
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, content);
      }
      return () => (before === undefined ? rmSync(file, { force: true }) : writeFileSync(file, before));
    };
    const ofVersion = async <Result>(version: string, action: () => Promise<Result>): Promise<Result> => {
      const manifest = readFileSync(join(fixture.lab.collection, 'MANIFEST.json'), 'utf8');
      const back = change('MANIFEST.json', manifest.replace(/"version": "[^"]+"/, `"version": "${version}"`));
      try {
        return await action();
      } finally {
        back();
      }
    };

    it('is shown in check mode, and not laid down', async () => {
      const { recap, stdout } = await roles(['mariadb'], {}, { args: ['--check', '--diff'] });
      expect(recap['web']).toMatchObject({ failed: 0, changed: 1 });
      expect(stdout).toContain(`+++ after: ${place}/databases/base.py`);
      await nothingLeft();
    });

    it.each(['postgres', 'mariadb', 'sqlite'])(
      'comes with role %s alone, whose hook works with it; it changes nothing the second time, and leaves nothing when it goes',
      async (role) => {
        const { host } = fixture;
        await roles([role]);
        await works(role);
        expect(
          (
            await host.run(
              `stat -c '%a %U %G' ${place} ${place}/databases ${place}/databases/base.py ${programs}/backup-*`,
            )
          ).stdout
            .split('\n')
            .filter(Boolean)
            .sort(),
        ).toEqual(['644 root root', '755 root root', '755 root root', '755 root root']);
        expect(
          (
            await host.run(
              `find ${programs} -name '*.py' -exec grep -L 'Managed by Ansible (collection rootless.backup' {} +`,
            )
          ).stdout,
        ).toBe('');
        expect((await roles([role])).recap['web']).toMatchObject({ failed: 0, changed: 0 });
        await absent(role);
        await nothingLeft();
      },
    );

    it('is compiled for the Python of the host, once more if that is another, and nothing of it runs that its source does not say', async () => {
      const { host } = fixture;
      await roles(['sqlite']);
      const sources = (await host.run(`find ${place} -name '*.py' -printf '%h/%f\n' | sort`)).stdout;
      const compiled = `find ${place} -name '*.pyc' | sed -E 's,/__pycache__/([^/]*)\\.cpython-[0-9]+\\.pyc$,/\\1.py,' | sort`;
      expect((await host.run(compiled)).stdout).toBe(sources);
      await host.run(`find ${place} -name __pycache__ -exec rm -r {} +`);
      expect((await roles(['sqlite'])).recap['web']).toMatchObject({ failed: 0, changed: 0 });
      expect((await host.run(compiled)).stdout).toBe(sources);
      await host.run(`echo 'raise SystemExit(77)' > ${place}/untrusted.py`);
      expect(
        (await host.run(['runuser', '-u', 'app', '--', `${programs}/backup-sqlite`], { mayFail: true })).code,
      ).toBe(77);
      await absent('sqlite');
      await nothingLeft();
    });

    it('costs no execution more on the host than the hooks do', async () => {
      const without = await fixture.lab.playbook([{ hosts: 'all' }]);
      await roles(['sqlite', 'mariadb']);
      const { sshExecutions, recap } = await roles(['sqlite', 'mariadb']);
      expect(recap['web']).toMatchObject({ failed: 0, changed: 0 });
      expect(sshExecutions - without.sshExecutions).toBeLessThanOrEqual(3);
      await absent('sqlite', 'mariadb');
    });

    it.each([
      [
        ['sqlite', 'borg', 'mariadb', 'postgres'],
        ['borg', 'sqlite', 'postgres', 'mariadb'],
      ],
      [
        ['postgres', 'mariadb', 'sqlite', 'borg'],
        ['mariadb', 'postgres', 'sqlite', 'borg'],
      ],
    ])(
      'is the same in any order, %j, and stays until the last is gone, %j',
      async (coming, going) => {
        const { host } = fixture;
        let known: string | undefined;
        for (const role of coming) {
          await roles([role]);
          // What a role adds is its own, so only what was there must be as it was.
          const own = `/sqlite\\.[^/]*$|/(?:borg|mariadb|postgresql)/`;
          const common = (await modules())
            .split('\n')
            .filter((line) => !new RegExp(own).test(line))
            .join('\n');
          expect(common).toBe((known ??= common));
        }
        expect((await roles([...coming].reverse())).recap['web']).toMatchObject({ failed: 0, changed: 0 });
        for (const role of coming) await works(role);
        for (const [index, role] of going.entries()) {
          await absent(role);
          const [next] = going.slice(index + 1);
          if (next !== undefined) {
            await works(next);
            expect(await host.exists(`${place}/databases/base.py`)).toBe(true);
          }
          // Its own modules go with it.
          expect(
            (
              await host.run(`find ${programs} -name '*${role === 'postgres' ? 'postgresql' : role}*'`, {
                mayFail: true,
              })
            ).stdout,
          ).toBe('');
        }
        await nothingLeft();
        // What goes on a quiet machine in half a minute.
      },
      900_000,
    );

    it("of one of two databases of SQLite is the other's too, and goes with it", async () => {
      await roles(['sqlite']);
      const [app, other] = sqliteDatabases;
      await roles(['sqlite'], { sqlite_databases: [{ ...app, state: 'absent' }, other] });
      expect((await start(fixture.host, 'backup-sqlite-other.service')).ok).toBe(true);
      expect(await fixture.host.exists('/etc/systemd/system/backup-sqlite-app.service')).toBe(false);
      await absent('sqlite');
      await nothingLeft();
    });

    it('of an older version than what is there is refused before anything is touched, also in check mode; versions are numbers', async () => {
      await ofVersion('0.10.0', () => roles(['sqlite']));
      const before = await state();
      for (const [role, args] of [
        ['borg', []],
        ['sqlite', []],
        ['postgres', ['--check']],
      ] as const) {
        const { stdout, recap } = await ofVersion('0.9.12', () => roles([role], {}, { args, mayFail: true }));
        expect([role, recap['web']?.failed]).toEqual([role, 1]);
        expect(stdout).toContain(
          'was laid down on this host by version 0.10.0 of the collection, and this is version 0.9.12',
        );
        expect(stdout).toContain('Nothing was changed.');
      }
      expect(await state()).toBe(before);
      // A newer one, also a preliminary one, takes its place; what is taken away is nobody's.
      await ofVersion('0.11.0-beta.1', () => roles(['mariadb']));
      expect((await ofVersion('0.10.0', () => roles(['sqlite'], {}, { mayFail: true }))).recap['web']?.failed).toBe(1);
      await ofVersion('0.9.12', () => absent('mariadb', 'sqlite'));
      await nothingLeft();
      await ofVersion('0.9.12', () => roles(['mariadb']));
      await works('mariadb');
      await absent('mariadb');
    }, 900_000);

    it('loses a module that a newer version does not have, and an empty directory, when nobody needs it any more', async () => {
      const { host } = fixture;
      const former = 'roles/backup/files/usr/local/lib/backup/rootless_backup/former/module.py';
      const back = change(former, '# Managed by Ansible (collection rootless.backup, role borg)\n');
      await roles(['mariadb', 'sqlite']);
      back();
      await roles(['mariadb']);
      expect(await host.exists(`${place}/former/module.py`)).toBe(true);
      await roles(['sqlite']);
      expect(await host.exists(`${place}/former`)).toBe(false);
      await works('mariadb');
      await absent('mariadb', 'sqlite');
      await nothingLeft();
    });

    it('is put back as it was if a step fails', async () => {
      await roles(['mariadb']);
      const before = await state();
      const module = 'roles/backup/files/usr/local/lib/backup/rootless_backup/databases/base.py';
      const back = change(module, `${readFileSync(join(fixture.lab.collection, module), 'utf8')}# newer\n`);
      const top = join(fixture.lab.directory, 'late');
      mkdirSync(join(top, 'etc/tmpfiles.d'), { recursive: true });
      writeFileSync(join(top, 'etc/tmpfiles.d/late.conf.j2'), 'd /var/lib/late 0755 root root\nnonsense\n');
      const { stdout } = await fixture.lab.playbook(
        [{ hosts: 'all', tasks: [{ 'rootless.backup.deploy': { name: 'late', templates: top, package: true } }] }],
        { mayFail: true },
      );
      back();
      expect(stdout).toContain('Everything was put back as it was');
      expect(await state()).toBe(before);
      await absent('mariadb');
    });

    it('does not come with the hook of somebody else unless it is asked for, whose own files two hooks can share', async () => {
      const { host, lab } = fixture;
      const top = join(lab.directory, 'wiki');
      const write = (path: string, content: string): void => {
        mkdirSync(dirname(join(top, path)), { recursive: true });
        writeFileSync(join(top, path), content);
      };
      const command = `${programs}/wiki/dump`;
      write('usr/local/lib/backup/wiki/dump', '#!/bin/sh\nset -e\necho page > "$1/page"\n');
      const wiki = (name: string, more: object = {}) => ({
        name,
        user: 'app',
        command: [command, `/backup/${name}`],
        files: top,
        ...more,
      });
      await hook(wiki('wiki'));
      await hook(wiki('forum'));
      expect((await hook(wiki('wiki'))).recap['web']).toMatchObject({ changed: 0 });
      expect(await host.exists(place)).toBe(false);
      expect((await host.run(`stat -c %a ${command}`)).stdout).toBe('755\n');
      for (const name of ['wiki', 'forum']) {
        expect((await start(host, `backup-${name}.service`)).ok).toBe(true);
        expect(await host.read(`/backup/${name}/page`)).toBe('page\n');
      }
      await hook({ name: 'wiki', state: 'absent' });
      expect((await start(host, 'backup-forum.service')).ok).toBe(true);
      await hook(wiki('forum', { package: true }));
      expect(await host.exists(`${place}/databases/base.py`)).toBe(true);
      expect(
        (
          await host.run([
            'python3',
            '-IBc',
            `import sys; sys.path.insert(0, "${programs}"); from rootless_backup import untrusted; untrusted.say("there")`,
          ])
        ).stdout,
      ).toBe('there\n');
      await hook(wiki('forum'));
      expect(await host.exists(place)).toBe(false);
      // Somebody else's, that nobody shares, and what is elsewhere or the collection's own.
      const owned = await lab.playbook(
        [{ hosts: 'all', gather_facts: false, tasks: [{ 'rootless.backup.deploy': { name: 'wiki', files: top } }] }],
        { mayFail: true },
      );
      expect(owned.stdout).toContain(`${command} is laid down by hook-forum already`);
      // Of another role, which would write it anew at each run, as this one would.
      mkdirSync(join(lab.directory, 'another/files'), { recursive: true });
      cpSync(top, join(lab.directory, 'another/files'), { recursive: true });
      expect(
        (await hook(wiki('wiki', { files: join(lab.directory, 'another/files') }), { mayFail: true })).stdout,
      ).toContain(`${command} is laid down by hook-forum already`);
      await host.run(
        'cp /var/lib/rootless.backup/hook-forum.json /root/; echo nonsense > /var/lib/rootless.backup/hook-forum.json',
      );
      expect((await hook(wiki('wiki'), { mayFail: true })).stdout).toContain(
        'hook-forum.json, which says what is laid down here, cannot be read',
      );
      await host.run('mv /root/hook-forum.json /var/lib/rootless.backup/');
      await hook({ name: 'forum', state: 'absent' });
      await nothingLeft();
      write('usr/local/lib/backup/rootless_backup/untrusted.py', '# mine\n');
      for (const more of [{}, { package: true }])
        expect((await hook(wiki('wiki', more), { mayFail: true })).stdout).toContain(
          "since that directory is this collection's",
        );
      write('etc/passwd', 'mine\n');
      expect((await hook(wiki('wiki'), { mayFail: true })).stdout).toContain(
        'is not allowed. Use files below usr/local/lib/backup',
      );
      expect((await hook(wiki('wiki', { files: '/nowhere' }), { mayFail: true })).stdout).toContain(
        'files: /nowhere is no directory of the control node',
      );
      expect((await hook(wiki('wiki', { files: 'files' }), { mayFail: true })).stdout).toContain(
        String.raw`files: \"files\" is not allowed. Use an absolute path on the control node`,
      );
      await nothingLeft();
    });
  },
);
