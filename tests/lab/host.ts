import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run, type Result, type RunOptions } from './process.ts';
import { debianRoot, serverRoot, type Managed } from './root.ts';
import { disks } from './takedown.ts';

export interface HostOptions {
  readonly name: string;
  readonly debian: Managed;
  /** Its disk is a directory of this machine's, and not in memory. */
  readonly onDisk?: boolean;
  /** It can install what a server runs; see `serverRoot`. */
  readonly server?: boolean;
}

export interface CommandOptions extends RunOptions {
  readonly user?: string;
}

/** A Debian machine with a booted systemd, in a network namespace and on a disk of its own. */
export class Host {
  readonly name: string;
  readonly debian: Managed;
  /** Its public SSH host key, a line as in a `.pub` file. */
  hostKey = '';
  private readonly directory: string;
  private readonly server: boolean;
  /** Where its disk is if that is not in memory. */
  private readonly disk: string | undefined;
  private nspawn: ChildProcess | undefined;
  private init = 0;

  /** @internal Use `Lab.boot`. */
  constructor(
    { name, debian, onDisk = false, server = false }: HostOptions,
    readonly address: string,
    private readonly namespace: string,
    lab: string,
  ) {
    this.name = name;
    this.debian = debian;
    this.server = server;
    this.directory = join(lab, name);
    this.disk = onDisk ? join(disks, basename(lab), name) : undefined;
  }

  private get root(): string {
    return join(this.directory, 'root');
  }

