import { expect, it } from 'vitest';
import { backUp, onEachRelease, start } from '../host/fixture.ts';

/** Everything that code of the user borg could leave for a program with more rights, each of which makes a mark when it is run. */
const plant = `set -e
cd /var/lib/borg
code='import os
for place in (os.getcwd(), "/var/lib/borg", "/var/cache/borg", "/tmp", "/var/tmp", "/srv/marked"):
    try: open(place + "/ran", "a").write(open("/proc/self/status").read())
    except OSError: pass'
printf '%s\\n' "$code" > /tmp/code.py
for version in 3.11 3.13; do
  site=.local/lib/python$version/site-packages
  mkdir -p $site
  printf '%s\\n' "$code" > $site/usercustomize.py
  printf '%s\\n' "$code" > $site/sitecustomize.py
  printf 'import usercustomize\\n' > $site/x.pth
done
mkdir -p .ssh .local/bin .config/borg/keys bin
printf 'Host *\\n ProxyCommand touch /var/lib/borg/ran\\n' > .ssh/config
for program in borg ssh cat cp find python3; do
  for at in .local/bin bin; do printf '#!/bin/sh\\ntouch /var/lib/borg/ran\\n' > $at/$program; chmod 755 $at/$program; done
done
cp /tmp/code.py .pythonrc.py
echo 'export PATH=/var/lib/borg/bin:$PATH' > .profile`;

const commands: Readonly<Record<string, string>> = {
  'backupctl restore --into': 'rm -rf /srv/back; backupctl restore --into /srv/back /srv/files',
  'backupctl restore --in-place': 'echo changed > /srv/files/file; backupctl restore --in-place /srv/files',
  'backup-borg --into':
    'rm -rf /srv/back; backup-borg --into /srv/back extract ::$(backup-borg list --format "{archive}{NL}" | grep files | tail -1) srv/files',
  'backupctl find': 'backupctl find file',
  'backupctl list': 'backupctl list',
  'the backup': 'systemctl start backup.service',
  'the check': 'systemctl start backup-check.service',
  'the drill': 'systemctl start backup-drill.service',
  'the initialisation': 'systemctl start borg-init.service',
};

onEachRelease(
  'code that ran as the user borg',
  async ({ lab, host }) => {
    await host.run('mkdir -p /srv/files; echo saved > /srv/files/file; mkdir -m 777 /srv/marked');
    await lab.roles(['borg'], { backup_paths: ['/srv/files'] });
    const { ok, log } = await backUp(host);
    expect(ok, log).toBe(true);
    await host.run(plant, { user: 'borg' });
  },
  (fixture) => {
    it.each(Object.entries(commands))('has nothing of what it left run by %s', async (_title, command) => {
      const { host } = fixture;
      const { code, stdout, stderr } = await host.run(command, { mayFail: true });
      expect(code, stdout + stderr).toBe(0);
      const ran = 'find /var/lib/borg /var/cache/borg /tmp /var/tmp /srv -name ran';
      const found = (await host.run(`${ran}; ${ran} -delete`)).stdout;
      expect(found).toBe('');
    });

    it('meets none of what a restore does in what it keeps, and a restore is not held up by what it left there', async () => {
      const { host } = fixture;
      const state = "find /var/lib/borg/.config /var/lib/borg/.local /var/cache/borg -printf '%p %C@\\n' | sort";
      await host.run(
        `cd /var/lib/borg/.config/borg; mkfifo keys/fifo; ln -s /dev/zero keys/zero; ln -s / keys/top; mkdir keys/own; ln -s /root security/elsewhere`,
        { user: 'borg' },
      );
      const before = (await host.run(state)).stdout;
      const { code, stdout, stderr } = await host.run(
        'rm -rf /srv/back; timeout 120 backupctl restore --into /srv/back /srv/files',
        { mayFail: true },
      );
      expect(code, stdout + stderr).toBe(0);
      expect((await host.run(state)).stdout).toBe(before);
      await host.run('rm -r /var/lib/borg/.config/borg/keys/*; rm /var/lib/borg/.config/borg/security/elsewhere', {
        user: 'borg',
      });
      const { ok, log } = await start(host, 'backup.service');
      expect(ok, log).toBe(true);
    });

    it('leads no restore by what it puts into a local repository, nor reaches it while it is at work', async () => {
      const { host } = fixture;
      await host.run('head -c 200M /dev/urandom > /srv/files/large');
      expect((await backUp(host)).ok).toBe(true);
      await host.run('mkdir -m 777 /srv/elsewhere');
      await host.run('cd /var/lib/borg/repository; mkfifo lock.roster; ln -s /srv/elsewhere lock.exclusive', {
        user: 'borg',
      });
      const restoring = host.run('rm -rf /srv/back; timeout 200 backupctl restore --into /srv/back /srv/files', {
        mayFail: true,
      });
      const unit = (
        await host.run(
          'until u=$(systemctl list-units --no-legend --plain "backup-restore-*" | cut -d" " -f1 | grep .); do sleep 0.02; done; until pgrep -u backup-restore > /dev/null; do sleep 0.02; done; echo "$u"',
        )
      ).stdout.trim();
      const shown = (await host.run(`systemctl show --property=User,ReadWritePaths ${unit}`)).stdout;
      const reached = await host.run('kill -STOP $(pgrep -u backup-restore | head -1); ls /srv/back', {
        user: 'borg',
        mayFail: true,
      });
      const { code, stdout, stderr } = await restoring;
      expect(code, stdout + stderr).toBe(0);
      expect(shown).toContain('User=backup-restore\n');
      expect(shown).not.toContain('/var/lib/borg');
      expect(reached.code).not.toBe(0);
      expect(reached.stderr).toContain('Operation not permitted');
      expect((await host.run('ls -A /srv/elsewhere; stat -c %F /var/lib/borg/repository/lock.roster')).stdout).toBe(
        'fifo\n',
      );
      await host.run('rm -r /var/lib/borg/repository/lock.* /srv/files/large /srv/elsewhere');
    });

    it('is no user site of any unit of the engine, and their home can be made by nobody', async () => {
      const { host } = fixture;
      for (const unit of ['backup', 'borg-init', 'backup-check', 'backup-drill', 'backup-stage@x']) {
        const { stdout } = await host.run(`systemctl show --property=Environment ${unit}.service`);
        expect(stdout, unit).toMatch(/HOME=\/nonexistent\b.*PYTHONNOUSERSITE=1/);
      }
      expect((await host.run('mkdir /nonexistent', { user: 'borg', mayFail: true })).code).not.toBe(0);
    });
  },
);
