import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildCollection } from './collection.ts';
import { within, type ControlNode } from './control.ts';
import { Host, type HostOptions } from './host.ts';
import { run, type Result, type RunOptions } from './process.ts';
import { base, sweep, takeDown } from './takedown.ts';

/** How one host fared in a playbook. */
export interface Recap {
  readonly ok: number;
  readonly changed: number;
  readonly unreachable: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface PlaybookResult extends Result {
  readonly recap: Readonly<Record<string, Recap>>;
  /**
   * Calls of `ssh` with a command. With pipelining that is one for each module that runs on a host; an action that
   * transfers a file (`copy`, `template`) makes more of them, and its `sftp` is not counted.
   */
  readonly sshExecutions: number;
}

export interface PlaybookOptions extends RunOptions {
  readonly args?: readonly string[];
}

let count = 0;

/** A network of hosts with a control node, all in namespaces: nothing of it ever leaves the machine. */
export class Lab {
  readonly hosts: Host[] = [];
  private closed = false;
  private next = 10;

  private constructor(
    private readonly id: string,
    /** Files of the control node: inventory, playbooks, secrets. */
    readonly directory: string,
    /** The root that Ansible runs in; undefined: this machine's. */
    private readonly control: ControlNode | undefined,
  ) {}

  /** A network without hosts, with this machine's Ansible or that of a control node; close it whatever happens. */
  static async open(control?: ControlNode): Promise<Lab> {
    sweep();
    const id = `rb${process.pid}-${count++}`;
    const lab = new Lab(id, join(base, id), control);
    mkdirSync(lab.directory, { recursive: true, mode: 0o700 });
    open.add(lab);
    await run('ip', ['netns', 'add', id]);
    const ip = (...args: string[]): Promise<Result> => run('ip', ['-n', id, ...args]);
    await ip('link', 'set', 'lo', 'up');
    await ip('link', 'add', 'lab', 'type', 'bridge');
    await ip('addr', 'add', '10.77.0.1/24', 'dev', 'lab');
    await ip('link', 'set', 'lab', 'up');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(lab.directory, 'key')]);
    lab.configure();
    return lab;
  }

  /** Boots a host of this network. */
  async boot(options: HostOptions): Promise<Host> {
    const number = this.next++;
    const namespace = `${this.id}-${number}`;
    const host = new Host(options, `10.77.0.${number}`, namespace, this.directory);
    this.hosts.push(host);
    await run('ip', ['netns', 'add', namespace]);
    await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
    // Its address is there before the boot, and its MAC is fixed: a stale ARP entry would cost half a minute.
    await run('ip', [
      '-n',
      this.id,
      'link',
      'add',
      `host${number}`,
      'type',
      'veth',
      'peer',
      'name',
      'host0',
      'netns',
      namespace,
    ]);
    await run('ip', ['-n', this.id, 'link', 'set', `host${number}`, 'master', 'lab', 'up']);
    await run('ip', [
      '-n',
      namespace,
      'link',
      'set',
      'host0',
      'address',
      `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`,
    ]);
    await run('ip', ['-n', namespace, 'addr', 'add', `${host.address}/24`, 'dev', 'host0']);
    await run('ip', ['-n', namespace, 'link', 'set', 'host0', 'up']);
    await host.install(readFileSync(join(this.directory, 'key.pub'), 'utf8'));
    // The later of two hosts installed at the same time introduces both: only what has a key is installed.
    for (const other of this.hosts.filter((one) => one !== host && one.hostKey !== '')) {
      await host.introduce(other);
      await other.introduce(host);
    }
    await host.boot();
    this.configure();
    return host;
  }

  /**
   * Installs this working tree's collection as a user would: by ansible-galaxy, from its tarball or another source.
   * @returns where it is.
   */
  async installCollection(source?: string): Promise<string> {
    const collections = join(this.directory, 'collections');
    await this.ansible('ansible-galaxy', [
      'collection',
      'install',
      '--force',
      source ?? (await buildCollection()),
      '-p',
      collections,
    ]);
    return this.collection;
  }

  /**
   * Lays this working tree's collection down without `ansible-galaxy`, which takes a second or two for the same files: for tests that are
   * not about installing it. They may change it.
   */
  async unpackCollection(): Promise<void> {
    mkdirSync(this.collection, { recursive: true });
    await run('tar', ['--extract', '--file', await buildCollection(), '--directory', this.collection]);
  }

  /** Runs a program of Ansible on the control node: the distribution's, or that of `ANSIBLE_BIN` to try another version. */
  ansible(program: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
    const env: NodeJS.ProcessEnv = {
      PATH: `${process.env['ANSIBLE_BIN'] === undefined ? '' : `${process.env['ANSIBLE_BIN']}:`}/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: this.directory,
      LC_ALL: 'C.UTF-8',
      ANSIBLE_CONFIG: join(this.directory, 'ansible.cfg'),
      ...options.env,
    };
    const inRoot = this.control === undefined ? [] : within(this.control);
    if (this.control !== undefined) env['PATH'] = this.control.path;
    return run('ip', ['netns', 'exec', this.id, ...inRoot, program, ...args], { cwd: this.directory, ...options, env });
  }

  /** Runs a playbook, given as the list of its plays. @throws if it fails and may not. */
  playbook(plays: readonly object[], options: PlaybookOptions = {}): Promise<PlaybookResult> {
    const file = join(this.directory, 'playbook.yml');
    writeFileSync(file, JSON.stringify(plays));
    return this.run(file, options);
  }

  /** Runs the playbook in a file. @throws if it fails and may not. */
  async run(file: string, { args = [], ...options }: PlaybookOptions = {}): Promise<PlaybookResult> {
    rmSync(this.sshLog, { force: true });
    const result = await this.ansible('ansible-playbook', [file, ...args], options);
    return {
      ...result,
      recap: recap(result.stdout),
      sshExecutions: existsSync(this.sshLog) ? readFileSync(this.sshLog, 'utf8').length : 0,
    };
  }

  /** Applies roles of this collection to all hosts with the given settings; facts, which no role needs, are gathered if asked for. */
  roles(
    roles: readonly string[],
    vars: object = {},
    { facts = false, ...options }: PlaybookOptions & { readonly facts?: boolean } = {},
  ): Promise<PlaybookResult> {
    const tasks = roles.map((role) => ({
      name: role,
      'ansible.builtin.include_role': { name: `rootless.backup.${role}` },
    }));
    return this.playbook([{ hosts: 'all', gather_facts: facts, vars, tasks }], options);
  }

  /** Takes a host away for good, as a fire does; another one may have its name. */
  async forget(host: Host): Promise<void> {
    await host.remove();
    this.hosts.splice(this.hosts.indexOf(host), 1);
  }

  /** Where the collection is that `installCollection` installed. */
  get collection(): string {
    return join(this.directory, 'collections/ansible_collections/rootless/backup');
  }

  /** The command that gives a shell on a host. */
  shell(host: Host): string {
    const at = (name: string): string => join(this.directory, name);
    return `ip netns exec ${this.id} ssh -i ${at('key')} -o UserKnownHostsFile=${at('known_hosts')} root@${host.address}`;
  }

  /** Takes everything down. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await Promise.all(this.hosts.map((host) => host.remove()));
    takeDown(this.id);
    open.delete(this);
  }

  /** @internal */
  closeNow(): void {
    takeDown(this.id);
  }

  private get sshLog(): string {
    return join(this.directory, 'ssh.log');
  }

  private configure(): void {
    const path = (name: string): string => join(this.directory, name);
    // A call without a command (ControlPersist's own) runs nothing on the host. One byte for each call that does.
    writeFileSync(
      path('ssh'),
      `#!/bin/bash\nfor word; do [[ $word == -O ]] && exec /usr/bin/ssh "$@"; done\nprintf . >> ${this.sshLog}\nexec /usr/bin/ssh "$@"\n`,
      { mode: 0o755 },
    );
    writeFileSync(
      path('ansible.cfg'),
      `[defaults]\ninventory = ${path('inventory')}\ncollections_path = ${path('collections')}\nretry_files_enabled = false
nocows = true\nlocal_tmp = ${path('tmp')}\n[ssh_connection]\npipelining = true\ncontrol_path_dir = ${path('cp')}\nssh_executable = ${path('ssh')}\n`,
    );
    writeFileSync(
      path('inventory'),
      `${this.hosts.map((host) => `${host.name} ansible_host=${host.address}`).join('\n')}
[all:vars]\nansible_user=root\nansible_python_interpreter=/usr/bin/python3\nansible_ssh_private_key_file=${path('key')}
ansible_ssh_common_args=-o UserKnownHostsFile=${path('known_hosts')}\n`,
    );
    writeFileSync(path('known_hosts'), this.hosts.map((host) => `${host.address} ${host.hostKey}\n`).join(''));
  }
}

function recap(stdout: string): Record<string, Recap> {
  const rows = stdout
    .slice(stdout.lastIndexOf('PLAY RECAP'))
    .matchAll(/^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)\s+skipped=(\d+)/gm);
  return Object.fromEntries(
    [...rows].map(([, host = '', ...numbers]) => {
      const [ok = 0, changed = 0, unreachable = 0, failed = 0, skipped = 0] = numbers.map(Number);
      return [host, { ok, changed, unreachable, failed, skipped }];
    }),
  );
}

const open = new Set<Lab>();
const closeAll = (): void => open.forEach((lab) => lab.closeNow());
process.on('exit', closeAll);
// A worker whose run was killed (`disconnect`) would go on alone.
for (const end of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'] as const)
  process.on(end, () => {
    closeAll();
    try {
      process.exit(1);
    } catch {
      // In a worker of vitest it throws.
      process.kill(process.pid, 'SIGKILL');
    }
  });
