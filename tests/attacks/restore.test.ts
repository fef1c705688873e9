import { expect, it } from 'vitest';
import { backUp, newest, onEachRelease } from '../host/fixture.ts';
import type { Host } from '../lab/host.ts';

/** How often a race is tried. */
const rounds = Number(process.env['ATTACK_ROUNDS'] ?? 3);

async function said(host: Host, ...args: string[]): Promise<{ ok: boolean; said: string }> {
  const { code, stdout, stderr } = await host.run(args, { mayFail: true });
  return { ok: code === 0, said: stdout + stderr };
}

/** What a user does while root restores into a directory of hers. */
const racer = `import ctypes, glob, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def exchange(one, other):
    return libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)
def running(*words):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file: line = file.read().split(b"\\0")
        except OSError: continue
        if all(word in line for word in words): return True
def wait_for(*words):
    while not running(*words): pass
what = sys.argv[1]
if what == "link":
    # The directory and the link take turns until systemd-run begins, then it is the link.
    one, other = sys.argv[2:4]
    inotify = libc.inotify_init1(os.O_NONBLOCK)
    libc.inotify_add_watch(inotify, b"/usr/bin/systemd-run", 0x20)
    print("ready", flush=True)
    count = 0
    while True:
        exchange(one, other)
        count += 1
        if count % 64 == 0:
            try:
                os.read(inotify, 4096)
                break
            except BlockingIOError: pass
            if os.path.exists("/tmp/over"): break
    if not os.path.islink(one): exchange(one, other)
elif what == "staging":
    # When Borg is at work, the staging directory is exchanged for something else.
    top, other = sys.argv[2:4]
    print("ready", flush=True)
    wait_for(b"/usr/bin/borg", b"extract", b"--sparse")
    names = [name for name in os.listdir(top) if name.startswith(".backup-restore-")]
    print("exchanged", exchange(os.path.join(top, names[0]), other), flush=True)
elif what == "plant":
    print("ready", flush=True)
    wait_for(b"/usr/bin/borg", b"extract", b"--sparse")
    try:
        os.symlink("/var/lib/borg", os.path.join(sys.argv[2], "planted"))
        print("planted", flush=True)
    except OSError as error:
        print("refused", error.errno, flush=True)
`;

/** Starts the racer as alice. @returns when it is ready. */
async function race(host: Host, ...args: string[]): Promise<void> {
  await host.run('systemctl stop racer; rm -f /tmp/over', { mayFail: true });
  await host.run(
    `systemd-run --quiet --collect --unit=racer --uid=alice --property=StandardOutput=truncate:/tmp/raced python3 /usr/local/share/racer.py ${args.join(' ')}; until grep -q ready /tmp/raced; do sleep 0.02; done`,
  );
}

/** Waits for the end of the racer. @returns what it said. */
const raced = async (host: Host): Promise<string> =>
  (await host.run('touch /tmp/over; while systemctl -q is-active racer; do sleep 0.05; done; cat /tmp/raced')).stdout;

/** What restores below a directory. */
const programs = ['backupctl', 'backup-borg'];

/** The command that restores one of alice's directories below another one. `--sparse` is how the racer knows the Borg of a restore. */
async function into(host: Host, program: string, directory: string, what: string): Promise<string[]> {
  return program === 'backupctl'
    ? ['backupctl', 'restore', '--into', directory, `/home/alice/${what}`]
    : [
        'backup-borg',
        '--into',
        directory,
        'extract',
        '--sparse',
        `::${await newest(host, 'files')}`,
        `home/alice/${what}`,
      ];
}

const attachedNow = async (host: Host): Promise<string> =>
  (await host.run('grep backup-restore/ /proc/self/mountinfo; ls /run/backup-restore 2> /dev/null', { mayFail: true }))
    .stdout;

