import { expect, it } from 'vitest';
import type { Host } from '../lab/host.ts';
import { backUp, onEachRelease } from './fixture.ts';
import { settle } from './mail.ts';
import { describeTree, tree } from './tree.ts';
import { wrongUses } from './wrong-uses.ts';

/** Runs `backupctl` with these arguments. @returns whether it succeeded and what it said. */
async function backupctl(host: Host, ...args: string[]): Promise<{ ok: boolean; said: string }> {
  const { code, stdout, stderr } = await host.run(['backupctl', ...args], { mayFail: true });
  return { ok: code === 0, said: stdout + stderr };
}

const described = async (host: Host, top: string): Promise<string> => (await host.run(describeTree(top))).stdout;

/** `backupctl`, in which something else can be put in place of what runs in its unit. */
const probed = `#!/usr/bin/python3 -IB
import sys
sys.path.insert(0, "/usr/local/lib/backup")
from rootless_backup.control import program as control
from rootless_backup.restore import program
`;
const asAsked = 'sys.exit(control.act(sys.argv[1:]))\n';

/** Tries what the sandbox of a restore forbids, and prints what worked. */
const probe = `#!/usr/bin/python3
import ctypes, os, socket, sys
target = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
def tries(name, action):
    try:
        if action() is not False:
            print("can", name)
    except OSError:
        pass
def write(path):
    return lambda: open(path + "/probe", "w").close()
for place in ["/", "/etc", "/usr", "/var", "/var/tmp", "/tmp", "/home", "/home/alice", "/root", "/srv", "/backup", "/var/lib", "/var/lib/borg", "/srv/target", "/run", "/dev"]:
    tries("write " + place, write(place))
tries("write the target", write(target))
tries("read the shadow passwords", lambda: open("/etc/shadow").read())
tries("read the key of the host", lambda: open("/etc/ssh/ssh_host_ed25519_key").read())
tries("reach the network", lambda: socket.create_connection(("127.0.0.1", 22), 2).close())
tries("open a socket of the network", lambda: socket.socket(socket.AF_INET).close())
tries("see an interface of the network", lambda: [n for _, n in socket.if_nameindex()] != ["lo"])
tries("signal another process", lambda: os.kill(int(os.environ.get("FOREIGN", "1")), 0))
def connect(path):
    return lambda: socket.socket(socket.AF_UNIX).connect(path)
tries("connect to a socket of root in /run", connect("/run/root-only.sock"))
tries("connect to a socket of root elsewhere", connect("/srv/root-only.sock"))
def device(kind, major, minor):
    def action():
        os.mknod(target + "/node", 0o600 | kind, os.makedev(major, minor))
        try:
            os.close(os.open(target + "/node", os.O_RDWR))
        finally:
            os.unlink(target + "/node")
    return action
tries("open a disk", device(0o060000, 7, 0))
tries("mount", lambda: libc.mount(b"tmpfs", target.encode(), b"tmpfs", 0, None) == 0)
tries("make a namespace", lambda: libc.unshare(0x10000000) == 0)
tries("become root", lambda: os.setuid(0))
tries("give a file away", lambda: os.chown(target + "/probe", 0, 0))
print(*(line.strip() for line in open("/proc/self/status") if line.startswith(("Uid", "Cap", "NoNewPrivs"))), sep="\\n")
`;

