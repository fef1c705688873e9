import { Ajv } from 'ajv';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toJsonSchema } from '../../src/emit/json-schema.ts';
import { fleet as fleetSchema, type Fleet } from '../../src/schema/fleet.ts';
import { debianFile } from '../lab/packages.ts';
import { run } from '../lab/process.ts';
import { backUp, newest, onEachRelease } from './fixture.ts';
import { mails, settle } from './mail.ts';

/** What the schema of the status says; here no key may be in it that the schema does not declare. */
const validate = new Ajv({ strict: false }).compile(
  JSON.parse(
    readFileSync('meta/status.schema.json', 'utf8').replaceAll(
      '"properties": {',
      '"additionalProperties": false, "properties": {',
    ),
  ) as object,
);

/** Takes whatever is posted to it, and logs a line of JSON for each. */
const receiver = `import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with open("/root/received", "a") as file:
            file.write(json.dumps({"path": self.path, "body": body}) + "\\n")
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
`;

onEachRelease(
  'reports',
  async ({ lab, host }) => {
    await host.run(
      'useradd --system wiki; useradd --groups adm watcher; useradd outsider; newaliases; systemctl restart postfix',
    );
    await host.write('/root/receiver.py', receiver);
    await host.run('systemd-run --quiet --unit=receiver python3 /root/receiver.py');
    await lab.roles(['borg'], { borg_lock_wait: 20, backup_paths: ['/etc'] });
  },
  (fixture) => {
    const hook = async (command: string, more: object = {}): Promise<void> => {
      await fixture.lab.playbook([
        {
          hosts: 'all',
          gather_facts: false,
          tasks: [{ 'rootless.backup.hook': { name: 'wiki', user: 'wiki', command, ...more } }],
        },
      ]);
    };
    /** What `status --json` gives, held to its schema. */
    const status = async (): Promise<Record<string, never>> => {
      const { stdout } = await fixture.host.run('backupctl status --json', { mayFail: true });
      const found = JSON.parse(stdout) as Record<string, never>;
      expect([validate(found), validate.errors], stdout).toEqual([true, null]);
      return found;
    };
    const lastRun = async (): Promise<{
      advice: string[];
      archives: Record<'files' | 'original_size' | 'deduplicated_size', number>[];
    }> => (await status())['units']?.['backup'] as never;

    it('say nothing of a success', async () => {
      await hook('/bin/true');
      const { ok, log } = await backUp(fixture.host);
      expect(ok, log).toBe(true);
      expect(await mails(fixture.host)).toEqual([]);
      expect(
        (
          await fixture.host.run('systemctl show --property=Result --value backup-report@backup:success.service')
        ).stdout.trim(),
      ).toBe('success');
      expect(await status()).toMatchObject({
        verdict: 'good',
        problems: [],
        units: {
          backup: { result: 'success', hooks: [{ unit: 'backup-wiki.service', result: 'success', required: true }] },
        },
      });
    });

    it('of a hook that fails come by mail: what failed, since when, the last good backup, what to do, and its log', async () => {
      await hook('', { command: undefined, script: '#!/bin/sh\necho "the disk of the wiki is full" >&2\nexit 3\n' });
      expect((await backUp(fixture.host)).ok).toBe(false);
      // A report that is still at work is not started a second time.
      await settle(fixture.host);
      expect((await backUp(fixture.host)).ok).toBe(false);
      const found = await mails(fixture.host);
      expect(found.map(({ subject }) => subject)).toEqual(
        Array(2).fill('backup of web: FAILED: backup-wiki.service (exit-code): the disk of the wiki is full'),
      );
      const text = found[1]?.text ?? '';
      expect(text).toMatch(/^backup\.service of web failed at \S+ \S+ UTC, after \d+ s\.\n/);
      expect(text).toMatch(
        /^What failed: +backup-wiki\.service \(exit-code\): the disk of the wiki is full\n +the command of ExecStart= exited with code 3$/m,
      );
      expect(text).toMatch(/^Failing since: +\S+ \S+ UTC, 2 runs$/m);
      expect(text).toMatch(/^Last good one: +\S+ \S+ UTC, (?:just now|\d+ minutes ago)$/m);
      expect(text).toMatch(
        /^What to do: +Mend what is said above; more is in `journalctl -u backup-wiki\.service`\.$/m,
      );
      expect(text.split('-- backup-wiki.service --')[1]).toContain('the disk of the wiki is full');
      // What is to be done is known to who asks later, too.
      expect((await lastRun()).advice).toEqual([
        'Mend what is said above; more is in `journalctl -u backup-wiki.service`.',
        'Then run `systemctl start backup.service`; what was saved before is still there.',
      ]);
      const { stdout } = await fixture.host.run('backupctl status', { mayFail: true });
      expect(stdout).toMatch(/^web {2}PROBLEMS, last good backup/);
      expect(stdout.split('\n').slice(1, 5)).toEqual([
        '  The last backup failed: backup-wiki.service (exit-code): the disk of the wiki is full',
        '    To do: Mend what is said above; more is in `journalctl -u backup-wiki.service`.',
        '    To do: Then run `systemctl start backup.service`; what was saved before is still there.',
        '    the command of ExecStart= exited with code 3',
      ]);
      expect(await status()).toMatchObject({ verdict: 'failed', problems: [{ details: [expect.any(String)] }] });
      expect(stdout).not.toContain('\u001b');
    });

    it('believe what is said of the backup only of the backup itself, and pass on nothing that moves a terminal', async () => {
      await hook('', {
        command: undefined,
        script: `#!/usr/bin/python3
import socket, subprocess, sys
invocation = subprocess.run(["systemctl", "show", "--property=InvocationID", "--value", "backup.service"], stdout=subprocess.PIPE).stdout.decode().strip()
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
    journal.sendto(("PRIORITY=3\\nMESSAGE=forged\\nBACKUP_ADVICE=Run evil.\\nINVOCATION_ID=%s\\n" % invocation).encode(), "/run/systemd/journal/socket")
    journal.sendto(b"MESSAGE=forged\\nUNIT_RESULT=success\\n", "/run/systemd/journal/socket")
sys.exit("\\x1b[31mred\\rover")
`,
      });
      expect((await backUp(fixture.host)).ok).toBe(false);
      const [mail] = await mails(fixture.host);
      // Which of its two words the journal took in last is not for sure.
      expect(mail?.subject).toMatch(
        /^backup of web: FAILED: backup-wiki\.service \(exit-code\): (?:\\x1b\[31mred\\rover|forged)$/,
      );
      expect(mail?.text).toContain(String.raw`\x1b[31mred\rover`);
      expect(mail?.text).not.toMatch(/evil|\u001b/);
      expect(mail?.text.split('-- backup.service --')[1]).not.toContain('forged');
    });

    it('do not blame a hook that was still at work when another one failed', async () => {
      const { host, lab } = fixture;
      await lab.playbook([
        {
          hosts: 'all',
          gather_facts: false,
          tasks: [{ 'rootless.backup.hook': { name: 'z-slow', user: 'wiki', command: '/usr/bin/sleep 5' } }],
        },
      ]);
      expect((await backUp(host)).ok).toBe(false);
      const text = (await mails(fixture.host))[0]?.text ?? '';
      expect(text).toMatch(/^What failed: +backup-wiki.service .*\n(?: +the command .*\n)?Failing since:/m);
      expect(text).toMatch(/backup-z-slow\.service: it was (?:still running|not run)/);
      await lab.playbook([
        { hosts: 'all', gather_facts: false, tasks: [{ 'rootless.backup.hook': { name: 'z-slow', state: 'absent' } }] },
      ]);
    });

    it('of a success after failures come too', async () => {
      await hook('/bin/true');
      expect((await backUp(fixture.host)).ok).toBe(true);
      expect((await mails(fixture.host)).map(({ subject }) => subject)).toEqual([
        'backup of web: ok again, after 4 failures',
      ]);
    });

    it('tell of a hook that the backup does not need, or a cleanup, that failed, though the backup is good', async () => {
      const { host } = fixture;
      await hook('/bin/false', { required: false });
      expect((await backUp(host)).ok).toBe(true);
      const [mail] = await mails(fixture.host);
      const what = 'backup-wiki.service (exit-code): the command of ExecStart= exited with code 1';
      expect(mail?.subject).toBe(`backup of web: ok, but failed: ${what}`);
      const todo = 'Mend what is said above; more is in `journalctl -u backup-wiki.service`.';
      expect(mail?.text).toContain(`\nWhat failed:    ${what}\n`);
      expect(mail?.text).toContain(`\nWhat to do:     ${todo}\n`);
      expect((await host.run('backupctl status', { mayFail: true })).stdout).toContain(
        `The last backup is good, but failed: ${what}\n    To do: ${todo}\n    The backup does not need it`,
      );
      expect(await status()).toMatchObject({ verdict: 'warning' });
      await hook('/bin/true', { cleanup: 'remove' });
      await host.run(
        'mkdir -p /backup/wiki/fixed && touch /backup/wiki/fixed/file && chown -R root: /backup/wiki/fixed && chmod 700 /backup/wiki/fixed',
      );
      expect((await backUp(host)).ok).toBe(true);
      expect((await mails(fixture.host))[0]?.subject).toContain(
        'backup of web: ok, but failed: backup-wiki-cleanup.service (exit-code): ',
      );
      await host.run('rm -r /backup/wiki/fixed');
      await hook('/bin/true');
      expect((await backUp(host)).ok).toBe(true);
      expect(await mails(fixture.host)).toEqual([]);
    });

    it('of what Borg could not save name it', async () => {
      await fixture.lab.roles(['borg'], { borg_lock_wait: 20, backup_paths: ['/etc', '/srv/gone'] });
      expect((await backUp(fixture.host)).ok).toBe(false);
      const [mail] = await mails(fixture.host);
      expect(mail?.subject).toContain('/srv/gone');
      await fixture.lab.roles(['borg'], { borg_lock_wait: 20, backup_paths: ['/etc'] });
      expect((await backUp(fixture.host)).ok).toBe(true);
      await mails(fixture.host);
    });

    it('reach a URL and a command too, each of them even if another fails, and the backup’s result stays', async () => {
      const { host, lab } = fixture;
      await host.write(
        '/usr/local/bin/tell',
        '#!/bin/sh\ncat > /var/lib/backup-report/told\necho "$BACKUP_RESULT $BACKUP_UNIT $BACKUP_SUBJECT" >> /var/lib/backup-report/told\n',
        '0755',
      );
      const settings = {
        borg_lock_wait: 20,
        backup_paths: ['/etc'],
        backup_report_url: 'http://127.0.0.1:8080/secret-token',
        backup_report_command: ['/usr/local/bin/tell', 'x y'],
        backup_report_success: 'always',
      };
      const { stdout } = await lab.roles(['borg'], settings, { args: ['--diff', '-vvv'] });
      expect(stdout).not.toContain('secret-token');
      await host.run('mv /usr/sbin/sendmail /usr/sbin/sendmail.away');
      expect((await backUp(host)).ok).toBe(true);
      await settle(fixture.host);
      const received = (await host.read('/root/received'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { path: string; body: string });
      expect(received.map(({ path }) => path)).toEqual(['/secret-token/start', '/secret-token']);
      expect(await host.read('/var/lib/backup-report/told')).toMatch(
        /^backup\.service of web succeeded[^]*success backup backup of web: ok\n$/,
      );
      expect(
        (
          await host.run(
            'systemctl is-failed backup-report@backup:success.service; systemctl is-failed backup.service',
            { mayFail: true },
          )
        ).stdout,
      ).toBe('failed\ninactive\n');
      expect(await host.journal('backup-report@backup:success.service')).toContain(
        'The report was not delivered by mail',
      );
      await host.run('mv /usr/sbin/sendmail.away /usr/sbin/sendmail; systemctl reset-failed; rm /root/received');
      await hook('/bin/false');
      expect((await backUp(host)).ok).toBe(false);
      expect((await mails(fixture.host)).length).toBe(1);
      expect(
        (await host.read('/root/received'))
          .trim()
          .split('\n')
          .map((line) => (JSON.parse(line) as { path: string }).path),
      ).toEqual(['/secret-token/start', '/secret-token/fail']);
      await host.run('systemctl stop receiver');
      expect((await backUp(host)).ok).toBe(false);
      await settle(fixture.host);
      const journal = await host.journal('backup-report@backup:failure.service');
      expect(journal).toContain('not delivered by the URL');
      expect(journal).not.toContain('secret-token');
      await hook('/bin/true');
      await lab.roles(['borg'], { borg_lock_wait: 20, backup_paths: ['/etc'] });
      expect((await backUp(host)).ok).toBe(true);
      await mails(fixture.host);
    });

    it('go by SMTP where the host has no sendmail', async () => {
      const { host, lab } = fixture;
      await host.run('mv /usr/sbin/sendmail /usr/sbin/sendmail.away');
      const smtp = 'host 127.0.0.1\nport 25\ntls off\nauth off\nfrom backup@web\n';
      const settings = { borg_lock_wait: 20, backup_paths: ['/etc'], backup_report_success: 'always' };
      await lab.roles(['borg'], { ...settings, backup_mail_smtp: smtp });
      expect((await backUp(host)).ok).toBe(true);
      expect((await mails(fixture.host)).map(({ subject }) => subject)).toEqual(['backup of web: ok']);
      expect((await host.run('stat -c %U:%a /etc/credstore/backup-report.msmtprc')).stdout).toBe('root:600\n');
      // With the network it is as tight as the network lets it be.
      const level = /exposure level for \S+ ([\d.]+)/.exec(
        (await host.run('systemd-analyze security --no-pager backup-report@backup:success.service')).stdout,
      )?.[1];
      expect(Number(level)).toBeLessThanOrEqual(2.0);
      await host.run('mv /usr/sbin/sendmail.away /usr/sbin/sendmail');
      await lab.roles(['borg'], { borg_lock_wait: 20, backup_paths: ['/etc'] });
      expect(await host.exists('/etc/credstore/backup-report.msmtprc')).toBe(false);
      expect(await host.exists('/etc/credstore/backup-report.url')).toBe(false);
    });

    describe('the watch', () => {
      const age = (what: string): Promise<unknown> =>
        fixture.host.run(
          `touch -d '${what}' /backup.last; sed -i 's/"last_good": [0-9.]*/"last_good": '$(date -d '${what}' +%s)'/' /var/lib/backup-report/status.json`,
        );
      it('is silent while there is a good backup, and reports once a day when there is none for too long', async () => {
        await fixture.host.run('systemctl start backup-watch.service');
        expect(await mails(fixture.host)).toEqual([]);
        await age('3 days ago');
        await fixture.host.run(
          'systemctl disable --now backup.timer; mv /etc/systemd/system/backup.service /root/; ln -s /dev/null /etc/systemd/system/backup.service; systemctl daemon-reload; systemctl start backup-watch.service; systemctl start backup-watch.service',
        );
        const found = await mails(fixture.host);
        expect(found.map(({ subject }) => subject)).toEqual(['backup of web: MISSING, last good 3 days ago']);
        expect(found[0]?.text).toMatch(/^backup\.timer: +disabled, inactive\nbackup\.service: +masked/m);
        expect((await fixture.host.run('backupctl status', { mayFail: true })).stdout.split('\n').slice(1, 4)).toEqual([
          '  There is no good backup for longer than 36 hours.',
          '    To do: backup.service cannot be used (masked): apply the role again; `systemctl status backup.service` says more.',
          '    To do: Run `systemctl enable --now backup.timer; systemctl start backup.service`.',
        ]);
        await fixture.host.run(
          'mv /root/backup.service /etc/systemd/system/; systemctl daemon-reload; systemctl enable --now backup.timer',
        );
      });
      it('does not trust a time to come', async () => {
        await age('3 days');
        await fixture.host.run(
          `sed -i '/"alerted"/d; /"success_told"/d' /var/lib/backup-report/status.json; sed -i ':a;N;$!ba;s/,\\n\\( *\\)}/\\n\\1}/g' /var/lib/backup-report/status.json; systemctl start backup-watch.service`,
        );
        expect((await mails(fixture.host)).map(({ subject }) => subject)).toEqual([
          'backup of web: MISSING, last good in the future: was the clock set back?',
        ]);
      });
    });

    it('keep the status for root and the group, and metrics for all', async () => {
      const { host } = fixture;
      expect((await backUp(host)).ok).toBe(true);
      await settle(fixture.host);
      expect((await host.run('backupctl status', { user: 'watcher' })).stdout).toMatch(
        /^web {2}ok, last good backup just now/,
      );
      // Who reads it may go away before its end, as head(1) does.
      const unread = await host.run(
        'for way in status "status --json" list; do { sleep 0.5; backupctl $way; echo $? >&2; } | true; done',
        { user: 'watcher' },
      );
      expect(unread.stderr).toBe('0\n0\n0\n');
      expect((await host.run('backupctl status', { user: 'outsider', mayFail: true })).code).not.toBe(0);
      const kept = '/var/lib/backup-report/history.jsonl';
      expect((await host.run(`cat ${kept}`, { user: 'outsider', mayFail: true })).code).not.toBe(0);
      const history = (await host.run(`cat ${kept}`, { user: 'watcher' })).stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      const { archives } = await lastRun();
      const sum = (key: 'files' | 'original_size' | 'deduplicated_size'): number =>
        archives.reduce((all, each) => all + each[key], 0);
      expect(history.length).toBeGreaterThan(10);
      expect(history.filter(({ result }) => result === 'exit-code').length).toBeGreaterThan(3);
      expect(history.at(-1)).toMatchObject({
        unit: 'backup',
        result: 'success',
        files: sum('files'),
        original_size: sum('original_size'),
        deduplicated_size: sum('deduplicated_size'),
      });
      const metrics = (await host.run('cat /var/lib/backup-report/backup.prom', { user: 'outsider' })).stdout;
      expect(metrics).toMatch(/^backup_last_run_success\{unit="backup"\} 1\.0$/m);
      expect(metrics).toMatch(/^backup_hook_success\{hook="backup-wiki\.service"\} 1\.0$/m);
      expect(metrics).toMatch(
        /^backup_archive_files\{repository="\/var\/lib\/borg\/repository",series="files"\} \d+\.0$/m,
      );
    });

    it('and a backup, a check, the list of archives are there for the group to ask for, and for no other', async () => {
      const { host } = fixture;
      const asked = await host.run('backupctl run', { user: 'watcher' });
      expect(asked.stdout).toMatch(/archive web-files-\S+: \d+ files[^]*backup\.service succeeded after \d+ s\n$/);
      expect((await host.run('backupctl check', { user: 'watcher' })).stdout).toMatch(
        /backup-check\.service succeeded/,
      );
      expect((await host.run('backupctl list', { user: 'watcher' })).stdout).toContain(
        `  ${await newest(host, 'files')}\n`,
      );
      await hook('/bin/false');
      expect((await host.run('backupctl run', { user: 'watcher', mayFail: true })).code).toBe(1);
      await hook('/bin/true');
      for (const command of ['run', 'check', 'list']) {
        const refused = await host.run(`backupctl ${command}`, { user: 'outsider', mayFail: true });
        expect(refused.code).toBe(3);
        expect(refused.stderr).toContain('the members of the group adm may');
      }
    });

    it('run in a sandbox of their own, without a capability, and see nothing that is saved or that opens it', async () => {
      const { host } = fixture;
      const { stdout } = await host.run(
        'systemd-analyze security --no-pager backup-report@backup:failure.service | tail -1',
      );
      expect(Number(/exposure level for \S+ ([\d.]+)/.exec(stdout)?.[1])).toBeLessThanOrEqual(2.0);
      await host.run('mkdir -p /etc/systemd/system/backup-report@probe.service.d');
      await host.write(
        '/usr/local/bin/probe',
        '#!/bin/sh\nfor f in /etc/shadow /etc/credstore/borg.passphrase /var/lib/borg/repository/config /backup/wiki /root/receiver.py; do cat $f > /dev/null 2>&1 && echo "reads $f"; done\nfor d in /root /home /backup /var/lib/borg /etc/credstore; do ls -A $d 2> /dev/null | grep -q . && echo "sees into $d"; done\nfor f in /etc/x /usr/x /backup/x /var/lib/x; do touch $f 2> /dev/null && echo "writes $f"; done\ngrep CapEff /proc/self/status\nid -un\n',
        '0755',
      );
      await host.write(
        '/etc/systemd/system/backup-report@probe.service.d/probe.conf',
        '[Service]\nExecStart=\nExecStart=/usr/local/bin/probe\n',
      );
      await host.run('systemctl daemon-reload; systemctl start backup-report@probe.service');
      expect(
        (
          await host.run(
            'journalctl --sync; journalctl --output=cat --no-pager _SYSTEMD_UNIT=backup-report@probe.service',
          )
        ).stdout,
      ).toBe('CapEff:\t0000000000000000\nbackup-report\n');
      await host.run('rm -r /etc/systemd/system/backup-report@probe.service.d; systemctl daemon-reload');
    });

    it('of many machines come as one page, the worst first: who cannot be reached, who is silent, who fails', async () => {
      const { host, lab } = fixture;
      const directory = join(lab.directory, 'fleet');
      const quiet = await lab.boot({ name: 'quiet', debian: fixture.release });
      const inventory = join(lab.directory, 'fleet-inventory');
      writeFileSync(
        inventory,
        readFileSync(join(lab.directory, 'inventory'), 'utf8') +
          '[servers]\nweb\nquiet\ngone ansible_host=10.77.0.250\n',
      );
      // The other machine has no user of that name.
      const onWeb = (command: string): Promise<unknown> =>
        lab.playbook([
          {
            hosts: 'web',
            gather_facts: false,
            tasks: [{ 'rootless.backup.hook': { name: 'wiki', user: 'wiki', command } }],
          },
        ]);
      const ask = async (vars: object): Promise<{ code: number; said: string; fleet: Fleet }> => {
        const args = ['-i', inventory, '-e', JSON.stringify({ fleet_directory: directory, ...vars })];
        const playbook = join(lab.collection, 'playbooks/fleet.yml');
        const env = { PATH: `${join(lab.directory, 'bin')}:/usr/sbin:/usr/bin:/sbin:/bin` };
        const { code, stdout, stderr, recap } = await lab.run(playbook, { args, env, mayFail: true });
        for (const { changed, unreachable } of Object.values(recap)) expect([changed, unreachable]).toEqual([0, 0]);
        const found = JSON.parse(readFileSync(join(directory, 'fleet.json'), 'utf8')) as Fleet;
        const valid = new Ajv({ strict: false }).compile(toJsonSchema(fleetSchema));
        expect(valid(found), JSON.stringify(valid.errors)).toBe(true);
        return { code, said: stdout + stderr, fleet: found };
      };

      // The cron job's view: two of three are not well, and one of them says why at the top.
      expect((await backUp(host)).ok).toBe(true);
      await settle(host);
      const first = await ask({});
      expect(first.code, first.said).toBe(2);
      expect(first.said).toContain('backups of 3 machines: 2 with problems: gone, quiet');
      expect(first.fleet.machines.map(({ name, state }) => [name, state])).toEqual([
        ['gone', 'unreachable'],
        ['quiet', 'silent'],
        ['web', 'ok'],
      ]);
      const [gone, , web] = first.fleet.machines;
      expect(gone?.problems[0]).toMatch(/^It cannot be reached: /);
      const { archives } = await lastRun();
      expect(web).toMatchObject({
        groups: ['servers'],
        version: web?.version,
        older: false,
        last_result: 'success',
        hooks: [{ unit: 'backup-wiki.service', result: 'success', required: true }],
        original_size: archives.reduce((all, each) => all + each.original_size, 0),
      });
      expect((web?.next_run ?? 0) > Date.now() / 1000).toBe(true);
      expect(web?.history.at(-1)).toMatchObject({
        finished: web?.last_run,
        ok: true,
        original_size: web?.original_size,
      });
      const metrics = readFileSync(join(directory, 'fleet.prom'), 'utf8');
      const checked = await run(await debianFile('prometheus', '/usr/bin/promtool'), ['check', 'metrics'], {
        input: metrics,
        mayFail: true,
      });
      expect(checked.stdout + checked.stderr).toBe('');
      expect(metrics).toContain('backup_fleet_machine_ok{machine="web",state="ok"} 1\n');
      expect(readFileSync(join(directory, 'fleet.html'), 'utf8')).toMatch(/^<!doctype html>/);

      // A hook that fails; asked by a member of the group without root; one mail for all of them.
      await onWeb('/bin/false');
      expect((await backUp(host)).ok).toBe(false);
      await mails(host);
      mkdirSync(join(lab.directory, 'bin'));
      const options = `-i ${join(lab.directory, 'key')} -o UserKnownHostsFile=${join(lab.directory, 'known_hosts')}`;
      // The control node's mail goes to a real server.
      writeFileSync(
        join(lab.directory, 'bin/sendmail'),
        `#!/bin/sh\nexec ssh ${options} root@${host.address} /usr/sbin/sendmail "$@"\n`,
        { mode: 0o755 },
      );
      const member = { ansible_become: true, ansible_become_user: 'watcher', fleet_hosts: 'web:gone' };
      const second = await ask({ ...member, fleet_fail: false, fleet_mail_to: ['root'] });
      expect(second.code, second.said).toBe(0);
      expect(second.fleet.machines.map(({ name, state }) => [name, state])).toEqual([
        ['gone', 'unreachable'],
        ['web', 'failing'],
      ]);
      const remedy = expect.stringContaining('`journalctl -u backup-wiki.service`') as string;
      expect(second.fleet.machines[1]?.remedies[0]).toEqual(remedy);
      expect(await mails(host)).toEqual([
        { subject: 'backups of 2 machines: 2 with problems: gone, web', text: remedy },
      ]);

      // Who may not read it, and a version that knew less.
      const outsider = await ask({ ...member, fleet_hosts: 'web', ansible_become_user: 'outsider' });
      expect(outsider.code, outsider.said).toBe(2);
      expect(outsider.fleet.machines[0]).toMatchObject({
        state: 'silent',
        remedies: [expect.stringContaining('backup_status_group')],
      });
      await onWeb('/bin/true');
      expect((await backUp(host)).ok).toBe(true);
      await mails(host);
      await host.run(
        `rm /var/lib/backup-report/history.jsonl; python3 -c 'import json; p = "/var/lib/backup-report/status.json"; k = json.load(open(p)); [k.pop(n) for n in ("version", "alert_after")]; [e.pop("advice") for e in k["units"].values()]; json.dump(k, open(p, "w"))'`,
      );
      const older = await ask({ fleet_hosts: 'web' });
      expect(older.code, older.said).toBe(0);
      expect(older.fleet.machines[0]).toMatchObject({ state: 'ok', older: true, history: [] });

      // Who broke into a machine keeps no other from the page by never answering.
      await quiet.run('mv /usr/bin/python3 /usr/bin/python3.whole');
      await quiet.write('/usr/bin/python3', '#!/bin/sh\nexec sleep infinity\n', '0755');
      const hanging = await ask({ fleet_hosts: 'web:quiet', fleet_timeout: 20 });
      expect(hanging.code, hanging.said).toBe(2);
      expect(hanging.fleet.machines.map(({ name, state }) => [name, state])).toEqual([
        ['quiet', 'unreachable'],
        ['web', 'ok'],
      ]);
      await lab.forget(quiet);
    });
  },
);