onEachRelease(
  'who owns a directory that is restored into',
  async ({ lab, host }) => {
    await host.write('/usr/local/share/racer.py', racer, '0644');
    await host.run(`id alice > /dev/null 2>&1 || useradd --create-home alice; mkdir -p /home/alice; chown alice: /home/alice; chmod 755 /home/alice
      cd /home/alice; mkdir -p x/bin root tree/d into big e/d
      echo 'hers' > x/bin/tool; echo 'her own' > root/secret; echo hers > tree/d/file; echo hers > e/d/file; head -c 60M /dev/urandom > big/random
      cp /bin/true tree/raised; printf hers > "tree/$(printf 'esc\\033[2Japed')"
      chown -R alice: .; chmod 4755 tree/raised; mkdir -m 755 /root/open 2> /dev/null; chmod 700 /root; echo "root's own" > /root/secret; chmod 644 /root/secret`);
    await lab.roles(['borg'], { backup_paths: ['/home/alice'], borg_compression: 'none' });
    const { ok, log } = await backUp(host);
    expect(ok, log).toBe(true);
  },
  (fixture) => {
    it('cannot lead a restore in place out of it by exchanging a directory above for a link', async () => {
      const { host } = fixture;
      for (let round = 0; round < rounds; round++) {
        await host.run(
          'cd /home/alice; rm -rf lead x/bin/.backup-kept-*; [ -d x ] && [ ! -L x ] || exit 1; echo changed > x/bin/tool; chown alice x/bin/tool; ln -s /usr/local lead; chown -h alice lead',
        );
        await race(host, 'link', '/home/alice/x', '/home/alice/lead');
        // One that met the link too early was refused; she goes on until one is started.
        await host.run(
          'for try in {1..10}; do backupctl restore --in-place /home/alice/x/bin/tool; systemctl -q is-active racer || break; done',
          { mayFail: true },
        );
        await raced(host);
        await host.run('cd /home/alice; if [ -L x ]; then mv -T x other; mv -T lead x; mv -T other lead; fi');
        expect(
          (
            await host.run('ls -A /usr/local/bin /usr/local/.backup* | grep -e "^tool$" -e backup-kept', {
              mayFail: true,
            })
          ).stdout,
        ).toBe('');
      }
      const { ok, said: text } = await said(host, 'backupctl', 'restore', '--in-place', '/home/alice/x/bin/tool');
      expect(ok, text).toBe(true);
      expect(await host.read('/home/alice/x/bin/tool')).toBe('hers\n');
    });

    it('cannot have files of others copied to her by exchanging the staging directory for a link', async () => {
      const { host } = fixture;
      for (let round = 0; round < rounds; round++) {
        await host.run(
          'cd /home/alice; rm -rf root/fake root/.backup-* root/secret; mkdir -p root/fake/home; ln -s / root/fake/home/alice; chown -R -h alice root',
        );
        await race(host, 'staging', '/home/alice/root', '/home/alice/root/fake');
        const { said: text } = await said(host, 'backupctl', 'restore', '--in-place', '/home/alice/root/secret');
        expect(await raced(host)).toContain('exchanged 0');
        expect((await host.run('cat /home/alice/root/secret', { mayFail: true })).stdout, text).toBe('her own\n');
      }
    });

    it('cannot have a directory of root deleted by giving it the name of the staging directory', async () => {
      const { host } = fixture;
      for (let round = 0; round < rounds; round++) {
        await host.run(
          'cd /home/alice/root; rm -rf .backup-* fake of-root; mkdir -m 700 of-root; echo valuable > of-root/file',
        );
        await race(host, 'staging', '/home/alice/root', '/home/alice/root/of-root');
        await said(host, 'backupctl', 'restore', '--in-place', '/home/alice/root/secret');
        expect(await raced(host)).toContain('exchanged 0');
        expect(
          (await host.run('cat /home/alice/root/*/file /home/alice/root/.*/file', { mayFail: true })).stdout,
        ).toContain('valuable');
      }
    });

    it('cannot have a directory of borg deleted by giving it the name of a staging directory', async () => {
      const { host } = fixture;
      await host.run(
        'cd /home/alice/root; rm -rf .backup-* of-root; mkdir -m 700 of-borg; echo archives > of-borg/data; chown -R borg of-borg',
      );
      await host.run('mv /home/alice/root/of-borg /home/alice/root/.backup-restore-x', { user: 'alice' });
      await said(host, 'backupctl', 'restore', '--in-place', '/home/alice/root/secret');
      expect((await host.run('cat /home/alice/root/.backup-restore-x/data', { mayFail: true })).stdout).toBe(
        'archives\n',
      );
      await host.run('rm -r /home/alice/root/.backup-restore-x');
    });

    it('cannot have a directory of root made hers by giving it the name of one of hers', async () => {
      const { host } = fixture;
      await host.run('cd /home/alice/e; mkdir -m 700 of-root; echo readable > of-root/note');
      await host.run('rm -r /home/alice/e/d; mv /home/alice/e/of-root /home/alice/e/d', { user: 'alice' });
      const { said: text } = await said(host, 'backupctl', 'restore', '--in-place', '/home/alice/e');
      expect(
        (
          await host.run('cat /home/alice/e/d/note /home/alice/e/.backup-kept-*/e/d/note', {
            user: 'alice',
            mayFail: true,
          })
        ).stdout,
        text,
      ).toBe('');
      expect(await host.read('/home/alice/e/d/file')).toBe('hers\n');
      // Nothing is lost of it.
      expect((await host.run('cat /home/alice/e/.backup-kept-*/e/d/note', { mayFail: true })).stdout).toBe(
        'readable\n',
      );
    });

    it.each(programs)('cannot lead `%s --into` out of her directory by a link', async (program) => {
      const { host } = fixture;
      await host.run('ln -sfn /usr/local/lib /home/alice/elsewhere; chown -h alice /home/alice/elsewhere');
      const { ok, said: text } = await said(host, ...(await into(host, program, '/home/alice/elsewhere/new', 'tree')));
      expect(ok, text).toBe(false);
      expect(text).toContain('Use /usr/local/lib/new');
      expect((await host.run('ls -d /usr/local/lib/new', { mayFail: true })).stdout).toBe('');
    });

    it.each(programs)(
      'cannot lead `%s --into` out of it by exchanging a directory above for a link',
      async (program) => {
        const { host } = fixture;
        const command = (await into(host, program, '/home/alice/y/into', 'tree')).join(' ');
        for (let round = 0; round < rounds; round++) {
          await host.run('cd /home/alice; rm -rf lead y; mkdir y; ln -s /usr/local lead; chown -h alice lead y');
          await race(host, 'link', '/home/alice/y', '/home/alice/lead');
          await host.run(`for try in {1..10}; do ${command}; systemctl -q is-active racer || break; done`, {
            mayFail: true,
          });
          await raced(host);
          expect((await host.run('ls -d /usr/local/into', { mayFail: true })).stdout).toBe('');
        }
      },
    );

    it.each(programs)(
      'cannot put anything into a directory of hers while `%s` restores into it, and has it back after',
      async (program) => {
        const { host } = fixture;
        const command = await into(host, program, '/home/alice/into', 'big');
        for (let round = 0; round < rounds; round++) {
          await host.run('rm -rf /home/alice/into; mkdir -m 750 /home/alice/into; chown alice: /home/alice/into');
          await race(host, 'plant', '/home/alice/into');
          const { ok, said: text } = await said(host, ...command);
          expect(ok, text).toBe(true);
          expect(await raced(host)).toMatch(/refused 13/);
          expect(
            (
              await host.run(
                'stat -c "%U %a" /home/alice/into; cmp /home/alice/big/random /home/alice/into/home/alice/big/random',
              )
            ).stdout,
          ).toBe('alice 750\n');
        }
      },
    );

    it('is restored to with programs that have a set-user-id bit, and root is told each; a name moves no terminal', async () => {
      const { host } = fixture;
      await host.run('rm -rf /home/alice/tree/raised /home/alice/tree/esc*');
      for (const where of [['--in-place'], ['--into', '/srv/told']]) {
        const { ok, said: text } = await said(host, 'backupctl', 'restore', ...where, '/home/alice/tree');
        expect(ok, text).toBe(true);
        expect(text).toMatch(/\/home\/alice\/tree\/raised came back with its set-user-id/);
      }
      for (const args of [
        ['find', 'esc*'],
        ['show', 'latest', '/home/alice/tree'],
        ['restore', '--in-place', '/home/alice/tree/\u001b[2Jx'],
        ['restore', '--into', '/srv/esc', '/home/alice/tree/\u001b[2Jx'],
      ]) {
        const { said: text } = await said(host, 'backupctl', ...args);
        expect(text).not.toContain('\u001b');
        expect(text).toContain('\\x1b[2J');
      }
    });

    it('has nothing left attached, whatever of a restore is killed', async () => {
      const { host } = fixture;
      for (const victims of ['backupctl', 'unit', 'both']) {
        await host.run(
          'rm -rf /srv/killed; systemd-run --quiet --collect --unit=killed backupctl restore --into /srv/killed /home/alice/big; until pgrep -u backup-restore -f "extract --sparse" > /dev/null; do sleep 0.02; done',
        );
        expect(await attachedNow(host)).not.toBe('');
        if (victims !== 'unit') await host.run('systemctl kill --signal=KILL killed.service', { mayFail: true });
        if (victims !== 'backupctl')
          await host.run('systemctl kill --signal=KILL "backup-restore-*.service"', { mayFail: true });
        await host.run(
          'while systemctl list-units --no-legend "backup-restore-*" | grep -q .; do sleep 0.1; done; while systemctl -q is-active killed; do sleep 0.1; done',
        );
        expect((await host.run('grep backup-restore/ /proc/self/mountinfo', { mayFail: true })).stdout, victims).toBe(
          '',
        );
      }
      // The next one takes away the rest, also what is attached for a unit that never began; and nothing that is in it.
      await host.run(
        'mkdir -m 700 -p /run/backup-restore/backup-restore-1-1/0 /srv/stays; echo 1 > /srv/stays/file; mount --bind /srv/stays /run/backup-restore/backup-restore-1-1/0',
      );
      const { ok, said: text } = await said(host, 'backupctl', 'restore', '/home/alice/tree');
      expect(ok, text).toBe(true);
      expect(await attachedNow(host)).toBe('');
      expect(await host.read('/srv/stays/file')).toBe('1\n');
    });
  },
);
