import { expect, it } from 'vitest';
import { backUp, onEachRelease } from './fixture.ts';

/** Tries what the sandbox forbids, and prints a line of JSON: what was tried → whether it worked. */
const probe = `#!/usr/bin/python3
import ctypes, json, os, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def works(action):
    try:
        return action() is not False
    except (OSError, subprocess.SubprocessError):
        return False
def write(path):
    return lambda: open(path, "w").close()
def call(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "")
def execute(directory):
    path = directory + "/program"
    with open(path, "w") as file:
        file.write("#!/bin/sh\\nexit 0\\n")
    os.chmod(path, 0o755)
    subprocess.run([path], check=True)
mounts = [line.split(" ") for line in open("/proc/self/mountinfo")]
top = {m[4]: m[5].split(",") for m in mounts}
writable = [place for place, options in top.items() if "rw" in options and not place.startswith(("/proc", "/dev", "/run"))]
own = ("/var/lib/borg", "/var/cache/borg", "/tmp", "/var/tmp")
status = dict(line.rstrip().split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line and line.rstrip()[-1] != ":")
tried = {
    "write its state": write("/var/lib/borg/probe"),
    "write its cache": write("/var/cache/borg/probe"),
    "write its repository": write("/var/lib/borg/repository/probe"),
    "read the shadow passwords": lambda: open("/etc/shadow").read(),
    "write /backup": write("/backup/probe"),
    "write /etc": write("/etc/probe"),
    "write /usr": write("/usr/local/bin/probed"),
    "write /home": write("/home/alice/probe"),
    "write /var/lib": write("/var/lib/probe"),
    "see a foreign process": lambda: os.path.exists("/proc/1") ,
    "signal a foreign process": lambda: os.kill(int(os.environ["FOREIGN"]), 0),
    "open an IPv4 socket": lambda: socket.socket(socket.AF_INET).close(),
    "open an IPv6 socket": lambda: socket.socket(socket.AF_INET6).close(),
    "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "see a network interface": lambda: [n for _, n in socket.if_nameindex()] != ["lo"] ,
    "mount": lambda: call(libc.mount(b"tmpfs", b"/var/lib/borg", b"tmpfs", 0, None)),
    "make a user namespace": lambda: call(libc.unshare(0x10000000)),
    "load a module": lambda: call(libc.syscall(313, 0, b"", 0)),
    "read the kernel log": lambda: libc.klogctl(3, ctypes.create_string_buffer(16), 16) >= 0,
    "set the clock": lambda: call(libc.settimeofday(ctypes.byref((ctypes.c_long * 2)(1, 0)), None)),
    "set the hostname": lambda: call(libc.sethostname(b"probe", 5)),
    "change an owner": lambda: os.chown("/var/lib/borg/probe", 0, 0),
    "make a device": lambda: os.mknod("/var/lib/borg/device", 0o60600, os.makedev(254, 0)),
    "make a file set-user-id": lambda: os.chmod("/var/lib/borg/probe", 0o4755),
    "map memory to write and execute": lambda: libc.mmap(None, 4096, 7, 0x22, -1, 0) not in (-1, 0xffffffffffffffff),
    "execute from its state": lambda: execute("/var/lib/borg"),
    "execute from its repository": lambda: execute("/var/lib/borg/repository"),
    "execute from /tmp": lambda: execute("/tmp"),
    "execute from /var/tmp": lambda: execute("/var/tmp"),
    "execute from /dev/shm": lambda: execute("/dev/shm"),
    "find a writable mount that is not its own": lambda: bool([m for m in writable if not m.startswith(own)]),
}
result = {name: works(action) for name, action in tried.items()}
result["status"] = {key: status[key] for key in ("Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")}
print(json.dumps(result))
`;

const allowed = ['write its state', 'write its cache', 'write its repository', 'read the shadow passwords'];
const capDacReadSearch = '0000000000000004';

onEachRelease(
  'the privileges of backup.service',
  async ({ lab, host }) => {
    await host.run('useradd --create-home alice');
    await lab.roles(['borg']);
    await host.write('/usr/local/bin/probe', probe, '0755');
    const foreign = (await host.run('pgrep --oldest sshd')).stdout.trim();
    await host.write(
      '/run/systemd/system/backup.service.d/probe.conf',
      `[Service]\nExecStartPre=/usr/local/bin/probe\nEnvironment=FOREIGN=${foreign}\n`,
    );
    await host.run('systemctl daemon-reload');
  },
  (fixture) => {
    it('are those of the user borg with CAP_DAC_READ_SEARCH and nothing else', async () => {
      const { host } = fixture;
      const { ok, log } = await backUp(host);
      expect(ok, log).toBe(true);
      const { status, ...tried } = JSON.parse(/^\{.*\}$/m.exec(log)?.[0] ?? '{}') as {
        status: Record<string, string>;
      } & Record<string, boolean>;
      const uid = (await host.run('id --user borg')).stdout.trim();
      expect(status['Uid']?.split('\t')).toEqual([uid, uid, uid, uid]);
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
        expect([set, status[set]]).toEqual([set, capDacReadSearch]);
      expect(status['NoNewPrivs']).toBe('1');
      expect(status['Seccomp']).toBe('2');
      expect(Object.keys(tried).filter((name) => tried[name])).toEqual(allowed);
    });

    it('could do all that outside the sandbox, so that the probe proves something', async () => {
      const { host } = fixture;
      const { stdout } = await host.run('FOREIGN=$(pgrep --oldest sshd) python3 -', {
        input: probe.replace(
          /^.*"(?:set the clock|load a module|mount|set the hostname|make a user namespace)".*\n/gm,
          '',
        ),
      });
      const { status: _, ...tried } = JSON.parse(stdout) as Record<string, boolean>;
      // A test host has no kernel log, may make no devices of its own, and has a noexec /dev/shm.
      const denied = Object.keys(tried).filter(
        (name) => !tried[name] && !['read the kernel log', 'make a device', 'execute from /dev/shm'].includes(name),
      );
      await host.run(
        'rm -f /var/lib/borg/{probe,device,program} /var/lib/borg/repository/{probe,program} /var/cache/borg/probe',
      );
      expect(denied).toEqual([]);
    });

    it('are held by Borg itself', async () => {
      const { host } = fixture;
      const watch =
        'until p=$(pgrep --full --oldest "^/usr/bin/python3 .*[/]usr/bin/borg .* create "); do sleep 0.02; done; cat /proc/$p/status';
      const [watched] = await Promise.all([host.run(watch, { timeoutSeconds: 30 }), backUp(host)]);
      const uid = (await host.run('id --user borg')).stdout.trim();
      expect(watched.stdout).toContain(`Uid:\t${uid}\t${uid}\t${uid}\t${uid}`);
      expect(watched.stdout).toContain(`CapEff:\t${capDacReadSearch}`);
      expect(watched.stdout).toContain(`CapAmb:\t${capDacReadSearch}`);
      expect(watched.stdout).toContain('NoNewPrivs:\t1');
    });

    it('leave nothing in the local repository that is not of the user borg', async () => {
      expect((await fixture.host.run('find /var/lib/borg /var/cache/borg ! -user borg')).stdout).toBe('');
    });
  },
);