onEachRelease(
  'backupctl restore',
  async ({ lab, host }) => {
    await host.run(tree);
    await host.run("echo 'a price' > '/srv/tree/costs $HOME and 5%'; mkdir /srv/other; echo 1 > /srv/other/kept");
    await lab.roles(['borg'], { backup_paths: ['/srv', '/etc'] });
    const { ok, log } = await backUp(host);
    expect(ok, log).toBe(true);
    await host.run('cp -a /srv/tree /root/original; echo 2 > /srv/other/kept; sleep 1');
    expect((await backUp(host)).ok).toBe(true);
  },
  (fixture) => {
    it('brings a tree back into a fresh directory, with all that belongs to it, and says where', async () => {
      const { host } = fixture;
      const { ok, said } = await backupctl(host, 'restore', '/srv/tree', '/etc/hostname');
      expect(ok, said).toBe(true);
      const into = /into (\/var\/tmp\/restored-\S+)/.exec(said)?.[1] ?? 'nowhere';
      expect((await described(host, `${into}/srv/tree`)).split('\n').length).toBeGreaterThan(60);
      expect(await described(host, `${into}/srv/tree`)).toBe(await described(host, '/srv/tree'));
      expect(await host.read(`${into}/etc/hostname`)).toBe('web\n');
      expect((await host.run(['cat', `${into}/srv/tree/costs $HOME and 5%`])).stdout).toBe('a price\n');
      expect((await host.run('find /var/lib/borg /var/cache/borg ! -user borg')).stdout).toBe('');
    });

    it.each(['/root/restored', '/tmp/restored', '/home/alice/restored'])(
      'restores into %s, if that is empty',
      async (into) => {
        const { host } = fixture;
        const { ok, said } = await backupctl(host, 'restore', '--into', into, '/srv/tree');
        expect(ok, said).toBe(true);
        expect(await described(host, `${into}/srv/tree`)).toBe(await described(host, '/srv/tree'));
        const again = await backupctl(host, 'restore', '--into', into, '/srv/tree');
        expect(again.ok).toBe(false);
        expect(again.said).toContain(`--into: ${into} is not empty. Use a directory that is empty or does not exist`);
      },
    );

    it('in place: each file is as it was, what was there is kept, and what the archive does not have stays', async () => {
      const { host } = fixture;
      const before = await described(host, '/srv/tree');
      await host.run(`cd /srv/tree; echo changed > private; chown root private; rm one sub/three; rm -r closed; chmod 777 empty; setfacl -b acl
        rm link; mkdir link; echo within > link/file; rm -r sub; echo 'a file now' > sub; echo new > new; setfattr -x user.note xattr; echo x >> sparse`);
      const { ok, said } = await backupctl(host, 'restore', '--in-place', '/srv/tree');
      expect(ok, said).toBe(true);
      const kept = /kept in (\S+)$/m.exec(said)?.[1] ?? 'nowhere';
      expect(await host.read(`${kept}/tree/private`)).toBe('changed\n');
      expect(await host.read(`${kept}/tree/link/file`)).toBe('within\n');
      expect(await host.read(`${kept}/tree/sub`)).toBe('a file now\n');
      expect((await host.run(`stat -c '%a %U' ${kept}`)).stdout).toBe('700 root\n');
      expect(await host.read('/srv/tree/new')).toBe('new\n');
      expect((await host.run('stat -c %y /srv/tree')).stdout).toBe(
        (await host.run('stat -c %y /root/original')).stdout,
      );
      await host.run(`rm -r /srv/tree/new ${kept}; touch -d "$(stat -c %y /root/original)" /srv/tree`);
      expect(await described(host, '/srv/tree')).toBe(before);
      expect((await host.run('find /srv -name ".backup-*"')).stdout).toBe('');
      const again = await backupctl(host, 'restore', '--in-place', '/srv/tree');
      expect(again.ok, again.said).toBe(true);
      // Only of what has more names it cannot be told.
      expect(Number(/: (\d+) files, \d+ were as they are/.exec(again.said)?.[1]), again.said).toBeLessThanOrEqual(3);
    });

    it('in place: a file that is gone with the directories above it, and one of an older archive', async () => {
      const { host } = fixture;
      await host.run('chown alice /srv/tree/sub; chmod 750 /srv/tree/sub');
      expect((await backUp(host)).ok).toBe(true);
      await host.run('rm -r /srv/tree/sub');
      const first = (await host.run("backup-borg list --format '{archive}{NL}' | grep files | head -1")).stdout.trim();
      const { ok, said } = await backupctl(host, 'restore', '--in-place', '/srv/tree/sub/three');
      expect(ok, said).toBe(true);
      expect((await host.run('cat /srv/tree/sub/three; stat -c "%U %a" /srv/tree/sub')).stdout).toBe(
        'one\nalice 750\n',
      );
      const older = await backupctl(host, 'restore', '--archive', first, '--in-place', '/srv/other/kept');
      expect(older.ok, older.said).toBe(true);
      expect(await host.read('/srv/other/kept')).toBe('1\n');
      expect((await host.run('cat /srv/other/.backup-kept-*/other/kept')).stdout).toBe('2\n');
    });

    it('in place: also on file systems that are mounted below, and what was there is kept on each', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir -p /srv/mounts/inner /srv/mounts/bound; mount -t tmpfs tmpfs /srv/mounts/inner; rm -rf /srv/tree/.backup-kept-*; cp -a /srv/tree/. /srv/mounts/inner; echo outer > /srv/mounts/outer; mkdir /srv/place; mount --bind /srv/place /srv/mounts/bound; echo bound > /srv/place/file',
      );
      expect((await backUp(host)).ok).toBe(true);
      const before = await described(host, '/srv/mounts/inner');
      await host.run(
        'cd /srv/mounts; for f in inner/private inner/capable outer bound/file; do echo changed > $f; done',
      );
      const { ok, said } = await backupctl(host, 'restore', '--in-place', '/srv/mounts');
      expect(ok, said).toBe(true);
      expect((await host.run('cat /srv/mounts/outer /srv/place/file')).stdout).toBe('outer\nbound\n');
      expect(
        (
          await host.run(
            "find /srv/mounts /srv/place -path '*/.backup-kept-*' -type f ! -empty -exec grep -l changed {} + | sed 's/backup-kept-[^/]*/KEPT/'",
          )
        ).stdout
          .trim()
          .split('\n')
          .sort(),
      ).toEqual([
        '/srv/mounts/.KEPT/mounts/outer',
        '/srv/mounts/bound/.KEPT/mounts/bound/file',
        '/srv/mounts/inner/.KEPT/mounts/inner/capable',
        '/srv/mounts/inner/.KEPT/mounts/inner/private',
        '/srv/place/.KEPT/mounts/bound/file',
      ]);
      await host.run('rm -r /srv/mounts/inner/.backup-kept-*; touch -d "$(stat -c %y /srv/tree)" /srv/mounts/inner');
      const after = await described(host, '/srv/mounts/inner');
      expect(after.split('\n').filter((line) => !/^\. |^\S+sub /.test(line))).toEqual(
        before.split('\n').filter((line) => !/^\. |^\S+sub /.test(line)),
      );
      await host.run('umount /srv/mounts/inner /srv/mounts/bound');
    });

    it('in place: below a mount more files with hard links than a process may have open by itself', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir -p /srv/links/inner && mount -t tmpfs tmpfs /srv/links/inner && cd /srv/links/inner && for n in {1..1100}; do echo $n > $n; ln $n $n.link; done',
      );
      expect((await backUp(host)).ok).toBe(true);
      await host.run('rm -r /srv/links/inner/*');
      const { ok, said } = await backupctl(host, 'restore', '--in-place', '/srv/links');
      expect(ok, said).toBe(true);
      expect(
        (
          await host.run(
            'find /srv/links -type f -links 2 | wc -l; cat /srv/links/inner/1100.link; umount /srv/links/inner',
          )
        ).stdout,
      ).toBe('2200\n1100\n');
    });

    it('does not write through a symbolic link that somebody put in the way', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir -p /srv/alice/deep/er; echo saved > /srv/alice/deep/er/file; chown -R alice /srv/alice; mkdir -p /srv/victim/er; echo victim > /srv/victim/er/file',
      );
      expect((await backUp(host)).ok).toBe(true);
      await host.run('mv /srv/alice/deep /srv/alice/away; ln -s /srv/victim /srv/alice/deep');
      const { ok, said } = await backupctl(host, 'restore', '--in-place', '/srv/alice');
      expect(ok, said).toBe(true);
      expect(await host.read('/srv/victim/er/file')).toBe('victim\n');
      expect((await host.run('stat -c %F /srv/alice/deep; cat /srv/alice/deep/er/file')).stdout).toBe(
        'directory\nsaved\n',
      );
      const through = await backupctl(host, 'restore', '--in-place', '/srv/alice/away/../deep');
      expect(through.ok, through.said).toBe(true);
      await host.run('ln -s /srv/victim /srv/lead');
      expect((await backupctl(host, 'restore', '--in-place', '/srv/lead/er')).said).toMatch(
        /a symbolic link is in \S+\. Use \/srv\/victim\/er/,
      );
    });

    it('in place and killed: each file is the old or the new one, and the next restore finishes it and takes away what is left', async () => {
      const { host } = fixture;
      await host.run('mkdir -p /srv/many; for n in {1..3000}; do echo new > /srv/many/$n; done');
      expect((await backUp(host)).ok).toBe(true);
      const kills = process.env['ATTACK_ROUNDS'] === undefined ? 6 : 20;
      let [mixed, killed] = [0, 0];
      // One that was over before it could be killed is tried again.
      for (let round = 0; killed < kills && round < 5 * kills; round++) {
        await host.run('rm -rf /srv/many/.backup-kept-*; for n in {1..3000}; do echo old! > /srv/many/$n; done');
        const started = host.run(['backupctl', 'restore', '--in-place', '/srv/many'], { mayFail: true });
        const { stdout } = await host.run(
          `for n in {1..2000}; do compgen -G '/srv/many/.backup-kept-*' > /dev/null && break; sleep 0.01; done; sleep 0.0${round % 6}; pkill -9 -u backup-restore -f 'backup-restore --in-unit' && echo hit`,
          { mayFail: true },
        );
        const { code, stderr } = await started;
        const whole = code === 0;
        // It fails of the kill, and of nothing else.
        if (!whole) expect(stdout, stderr).toBe('hit\n');
        if (!whole) killed++;
        const found = (await host.run('cd /srv/many; cat $(seq 1 3000) | sort | uniq -c')).stdout
          .trim()
          .split('\n')
          .map((line) => line.trim());
        expect(
          found.every((line) => /^\d+ (old!|new)$/.test(line)),
          found.join(),
        ).toBe(true);
        expect(found.reduce((sum, line) => sum + Number(line.split(' ')[0]), 0)).toBe(3000);
        if (whole) expect(found).toEqual(['3000 new']);
        if (found.length === 2) mixed++;
      }
      expect(killed).toBe(kills);
      expect(mixed).toBeGreaterThan(0);
      const { ok, said } = await backupctl(host, 'restore', '--in-place', '/srv/many');
      expect(ok, said).toBe(true);
      expect(
        (
          await host.run('cd /srv/many; cat $(seq 1 3000) | sort -u; ls -d .backup-restore-* 2> /dev/null', {
            mayFail: true,
          })
        ).stdout,
      ).toBe('new\n');
    });

    it('in place: nothing that did not come whole, and nothing is begun without room', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir /srv/whole; for n in {1..12}; do head -c 8M /dev/urandom > /srv/whole/$n; done; chown alice /srv/whole',
      );
      expect((await backUp(host)).ok).toBe(true);
      await host.run('cp -a /srv/whole /root/whole');
      const wholes =
        'for n in {1..12}; do cmp -s /root/whole/$n /srv/whole/$n || [ "$(cat /srv/whole/$n)" = live ] || echo $n; done';
      const killed = async (): Promise<{ ok: boolean; said: string }> => {
        await host.run('for n in {1..12}; do echo live > /srv/whole/$n; done; rm -rf /srv/whole/.backup-kept-*');
        // Waits before the restore begins, and kills nothing once that has ended: Borg needs less than a second for these files.
        const hit = host.run(
          'until [ -e /root/over ]; do compgen -G "/srv/whole/.backup-restore-*/srv/whole/[1-6]" > /dev/null && exec pkill -9 -u backup-restore -f "/usr/bin/borg .* extract"; sleep 0.01; done; exit 1',
          { mayFail: true },
        );
        const ended = await backupctl(host, 'restore', '--in-place', '/srv/whole');
        await host.run('touch /root/over');
        const { code } = await hit;
        await host.run('rm /root/over');
        return code === 0 ? ended : killed();
      };
      const { ok, said } = await killed();
      expect(ok).toBe(false);
      expect(said).toContain('did not come to its end');
      expect((await host.run(`${wholes}; cat /srv/whole/{1..12} | sort -u; stat -c %U /srv/whole`)).stdout).toBe(
        'live\nalice\n',
      );

      await host.run(
        'mount -t tmpfs -o size=40M,mode=755 tmpfs /srv/whole; for n in {1..12}; do echo live > /srv/whole/$n; done',
      );
      const full = await backupctl(host, 'restore', '--in-place', '/srv/whole');
      expect(full.ok).toBe(false);
      expect(full.said).toMatch(
        /100\.7 MB are needed on the file system of \/srv\/whole, and 4\d\.\d MB are free, so nothing was begun/,
      );
      expect((await host.run('cat /srv/whole/{1..12} | sort -u; ls -A /srv/whole | wc -l')).stdout).toBe('live\n12\n');
      const tried = await backupctl(host, 'restore', '--in-place', '--no-room-check', '/srv/whole');
      expect(tried.ok).toBe(false);
      expect(tried.said).toMatch(/of its 8388608 bytes came, so it was not put in place/);
      expect((await host.run(wholes)).stdout).toBe('');
      await host.run('umount /srv/whole');
      const again = await backupctl(host, 'restore', '--in-place', '/srv/whole');
      expect(again.ok, again.said).toBe(true);
      await host.run('set -e; cd /root/whole; for n in *; do cmp $n /srv/whole/$n; done; rm -r /srv/whole /root/whole');
    });

    it('in place, several times within a second: each keeps what was there in a directory of its own', async () => {
      const { host } = fixture;
      await host.run('mkdir -p /srv/often; for n in {1..1200}; do echo new > /srv/often/$n; done');
      expect((await backUp(host)).ok).toBe(true);
      await host.run('for n in {1..1200}; do echo changed > /srv/often/$n; done');
      // What another restore has kept in whatever second this one begins: each second, however long this takes.
      await host.run(
        'begun=$(date +%s); for n in {0..90}; do mkdir "/srv/often/.backup-kept-$(date -u -d @$((begun + n)) +%FT%TZ)"; done',
      );
      const { ok, said } = await backupctl(host, 'restore', '--in-place', '/srv/often');
      expect(ok, said).toBe(true);
      expect(
        (await host.run('cat /srv/often/{1..1200} | sort -u; cat /srv/often/.backup-kept-*Z-2/often/* | sort -u'))
          .stdout,
      ).toBe('new\nchanged\n');
    });

    it('in place: several files of one directory, and one at a time for each directory', async () => {
      const { host } = fixture;
      await host.run('mkdir -p /srv/several; for n in 1 2 3 4; do echo $n > /srv/several/$n; done');
      expect((await backUp(host)).ok).toBe(true);
      await host.run('for n in 1 2 3; do echo changed > /srv/several/$n; done');
      const { ok, said } = await backupctl(host, 'restore', '--in-place', ...[1, 2, 3].map((n) => `/srv/several/${n}`));
      expect(ok, said).toBe(true);
      expect((await host.run('cat /srv/several/{1,2,3}; cat /srv/several/.backup-kept-*/several/{1,2,3}')).stdout).toBe(
        '1\n2\n3\nchanged\nchanged\nchanged\n',
      );
      await host.run(`systemd-run --quiet --unit=other backupctl restore --in-place /srv/several; until mountpoint --quiet /run/backup-restore/*/0; do sleep 0.01; done
        systemctl kill --signal=STOP other`);
      const second = await backupctl(host, 'restore', '--in-place', '/srv/several');
      expect(second.ok).toBe(false);
      expect(second.said).toContain('another restore into /srv/several is at work');
      await host.run('systemctl kill --signal=CONT other; while systemctl is-active --quiet other; do sleep 0.1; done');
      // Who may only read the directory keeps nobody out of it.
      await host.run(
        'systemd-run --quiet --unit=reader --uid=bob flock --shared /srv/several sleep infinity; until pgrep -x sleep > /dev/null; do sleep 0.1; done',
      );
      const third = await backupctl(host, 'restore', '--in-place', '/srv/several');
      expect(third.ok, third.said).toBe(true);
      await host.run('systemctl stop reader');
    });

    it('gives a file no ACL that it did not have, whatever the directory gives to what is made in it', async () => {
      const { host } = fixture;
      await host.run(
        'mkdir -p /srv/shared/sub; echo secret > /srv/shared/sub/secret; echo secret > /srv/shared/secret; chown -R alice:alice /srv/shared; chmod 660 /srv/shared/secret /srv/shared/sub/secret; chmod 750 /srv/shared /srv/shared/sub',
      );
      expect((await backUp(host)).ok).toBe(true);
      const acls = 'cd "$0"; getfacl --omit-header -R sub secret';
      const before = (await host.run(['bash', '-c', acls, '/srv/shared'])).stdout;
      await host.run(
        'rm -r /srv/shared/*; setfacl -d -m u:bob:rwx /srv/shared; mkdir /srv/into; setfacl -d -m u:bob:rwx /srv/into',
      );
      for (const [options, top] of [
        [['--in-place', '/srv/shared/sub', '/srv/shared/secret'], '/srv/shared'],
        [['--into', '/srv/into', '/srv/shared'], '/srv/into/srv/shared'],
      ] as const) {
        const { ok, said } = await backupctl(host, 'restore', ...options);
        expect(ok, said).toBe(true);
        expect((await host.run(['bash', '-c', acls, top])).stdout).toBe(before);
        expect((await host.run(['cat', `${top}/secret`], { user: 'bob', mayFail: true })).code).not.toBe(0);
      }
      expect((await host.run('getfacl --omit-header --default /srv/into')).stdout).toContain('user:bob:rwx');
    });

    it('that is interrupted ends with its unit, says so, and fails', async () => {
      const { host } = fixture;
      await host.run('mkdir -p /srv/large && head -c 200M /dev/urandom > /srv/large/random');
      expect((await backUp(host)).ok).toBe(true);
      const running = host.run('timeout --signal=INT --kill-after=60 1 backupctl restore --into /srv/cut /srv/large', {
        mayFail: true,
      });
      const { code, stderr } = await running;
      expect(code).not.toBe(0);
      expect(stderr).toContain('backupctl restore: interrupted');
      expect(stderr).not.toContain('Traceback');
      expect(
        (
          await host.run(
            'systemctl list-units --no-legend --state=active,activating "backup-restore-*"; pgrep -u borg,backup-restore -a',
            { mayFail: true },
          )
        ).stdout,
      ).toBe('');
      await host.run('rm -r /srv/large /srv/cut');
      expect((await backUp(host)).ok).toBe(true);
    });

    it("restores nothing into what is Borg's own", async () => {
      for (const into of ['/var/lib/borg/repository/new', '/var/cache/borg/new']) {
        const { ok, said } = await backupctl(fixture.host, 'restore', '--into', into, '/srv/other');
        expect(ok).toBe(false);
        expect(said).toContain("is Borg's own. Restore into another directory");
      }
    });

    it('says what could not be restored, and fails', async () => {
      const { host } = fixture;
      const absent = await backupctl(host, 'restore', '/srv/other', '/srv/nosuch');
      expect(absent.ok).toBe(false);
      expect(absent.said).toContain('holds no /srv/nosuch; see backupctl find');
      expect(absent.said).toContain('NOT all was restored');
      await host.run('mkdir /srv/full; mount -t tmpfs -o size=64k tmpfs /srv/full');
      const full = await backupctl(host, 'restore', '--into', '/srv/full', '/etc');
      expect(full.ok).toBe(false);
      expect(full.said).toMatch(/No space left on device/);
      await host.run('umount /srv/full; mkdir /srv/plain; mount -t ramfs ramfs /srv/plain');
      const plain = await backupctl(host, 'restore', '--into', '/srv/plain', '/srv/tree/acl', '/srv/tree/private');
      expect(plain.ok).toBe(false);
      expect(plain.said).toContain('cannot hold ACLs, which do not come back');
      expect(await host.read('/srv/plain/srv/tree/private')).toBe('only alice\n');
      await host.run('umount /srv/plain');
      for (const [given, want] of [
        [['restore', 'etc'], /PATH: etc is not allowed. Use absolute paths other than \//],
        [['restore', '--archive', 'nosuch', '/etc'], /there is no archive nosuch; see backupctl list/],
        [['restore', '--repository', '2', '/etc'], /there is no repository 2; there are 1 \(/],
        [['restore', '--in-place', '/nosuch/file'], /make the directory first/],
      ] as const) {
        const { ok, said } = await backupctl(host, ...given);
        expect(ok).toBe(false);
        expect(said).toMatch(want);
      }
    });

    it('says what is wrong with a command, and what to do, with the exit code that is documented for it', async () => {
      const { host } = fixture;
      expect(wrongUses.length).toBeGreaterThan(60);
      const wrong: unknown[] = [];
      for (const { words, code, says, user } of wrongUses) {
        const found = await host.run(['backupctl', ...words], {
          mayFail: true,
          ...(user === undefined ? {} : { user }),
        });
        const said = found.stdout + found.stderr;
        if (!said.includes(says) || found.code !== code || /Traceback|\u001b/.test(said))
          wrong.push([words.join(' '), found.code, said, { code, says }]);
      }
      // All of them at once, for who mends them.
      expect(wrong).toEqual([]);
    });

    it('answers what it is, and is quiet where nobody reads on', async () => {
      const { host } = fixture;
      const { stdout } = await host.run(
        'backupctl --version; backupctl restore --help | head -1; backupctl list | head -1',
      );
      expect(stdout).toMatch(/^backupctl \d+\.\d+\.\d+\nusage: backupctl restore .*\nweb-\S+\n$/);
      const colours = `python3 -c 'import pty; pty.spawn(["backupctl", "status"])'`;
      expect((await host.run(`TERM=xterm ${colours}`, { mayFail: true })).stdout).toContain('\u001b[');
      expect((await host.run(`TERM=xterm NO_COLOR=1 ${colours}`, { mayFail: true })).stdout).not.toContain('\u001b[');
    });

    it('completes its commands and options in a shell, and has a man page', async () => {
      const { host } = fixture;
      const complete = (...words: string[]): Promise<string> =>
        host
          .run([
            'bash',
            '-c',
            '. /usr/share/bash-completion/completions/backupctl; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _shtab_backupctl; echo "${COMPREPLY[@]}"',
            'bash',
            'backupctl',
            ...words,
          ])
          .then(({ stdout }) => stdout.trim());
      expect(await complete('re')).toBe(
        'restore restore-db restore-accounts restore-packages restore-services remove-kept restored',
      );
      expect(await complete('restore', '--in')).toBe('--into --in-place');
      expect(await complete('diff', 'la')).toBe('latest latest-dumps');
      for (const place of [
        'zsh/vendor-completions/_backupctl',
        'fish/vendor_completions.d/backupctl.fish',
        '../local/share/man/man8/backupctl.8',
      ])
        expect(await host.read(`/usr/share/${place}`)).toMatch(/restore[\\]*-db/);
    });

    it('that is stopped while it follows a run says that the backup goes on, and it does', async () => {
      const { host } = fixture;
      const dropIn = '/etc/systemd/system/backup.service.d/slow.conf';
      await host.run(`printf '[Service]\\nExecStartPre=/bin/sleep 3\\n' > ${dropIn}; systemctl daemon-reload`);
      const stopped = `import signal, subprocess, sys, time
process = subprocess.Popen(["backupctl", "run"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
while subprocess.run(["systemctl", "is-active", "backup.service"], stdout=subprocess.PIPE, text=True).stdout != "activating\\n":
    time.sleep(0.1)
process.send_signal(signal.SIGINT)
print(process.communicate()[1], process.returncode)
`;
      const { stdout } = await host.run('python3 -', { input: stopped });
      expect(stdout).toMatch(/^\nbackupctl run: interrupted, but backup\.service goes on: .*\n 130\n$/);
      await settle(host);
      expect(
        (await host.run(`rm ${dropIn}; systemctl daemon-reload; systemctl is-failed backup.service`, { mayFail: true }))
          .stdout,
      ).toBe('inactive\n');
      expect((await host.run('pgrep -a journalctl', { mayFail: true })).stdout).toBe('');
    });

    it('tells what the last run said', async () => {
      const { host } = fixture;
      await settle(host);
      const { ok, said } = await backupctl(host, 'log');
      expect(ok, said).toBe(true);
      expect(said.match(/ systemd\[1\]: Starting backup\.service/g), said).toHaveLength(1);
      expect(said.match(/ systemd\[1\]: Finished backup\.service/g), said).toHaveLength(1);
    });

    it('finds and shows what is in the archives', async () => {
      const { host } = fixture;
      await host.run('echo 22 > /srv/other/kept; echo new > /srv/other/new; chmod 750 /srv/other');
      await host.run('mkdir -p /srv/many; touch /srv/many/{1..3000}');
      expect((await backUp(host)).ok).toBe(true);
      const versions = await backupctl(host, 'find', 'kept');
      expect(versions.ok, versions.said).toBe(true);
      expect(versions.said.match(/^web-files-\S+ +-rw\S+ root +root +[23] \S+ \/srv\/other\/kept$/gm)?.length).toBe(2);
      expect(
        (await backupctl(host, 'find', '/srv/tree/o*')).said
          .trim()
          .split('\n')
          .map((line) => line.split(' /')[1])
          .sort(),
      ).toEqual(['srv/tree/old', 'srv/tree/one']);
      expect(await backupctl(host, 'find', 'nosuch')).toEqual({
        ok: false,
        said: 'backupctl find: nothing in the archives matches nosuch\n',
      });
      expect(
        new Set(
          (await backupctl(host, 'find', 'tree')).said
            .trim()
            .split('\n')
            .map((line) => line.split(' /')[1]),
        ),
      ).toEqual(new Set(['srv/tree']));
      const shown = await backupctl(host, 'show', 'latest', '/srv/tree');
      expect(shown.ok, shown.said).toBe(true);
      expect(shown.said).toMatch(/^-rw------- alice +bob +11 \S+ \/srv\/tree\/private$/m);
      expect(shown.said).toMatch(/^l\S+ .* \/srv\/tree\/link -> private$/m);
      expect(shown.said).not.toContain('closed/within');
      // More than a pipe holds.
      expect(
        (await host.run("timeout 60 backupctl show latest /srv/many | grep -c '/srv/many/[0-9]*$'", { mayFail: true }))
          .stdout,
      ).toBe('3000\n');
      expect((await backupctl(host, 'show', 'latest', '/nosuch')).said).toMatch(
        /holds no \/nosuch; see backupctl find/,
      );
      const first = (await host.run("backup-borg list --format '{archive}{NL}' | grep files | head -1")).stdout.trim();
      const changes = await backupctl(host, 'diff', first, 'latest', '/srv/other');
      expect(changes.said).toBe(
        [
          'same contents                        /srv/other  (drwxr-xr-x -> drwxr-x---)',
          'changed             +3 B       -2 B  /srv/other/kept',
          'added               +4 B             /srv/other/new\n',
        ].join('\n'),
      );
      expect(changes.ok).toBe(true);
      expect((await backupctl(host, 'diff', 'latest', first, '/srv/other/new')).said).toBe(
        'removed                        -4 B  /srv/other/new\n',
      );
      expect((await backupctl(host, 'diff', 'latest', 'latest')).said).toMatch(/\/ is the same in web-files-\S+ and/);
    });

    it('runs as a user of its own with the capabilities of restoring and nothing else, and writes nowhere but in its target', async () => {
      const { host } = fixture;
      await host.write('/usr/local/bin/probe', probe, '0755');
      // The very unit that a restore runs in, with the probe in place of the program.
      await host.run('mkdir /srv/target; cp /usr/local/bin/probe /usr/local/lib/backup/probe');
      await host.write(
        '/usr/local/bin/probed',
        `${probed}program.inside = lambda asked: ["/usr/local/bin/probe", asked.places[0]]\n${asAsked}`,
        '0755',
      );
      const foreign = (await host.run('pgrep --oldest sshd')).stdout.trim();
      await host.run(`systemd-run --quiet --unit=sockets python3 -c 'import os, socket, time
os.umask(0o077)
kept = [socket.socket(socket.AF_UNIX) for _ in range(2)]
for one, path in zip(kept, ("/run/root-only.sock", "/srv/root-only.sock")): one.bind(path); one.listen()
time.sleep(60)'; until [ -S /srv/root-only.sock ]; do sleep 0.1; done`);
      const sandbox = JSON.parse(await host.read('/usr/local/lib/backup/sandboxes.json')) as {
        restore: { local: string[] };
      };
      expect(sandbox.restore.local.filter((line) => /^Device(Policy|Allow)=/.test(line))).toEqual([
        'DevicePolicy=closed',
        'DeviceAllow=block-* m',
        'DeviceAllow=char-* m',
      ]);
      const { stdout } = await host.run(`FOREIGN=${foreign} /usr/local/bin/probed restore --into /srv/target /etc`);
      const uid = (await host.run('id --user backup-restore')).stdout.trim();
      expect(stdout).toMatch(new RegExp(`Uid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}`));
      // chown, dac_override, fowner, fsetid, mknod, setfcap.
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
        expect(stdout).toContain(`${set}:\t000000008800001b`);
      expect(stdout).toContain('NoNewPrivs:\t1');
      // The kernel holds to DevicePolicy= where cgroups are of the new hierarchy; of the old one nothing is claimed.
      const enforced = (await host.run('stat -f -c %T /sys/fs/cgroup')).stdout.trim() === 'cgroup2fs';
      if (!enforced) console.log('DevicePolicy= is not enforced here: cgroup v1');
      expect(
        [...stdout.matchAll(/^can (.*)$/gm)]
          .map(([, what]) => what)
          .filter((what) => enforced || what !== 'open a disk'),
      ).toEqual([
        'write /var/tmp',
        'write /tmp',
        'write the target',
        'read the shadow passwords',
        'read the key of the host',
        'give a file away',
      ]);
      // Its own /tmp, that is.
      expect((await host.run('ls /tmp/probe /var/tmp/probe', { mayFail: true })).stdout).toBe('');
      await host.run('rm -r /srv/target/probe');
      // Also where the target is one of the places that the sandbox treats in a way of its own.
      const home = (await host.run(`FOREIGN=${foreign} /usr/local/bin/probed restore --in-place /home`)).stdout;
      expect([...home.matchAll(/^can (write .*)$/gm)].map(([, what]) => what)).toEqual([
        'write /var/tmp',
        'write /tmp',
        'write the target',
      ]);
      await host.run('rm /home/probe');
    });

    it('has an exposure level of at most 2.2', async () => {
      const { host } = fixture;
      await host.write(
        '/usr/local/bin/exposed',
        `${probed}program.inside = lambda asked: ["/usr/bin/sleep", "30"]\nprogram.systemd.transient_name = lambda action: "exposed"\n${asAsked}`,
        '0755',
      );
      const running = host.run('/usr/local/bin/exposed restore --into /srv/target /etc', { mayFail: true });
      await expect
        .poll(async () => (await host.run('systemctl is-active exposed', { mayFail: true })).stdout.trim(), {
          timeout: 10_000,
        })
        .toBe('active');
      const { stdout } = await host.run(
        'systemd-analyze security --no-pager exposed.service | tail -1; systemctl stop exposed',
      );
      await running;
      expect(
        Number(
          /exposure level for \S+ ([\d.]+)/.exec(stdout.replace('→ Overall ', ''))?.[1] ??
            /: ([\d.]+)/.exec(stdout)?.[1],
        ),
        stdout,
      ).toBeLessThanOrEqual(2.2);
    });

    it('looks into each repository, takes one by its number or place, and one that is down hides no other', async () => {
      const { host, lab } = fixture;
      const places = ['/var/lib/borg/repository', '/var/lib/borg/second'] as const;
      await lab.roles(['borg'], { backup_paths: ['/srv/other'], borg_repositories: [...places] });
      expect((await backUp(host)).ok).toBe(true);
      const list = await backupctl(host, 'list');
      expect(list.ok, list.said).toBe(true);
      const [, first = '', second = ''] = list.said.split(/^\/var\/lib\/borg\/\w+:$/m);
      expect(first).toMatch(/^web-files-/m);
      expect(second.match(/^web-files-/gm)).toHaveLength(1);
      for (const name of ['2', places[1], `${places[1]}/`])
        expect((await backupctl(host, 'list', '--repository', name)).said.trim()).toBe(second.trim());
      const newest = /web-files-\S+/.exec(second)?.[0] ?? '';
      expect(
        (await backupctl(host, 'find', '--archive', newest, 'kept')).said.match(/ \/srv\/other\/kept$/gm),
      ).toHaveLength(2);
      const older = /web-files-\S+/.exec(first)?.[0] ?? '';
      expect((await backupctl(host, 'list', older)).ok).toBe(true);
      const restored = await backupctl(
        host,
        'restore',
        '--repository',
        places[1],
        '--into',
        '/srv/again',
        '/srv/other/kept',
      );
      expect(restored.ok, restored.said).toBe(true);
      await host.run(`mv ${places[0]} /var/lib/borg/away`);
      const down = await backupctl(host, 'list');
      expect(down.ok).toBe(false);
      expect(down.said).toContain(newest);
      expect(down.said).toMatch(/\/var\/lib\/borg\/repository.*(?:does not exist|cannot be listed)/i);
      const found = await backupctl(host, 'find', 'kept');
      expect(found.ok, found.said).toBe(true);
      await host.run(`mv /var/lib/borg/away ${places[0]}`);
    });
  },
);