  /** @internal The disk: an overlay above the cached root, with this host's identity. */
  async install(authorizedKey: string): Promise<void> {
    const lower =
      this.server && this.debian !== 'testing' ? await serverRoot(this.debian) : await debianRoot(this.debian);
    await mkdir(this.directory, { recursive: true });
    if (this.disk === undefined) await run('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', this.directory]);
    else {
      await mkdir(this.disk, { recursive: true });
      await run('mount', ['--bind', this.disk, this.directory]);
    }
    for (const name of ['upper', 'work', 'root']) mkdirSync(join(this.directory, name));
    const layers = `lowerdir=${lower},upperdir=${join(this.directory, 'upper')},workdir=${join(this.directory, 'work')}`;
    await run('mount', ['-t', 'overlay', 'overlay', '-o', layers, this.root]);
    await writeFile(join(this.root, 'etc/hostname'), `${this.name}\n`);
    await writeFile(join(this.root, 'etc/hosts'), `127.0.0.1 localhost\n${this.address} ${this.name}\n`);
    await mkdir(join(this.root, 'root/.ssh'), { recursive: true, mode: 0o700 });
    await writeFile(join(this.root, 'root/.ssh/authorized_keys'), authorizedKey, { mode: 0o600 });
    const key = join(this.root, 'etc/ssh/ssh_host_ed25519_key');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', this.name, '-f', key]);
    this.hostKey = readFileSync(`${key}.pub`, 'utf8').trim();
  }

  /** @internal Lets this host know another one by its name. */
  async introduce(other: Host): Promise<void> {
    await appendFile(join(this.root, 'etc/hosts'), `${other.address} ${other.name}\n`);
  }

  /**
   * Boots, or boots again after `powerOff`, and waits until systemd is up.
   * @throws with the failed units, if it does not come up clean.
   */
  async boot(): Promise<void> {
    const console = openSync(join(this.directory, 'console'), 'a');
    // A cgroup of its own in each hierarchy: hosts that share one remove each other's units. Below a unified one are no hierarchies but
    // the cgroups of other hosts, which end all that is in them.
    const enter =
      'h=(/sys/fs/cgroup); [ -e "$h/cgroup.procs" ] || h=(/sys/fs/cgroup/*); for d in "${h[@]}"; do [ -e "$d/cgroup.procs" ] && mkdir -p "$d/$0" && echo $$ > "$d/$0/cgroup.procs"; done 2> /dev/null; ';
    const shell =
      this.debian === 'testing'
        ? ['unshare', '--mount', 'bash', '-c', `${enter}${unified}${enter}exec "$@"`]
        : ['bash', '-c', `${enter}exec "$@"`];
    const child = spawn(
      'env',
      [
        ...shell,
        this.namespace,
        'systemd-nspawn',
        // All capabilities, as a real machine has them: else a sandbox has nothing to take away.
        '--boot',
        '--register=no',
        '--keep-unit',
        '--capability=all',
        '--quiet',
        `--directory=${this.root}`,
        `--machine=${this.namespace}`,
        `--hostname=${this.name}`,
        `--network-namespace-path=/run/netns/${this.namespace}`,
      ],
      { stdio: ['ignore', console, console], detached: true },
    );
    closeSync(console);
    child.unref();
    this.nspawn = child;
    const printed = (): string => readFileSync(join(this.directory, 'console'), 'utf8');
    const deadline = Date.now() + 60_000;
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`${this.name} did not boot:\n${printed()}`);
      const children = (await run('pgrep', ['--parent', String(child.pid)], { mayFail: true })).stdout
        .split('\n')
        .map(Number);
      this.init = children.find((pid) => this.isInit(pid)) ?? 0;
      if (this.init > 0) {
        // Not --wait: a unit that never ends starting would outlast the deadline.
        const state = (await this.run('systemctl is-system-running', { mayFail: true })).stdout.trim();
        if (state === 'running') return;
        if (state === 'degraded')
          throw new Error(
            `${this.name} is degraded:\n${(await this.run('systemctl --failed; journalctl -b -p err')).stdout}`,
          );
        if (Date.now() > deadline)
          throw new Error(`${this.name} is still ${state}:\n${(await this.run('systemctl list-jobs')).stdout}`);
      }
      if (Date.now() > deadline) throw new Error(`${this.name} did not boot:\n${printed()}`);
      await new Promise((wait) => setTimeout(wait, 100));
    }
  }

  /**
   * Runs a command as root, or as `user`, with nothing of this machine's environment.
   * A string is for bash; a list is run as it is.
   * @throws if the host is down.
   */
  async run(command: string | readonly string[], { user, ...options }: CommandOptions = {}): Promise<Result> {
    // The number of a process that has gone may be another's: root commands are for this host or nobody.
    if (!this.isInit(this.init)) throw new Error(`${this.name} is down: it cannot run ${String(command)}`);
    const call = typeof command === 'string' ? ['bash', '-c', command] : command;
    const environment = [
      'env',
      '-i',
      '--chdir=/',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOME=/root',
      'LANG=C.UTF-8',
      'TERM=dumb',
    ];
    // What runs in the host outlives nsenter, so the limit is also kept there, a little later than by `run`.
    const within = ['timeout', '--signal=KILL', String((options.timeoutSeconds ?? 240) + 1)];
    const as = user === undefined ? [] : ['runuser', `--user=${user}`, '--'];
    return run(
      'nsenter',
      ['--target', String(this.init), '--all', '--root', '--', ...environment, ...within, ...as, ...call],
      options,
    );
  }

  /** Runs a command of bash in its root while it is off, with the network of this machine, as from a rescue system. */
  rescue(command: string, options: RunOptions = {}): Promise<Result> {
    if (this.isInit(this.init)) throw new Error(`${this.name} is up: its root is its own`);
    const mounts =
      'for path in dev proc sys; do mount --rbind "/$path" "$0/$path"; done; mount -t tmpfs tmpfs "$0/run"; ';
    const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' };
    return run('unshare', ['--mount', 'bash', '-c', `${mounts}exec chroot "$0" bash -e -c "$1"`, this.root, command], {
      ...options,
      env: { ...process.env, ...environment },
    });
  }

  /** Writes a file, with the directories above it. */
  async write(path: string, content: string | Buffer, mode = '0644'): Promise<void> {
    await this.run(['bash', '-c', 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"', 'write', path, mode], {
      input: content,
    });
  }

  /** @returns what is in a file. @throws if it is not there. */
  async read(path: string): Promise<string> {
    return (await this.run(['cat', path])).stdout;
  }

  async exists(path: string): Promise<boolean> {
    return (await this.run(['test', '-e', path], { mayFail: true })).code === 0;
  }

  /** Processor time, in seconds, of all that this host's units did since it was first booted; `run` is not part of it. */
  cpuSeconds(): number {
    const [v1, v2] = [
      `/sys/fs/cgroup/cpuacct/${this.namespace}/cpuacct.usage`,
      `/sys/fs/cgroup/${this.namespace}/cpu.stat`,
    ];
    return existsSync(v1)
      ? Number(readFileSync(v1, 'utf8')) / 1e9
      : Number(/^usage_usec (\d+)$/m.exec(readFileSync(v2, 'utf8'))?.[1]) / 1e6;
  }

  /** What a unit wrote to the journal, this boot. */
  async journal(unit: string): Promise<string> {
    // What was said last may still be on its way.
    return (
      await this.run([
        'bash',
        '-c',
        'journalctl --sync && exec journalctl --boot --output=cat --no-pager --unit="$0"',
        unit,
      ])
    ).stdout;
  }

  /**
   * A power loss for processes: all end at once and the disk stays, with all that was written, synced or not.
   * `boot` starts it again.
   */
  async powerOff(): Promise<void> {
    this.nspawn?.kill('SIGKILL');
    if (this.isInit(this.init)) process.kill(this.init, 'SIGKILL');
    // Its init takes all other processes with it.
    while (this.init > 0 && alive(this.init)) await new Promise((wait) => setTimeout(wait, 20));
    this.init = 0;
    this.nspawn = undefined;
    // What a killed nspawn (systemd 257) leaves, and then refuses to boot on.
    await run('umount', ['--lazy', `/run/systemd/nspawn/unix-export/${this.namespace}`], { mayFail: true });
    await removeCgroups(this.namespace);
    if (this.debian === 'testing')
      await run('unshare', ['--mount', 'bash', '-c', `${unified}${rmdirs}`, this.namespace]);
  }

  /** @internal Ends it and takes its disk away. */
  async remove(): Promise<void> {
    await this.powerOff();
    await run('umount', ['--lazy', this.root], { mayFail: true });
    await run('umount', ['--lazy', this.directory], { mayFail: true });
    rmSync(this.directory, { recursive: true, force: true });
    if (this.disk !== undefined) rmSync(this.disk, { recursive: true, force: true });
  }

  /** Whether a process is PID 1 of its own PID namespace in the network namespace of this host. */
  private isInit(pid: number): boolean {
    try {
      return (
        pid > 0 &&
        /^NSpid:\t\d+(\t\d+)*\t1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')) &&
        statSync(`/proc/${pid}/ns/net`).ino === statSync(`/run/netns/${this.namespace}`).ino
      );
    } catch {
      return false;
    }
  }
}

/**
 * A systemd newer than that of Debian 13 refuses the old hierarchies of cgroups. Where this machine has those, such a host sees the
 * new one in their place.
 */
const unified = '[ -e /sys/fs/cgroup/cgroup.procs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup; ';

/** Removes the cgroups of a host that is gone. */
async function removeCgroups(name: string): Promise<void> {
  await run('bash', ['-c', rmdirs, name]);
}

const rmdirs = 'find /sys/fs/cgroup/"$0" /sys/fs/cgroup/*/"$0" -depth -type d -exec rmdir {} + 2> /dev/null; true';

function alive(pid: number): boolean {
  try {
    // A zombie is still there for kill(2), but it holds nothing any more.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
