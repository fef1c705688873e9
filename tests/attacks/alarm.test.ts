import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { backUp, newest, onEachRelease } from '../host/fixture.ts';
import { mails, settle } from '../host/mail.ts';

const esc = '\u001b';
/** Sends an entry with any fields to the journal, as every process can. */
const log = (...fields: string[]): string => `import fcntl, socket, struct, termios, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
    journal.sendto(${JSON.stringify(`${fields.join('\n')}\n`)}.encode(), "/run/systemd/journal/socket")
    # Whose it is the journal finds out when it reads it: of a process that is gone it knows no unit.
    while struct.unpack("i", fcntl.ioctl(journal, termios.TIOCOUTQ, bytes(4)))[0]:
        time.sleep(0.01)
`;
const status = '/var/lib/backup-report/status.json';

/** What ended the report each for itself; all at once where time is short. */
const sayings = [
  ['two messages', log('MESSAGE=one', 'MESSAGE=two')],
  ['two priorities', log('MESSAGE=x', 'PRIORITY=3', 'PRIORITY=4')],
  ['a priority that is no number', log('MESSAGE=x', 'PRIORITY=high')],
  ['a record that is no JSON', log('MESSAGE=x', 'BACKUP_RECORD={')],
  ['a record without an end of nesting', log('MESSAGE=x', `BACKUP_RECORD=${'['.repeat(100_000)}`)],
  ['a record of other types', log('MESSAGE=x', 'BACKUP_RECORD={"repository": 1, "name": [], "files": "many"}')],
  ['a record that is a list', log('MESSAGE=x', 'BACKUP_RECORD=[]')],
  ['a list of archives of other types', log('MESSAGE=x', 'BACKUP_KEPT={"repository": [], "archives": 7}')],
];
const one = Number(process.env['ATTACK_ROUNDS'] ?? 3) < 10;

