import { expect, it } from 'vitest';
import { backUp, onEachRelease, start } from '../host/fixture.ts';
import { tree } from '../host/tree.ts';

/** What a file is, a line each: its owner by name, its links by their first name, its holes by what lies between them. */
const describeAll = `
import hashlib, json, os, pwd, grp, stat, subprocess, sys
top, first, lines = os.fsencode(sys.argv[1]), {}, []
def name(get, number):
    try: return get(number)[0]
    except KeyError: return number
def content(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20): found.update(part)
    return found.hexdigest()
def describe(path):
    s, said = os.lstat(path), os.path.relpath(path, top)
    line = [repr(said), stat.filemode(s.st_mode), name(pwd.getpwuid, s.st_uid), name(grp.getgrgid, s.st_gid), s.st_mtime_ns]
    attributes = os.listxattr(path, follow_symlinks=False)
    # An ACL has numbers, which are others there.
    line += sorted((a, os.getxattr(path, a, follow_symlinks=False).hex()) for a in attributes if not a.startswith(("trusted.", "system.posix_acl")))
    if any(a.startswith("system.posix_acl") for a in attributes):
        line.append(subprocess.run(["getfacl", "--omit-header", "--absolute-names", "--", path], capture_output=True, check=True).stdout.decode())
    if stat.S_ISLNK(s.st_mode): line.append(repr(os.readlink(path)))
    if stat.S_ISBLK(s.st_mode) or stat.S_ISCHR(s.st_mode): line.append(s.st_rdev)
    if stat.S_ISREG(s.st_mode):
        line += [s.st_size, content(path), repr(first.setdefault((s.st_dev, s.st_ino), said)), s.st_blocks * 512 < s.st_size - 1048576]
    return json.dumps(line)
for directory, dirs, files in os.walk(top):
    dirs.sort()
    links = [d for d in dirs if os.path.islink(os.path.join(directory, d))]
    if directory == os.path.join(top, b"chroot"): dirs.clear()
    lines += [describe(directory), *(describe(os.path.join(directory, each)) for each in sorted(files + links))]
print("\\n".join(sorted(lines)))
`;

/** Everything at once that is odd about a machine: how its disks are mounted, what is in its files, who holds them. */
onEachRelease(
  'a machine where everything is odd',
  async ({ lab, host }) => {
    await host.run(tree);
    await host.run(`set -e
      useradd --system --uid 977 daemon77; install -d -o daemon77 -m 0700 /srv/daemon; echo state > /srv/daemon/state; chown daemon77: /srv/daemon/state
      mkdir -p /srv/home/alice /srv/disk && cp -a /home/. /srv/home/ && mount --bind /srv/home /home
      mount -t tmpfs disk /srv/disk && echo disk > /srv/disk/file
      mkdir -p /srv/chroot/proc && mount -t proc proc /srv/chroot/proc
      mkdir /srv/layers && mount -t tmpfs layers /srv/layers && (cd /srv/layers && mkdir lower upper work merged && mount -t overlay -o lowerdir=lower,upperdir=/srv/layers/upper,workdir=work overlay merged && echo layer > merged/file)
      mkdir -p /srv/auto /var/disk && echo here > /var/disk/file
      mkdir -p /srv/deep && cd /srv/deep && for n in {1..600}; do mkdir d && cd d; done && echo end > end
      mkdir /srv/many && cd /srv/many && seq 20000 | xargs touch
      mknod /srv/null c 1 3; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/srv/socket")'
      truncate -s 2G /srv/holes; echo far | dd of=/srv/holes bs=1 seek=1G conv=notrunc status=none
      mkdir -p /var/dumps && touch -d '2099-01-01 UTC' /srv/future && touch -d '1901-12-14 UTC' /srv/past && touch -d '2037-12-31 UTC' /srv/soon
      mknod /dev/autofs c 10 235 && systemctl daemon-reexec`);
    await host.write(
      '/run/systemd/system/srv-auto.mount',
      '[Mount]\nWhat=/var/disk\nWhere=/srv/auto\nType=none\nOptions=bind\n',
    );
    await host.write('/run/systemd/system/srv-auto.automount', '[Automount]\nWhere=/srv/auto\nTimeoutIdleSec=2\n');
    await host.run('systemctl start srv-auto.automount');
    await lab.roles(['borg', 'postgres'], settings);
    await host.run('cp -a /backup/. /var/dumps/ && rm -r /backup && ln -s /var/dumps /backup');
  },
  (fixture) => {
    it('is saved, destroyed, and comes back as it was', async () => {
      const { lab, host } = fixture;
      // A lease on a file: who opens it is asked to wait.
      await host.run(
        `echo leased > /srv/leased; systemd-run --quiet --unit=lease python3 -c 'import fcntl, signal, time; signal.signal(signal.SIGIO, lambda *_: time.sleep(1)); f = open("/srv/leased", "r+"); fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK); open("/run/lease", "w")
while True: time.sleep(1)'; until test -e /run/lease; do sleep 0.1; done`,
      );
      const { ok, log } = await backUp(host);
      await host.run('systemctl stop lease');
      expect(ok, log).toBe(true);
      const drill = await start(host, 'backup-drill.service');
      expect(drill.ok, drill.log).toBe(true);
      await host.run('ls /srv/auto/file');
      const before = (await host.run(['python3', '-c', describeAll, '/srv'])).stdout;
      const repository = await host.run('tar -C /var/lib/borg -cf - repository', { timeoutSeconds: 600 });
      await lab.forget(host);

      fixture.host = await lab.boot({ name: 'web', debian: fixture.release });
      const again = fixture.host;
      await again.run(
        'useradd --system newcomer; useradd --system daemon77; useradd bob; useradd alice; install -d -m 0711 /var/lib/borg',
      );
      await again.run('tar -C /var/lib/borg -xf -', { input: repository.stdoutBytes });
      // As docs/restore.md has it: without what opens the repository the role takes it for a machine that lacks that.
      await again.run('install -d -m 0700 /etc/credstore');
      await again.write('/etc/credstore/borg.passphrase', settings.borg_passphrase, '0600');
      await lab.roles(['borg'], settings, { args: ['--skip-tags', 'never'] });
      await again.run('mkdir /restored && backupctl restore --into /restored /srv', { timeoutSeconds: 600 });
      const after = (await again.run(['python3', '-c', describeAll, '/restored/srv'])).stdout;
      expect(difference(before, after)).toEqual([]);
      // The ends of the time that Borg keeps.
      expect((await again.run('stat -c %Y /restored/srv/past /restored/srv/future')).stdout).toMatch(
        /^0\n2147\d{6}\n$/,
      );
    });
  },
);

const settings = {
  backup_paths: ['/'],
  backup_mail_to: [],
  borg_passphrase: 'odd but long enough',
  backup_report_command: ['/usr/bin/tee', '/var/lib/backup-report/told'],
};

/** The lines that two descriptions do not share, marked by which has it; without what the documentation says to be lost. */
function difference(before: string, after: string): string[] {
  const lost = /^\["b'(socket|past|future)'"/;
  const [old, now] = [before, after].map((text) => new Set(text.split('\n').filter((line) => !lost.test(line))));
  return [
    ...[...(old ?? [])].filter((line) => now?.has(line) !== true).map((line) => `- ${line}`),
    ...[...(now ?? [])].filter((line) => old?.has(line) !== true).map((line) => `+ ${line}`),
  ];
}