onEachRelease(
  'the alarm',
  async ({ lab, host }) => {
    await host.run(
      'useradd --system wiki; useradd --groups adm watcher; newaliases; systemctl restart postfix; mkdir /var/attack',
    );
    await lab.roles(['borg'], { backup_paths: ['/etc/hostname', '/var/attack'], borg_lock_wait: 20 });
    // What they run is in their hands: the hook's user in its unit, and a process of Borg's user in the backup's own.
    await lab.playbook([
      {
        hosts: 'all',
        gather_facts: false,
        tasks: [
          {
            'rootless.backup.hook': {
              name: 'wiki',
              user: 'wiki',
              script: '#!/bin/sh\nexec /usr/bin/python3 /var/attack/hook\n',
            },
          },
        ],
      },
    ]);
    await host.write(
      '/etc/systemd/system/backup.service.d/borg-user.conf',
      '[Service]\nExecStartPre=/usr/bin/python3 /var/attack/borg\n',
    );
    await host.run('systemctl daemon-reload');
  },
  (fixture) => {
    const does = (who: 'hook' | 'borg', script: string): Promise<void> =>
      fixture.host.write(`/var/attack/${who}`, script);
    const shown = async (): Promise<string> => {
      const { code, stdout } = await fixture.host.run('backupctl status', { mayFail: true, timeoutSeconds: 60 });
      return `${code === 0 ? 'fine' : 'bad'}\n${stdout}`;
    };
    /** A backup that fails, since its hook does, after what `who` did. @returns the mails of it. */
    const failing = async (): Promise<{ subject: string; text: string }[]> => {
      expect((await backUp(fixture.host)).ok).toBe(false);
      return mails(fixture.host);
    };
    /** A report of a failure that systemd knows of, as after a run; quicker than one. */
    const reported = async (): Promise<{ subject: string; text: string } | undefined> => {
      await fixture.host.run('timeout 100 systemctl start backup-report@backup:failure.service', { mayFail: true });
      return (await mails(fixture.host))[0];
    };
    const fails = 'import sys\nsys.exit("no room for the wiki")\n';

    beforeEach(async () => {
      await does('hook', fails);
      await does('borg', '');
    });

    it.each(one ? [['all of that', sayings.map(([, script]) => script).join('')]] : sayings)(
      'goes off whatever Borg’s user says in the journal of the backup: %s',
      async (_, script = '') => {
        await does('borg', script);
        const found = await failing();
        expect(found.map(({ subject }) => subject)).toEqual([
          'backup of web: FAILED: backup-wiki.service (exit-code): no room for the wiki',
        ]);
        expect(await shown()).toContain('bad\nweb  PROBLEMS');
      },
    );

    it.each([
      ['two messages', log('MESSAGE=one', 'MESSAGE=two')],
      [
        'two messages, of which one is no text',
        log('MESSAGE=one').replace('MESSAGE=one\\n".encode()', 'MESSAGE=one\\n".encode() + b"MESSAGE=\\xff\\n"'),
      ],
    ])('goes off whatever the user of a hook says: %s', async (_, script) => {
      await does('hook', `${script}${fails}`);
      const found = await failing();
      expect(found).toHaveLength(1);
      expect(found[0]?.subject).toMatch(/^backup of web: FAILED: backup-wiki\.service \(exit-code\)/);
      expect(await shown()).toContain('bad\n');
    });

    it('believes no number that is none', async () => {
      await does(
        'borg',
        log(
          'MESSAGE=x',
          'BACKUP_RECORD={"repository": "/r", "name": "n", "series": "forged", "files": NaN, "original_size": 1e999, "deduplicated_size": -1, "seconds": 0}',
        ),
      );
      await failing();
      expect(await fixture.host.read(status)).not.toMatch(/: (?:NaN|-?Infinity),?\n|"forged"/);
      expect(await fixture.host.read('/var/lib/backup-report/backup.prom')).not.toMatch(/ (?:nan|[+-]?inf)$|forged/m);
    });

    it.each(['systemd', 'systemctl'])('tells an error that calls itself one of %s', async (name) => {
      await does('hook', '');
      await does(
        'borg',
        `${log('PRIORITY=3', `SYSLOG_IDENTIFIER=${name}`, 'MESSAGE=the disk is on fire')}raise SystemExit(1)\n`,
      );
      expect((await failing())[0]?.text).toMatch(/^What failed: +the disk is on fire$/m);
    });

    it('passes on nothing that moves a terminal, turns the writing, or begins a line of its own', async () => {
      await does('borg', log('MESSAGE=x', `BACKUP_ADVICE=Run ${esc}[2Jnothing \u202e\u2066.`));
      await does('hook', `import sys\nsys.exit("${esc}]0;x\\x07 \\u202eevil\\u2028Subject: fine")\n`);
      const [mail] = await failing();
      expect(`${mail?.subject ?? ''}${mail?.text ?? ''}`).toContain(String.raw`\u202eevil\u2028Subject`);
      expect(`${mail?.subject ?? ''}${mail?.text ?? ''}`).not.toMatch(/[\u001b\u0007\u202e\u2066\u2028]/);
      expect(await shown()).not.toMatch(/[\u001b\u0007\u202e\u2066\u2028]/);
    });

    it('nor does who follows a run see it', async () => {
      await does('hook', `import sys\nprint("${esc}]0;owned\\x07${esc}[2J\\x9b31m")\nsys.exit(1)\n`);
      const { stdout, stderr } = await fixture.host.run('backupctl run', { mayFail: true });
      expect(stdout).toContain(String.raw`\x1b]0;owned\x07\x1b[2J\x9b31m`);
      expect(stdout + stderr).not.toMatch(/[\u001b\u0007\u009b]/);
      await mails(fixture.host);
    });

    it('nor who lists an archive, and the exit code stays', async () => {
      await does('hook', '');
      await fixture.host.run(`touch $'/var/attack/\\e]0;owned\\a\\u202etxt'`);
      expect((await backUp(fixture.host)).ok).toBe(true);
      const { stdout } = await fixture.host.run(`backupctl list ::${await newest(fixture.host, 'files')}`);
      expect(stdout).toContain(String.raw`var/attack/\x1b]0;owned\x07\u202etxt`);
      expect(stdout).not.toMatch(/[\u001b\u0007\u202e]/);
      const wrong = await fixture.host.run(['backupctl', 'list', `::no${esc}[2J`], { mayFail: true });
      expect(wrong.code).not.toBe(0);
      expect(wrong.stdout + wrong.stderr).not.toContain(esc);
      await mails(fixture.host);
    });

    it('nor who lists one, or what changed, with backup-borg at a terminal', async () => {
      const { host } = fixture;
      await does('hook', '');
      await backUp(host);
      // Under another name it is not pruned for that of the same day.
      await host.run(`backup-borg rename ::${await newest(host, 'files')} before`);
      await host.run(`touch $'/var/attack/\\e]0;by hand\\a\\u202etxt'`);
      expect((await backUp(host)).ok).toBe(true);
      const after = await newest(host, 'files');
      for (const command of [`list ::${after}`, `diff ::before ${after}`]) {
        // script(1) is the terminal. Nobody types anything.
        const { stdout } = await host.run(
          `timeout 60 script --quiet --return --command 'backup-borg ${command}' /dev/null`,
        );
        expect(stdout).toContain(String.raw`var/attack/\x1b]0;by hand\x07\u202etxt`);
        expect(stdout).not.toMatch(/[\u001b\u0007\u202e]/);
      }
      await host.run('backup-borg delete ::before');
      await mails(host);
    });

    it('the name of a directory is no line of the backup', async () => {
      await does('hook', '');
      await fixture.host.run(`runuser -u borg -- mkdir $'/backup/x\\n<3>all archives are gone'`);
      expect((await backUp(fixture.host)).ok).toBe(true);
      const { stdout } = await fixture.host.run(
        'journalctl --sync; journalctl --output=cat --no-pager --priority=err --unit=backup.service',
      );
      expect(stdout).not.toContain('all archives are gone');
      await fixture.host.run('rmdir /backup/x*');
      await mails(fixture.host);
    });

    describe('whatever became of its own files', () => {
      // What `reported` reports again.
      beforeAll(async () => {
        await does('hook', fails);
        await failing();
      });

      it.each([
        ['a list', 'echo "[]"'],
        ['units that are a list', `echo '{"units": []}'`],
        ['a run of which nothing is said', `echo '{"units": {"backup": {}}}'`],
        [
          'a run of other types',
          `echo '{"units": {"backup": {"failures": "many", "last_good": "x", "failing_since": []}}}'`,
        ],
        ['no JSON', 'echo {'],
        ['no text', String.raw`printf '{"units": "\xff\xfe"}'`],
        ['nesting without an end', `python3 -c 'print("[" * 100000)'`],
      ])('goes off: %s for what it knows', async (_, make) => {
        await fixture.host.run(`${make} > ${status}`);
        expect(await shown()).toContain('cannot be read');
        const mail = await reported();
        expect(mail?.subject).toBe('backup of web: FAILED: backup-wiki.service (exit-code): no room for the wiki');
        expect(mail?.text).toContain('what was known of earlier runs cannot be read');
        expect(await shown()).toContain('bad\n');
      });

      it.each([
        ['a FIFO', 'mkfifo'],
        ['a link to what has no end', 'ln -s /dev/zero'],
        ['a directory', 'mkdir'],
      ])('goes off: %s for what it knows', async (_, make) => {
        await fixture.host.run(`rm ${status}; ${make} ${status}; chown --no-dereference backup-report ${status}`);
        expect(await shown()).toContain('cannot be read');
        expect((await reported())?.subject).toBe(
          'backup of web: FAILED: backup-wiki.service (exit-code): no room for the wiki',
        );
        expect(await shown()).toContain('bad\n');
        await fixture.host.run(`rm -rf ${status}`);
      });

      it('goes off: the disk is full', async () => {
        const { host } = fixture;
        await host.run(
          'mount -t tmpfs -o size=8k,mode=2755 full /var/lib/backup-report; chown backup-report:adm /var/lib/backup-report; head -c 1M /dev/zero > /var/lib/backup-report/full 2> /dev/null; true',
        );
        const found = await failing();
        // They leave one after the other, and may overtake.
        expect(found.map(({ subject }) => subject).sort()).toEqual([
          'backup of web: FAILED: backup-wiki.service (exit-code): no room for the wiki',
          'backup of web: backup exit-code, but that could not be recorded',
        ]);
        expect(await shown()).toMatch(/^bad\n[^]*The last backup failed \(exit-code\), and its report is not there/);
        await host.run('umount /var/lib/backup-report');
      });

      it('goes off: its settings cannot be read', async () => {
        await fixture.host.run('cp -p /etc/backup/report.json /root/; echo "{" > /etc/backup/report.json');
        const [mail] = await failing();
        expect(mail?.subject).toBe('backup of web: FAILED: backup-wiki.service (exit-code): no room for the wiki');
        expect(mail?.text).toContain('The settings of reports could not be read');
        await fixture.host.run('cp -p /root/report.json /etc/backup/');
      });

      it('goes off: the journal cannot be read', async () => {
        await fixture.host.run(
          'mkdir -p /etc/systemd/system/backup-report@.service.d; printf "[Service]\\nInaccessiblePaths=/usr/bin/journalctl\\n" > /etc/systemd/system/backup-report@.service.d/x.conf; systemctl daemon-reload',
        );
        const [mail] = await failing();
        expect(mail?.subject).toBe('backup of web: FAILED: backup.service (exit-code)');
        expect(mail?.text).toContain('the details of this run could not be read');
        expect(await shown()).toContain('bad\n');
        await does('hook', '');
        expect((await backUp(fixture.host)).ok).toBe(true);
        expect((await mails(fixture.host))[0]?.subject).toContain(
          'backup of web: ok, but the details of this run could not be read',
        );
        expect(await shown()).toMatch(/^bad\n[^]*the details of this run could not be read/);
        await fixture.host.run('rm -r /etc/systemd/system/backup-report@.service.d; systemctl daemon-reload');
      });

      it('is missed by who looks: the report was killed', async () => {
        const { host } = fixture;
        await does('hook', '');
        expect((await backUp(host)).ok).toBe(true);
        await settle(host);
        expect(await shown()).toContain('fine\n');
        await host.run(
          'mkdir -p /etc/systemd/system/backup-report@.service.d; printf "[Service]\\nExecStart=\\nExecStart=/bin/sh -c \'kill -9 \\$\\$\\$\\$\'\\n" > /etc/systemd/system/backup-report@.service.d/x.conf; systemctl daemon-reload',
        );
        await does('hook', fails);
        expect(await failing()).toEqual([]);
        expect(await shown()).toMatch(
          /^bad\n[^]*The last backup failed \(exit-code\), and its report is not there[^]*its report failed \(signal\)/,
        );
        await host.run('rm -r /etc/systemd/system/backup-report@.service.d; systemctl daemon-reload');
        expect(await failing()).toHaveLength(1);
        await does('hook', '');
        expect((await backUp(host)).ok).toBe(true);
        await mails(host);
        // What was told since is no news.
        expect(await shown()).toContain('fine\n');
      });
    });

    describe('the watch', () => {
      afterEach(() => fixture.host.run(`rm -rf ${status} /backup.last; systemctl reset-failed`));

      it.each([
        ['a time that is none', `echo '{"units": {"backup": {"last_good": "yesterday"}}}' > ${status}`],
        ['a list', `echo '[]' > ${status}`],
        ['an alert that is none', `echo '{"alerted": "never"}' > ${status}`],
        ['a FIFO', `rm -f ${status}; mkfifo ${status}; chown backup-report ${status}`],
      ])('misses a backup whatever it finds: %s', async (_, make) => {
        await fixture.host.run(`rm -f /backup.last; ${make}; timeout 60 systemctl start backup-watch.service`, {
          mayFail: true,
        });
        expect((await mails(fixture.host)).map(({ subject }) => subject)).toEqual([
          'backup of web: MISSING, last good never',
        ]);
      });

      it('takes no link, and no directory, for the mark of a backup', async () => {
        await fixture.host.run(
          `rm -f ${status} /backup.last; ln -s /var/attack/hook /backup.last; systemctl start backup-watch.service; rm /backup.last ${status}; mkdir /backup.last; systemctl start backup-watch.service`,
        );
        expect((await mails(fixture.host)).map(({ subject }) => subject)).toEqual(
          Array(2).fill('backup of web: MISSING, last good never'),
        );
      });
    });
  },
);
