import type { Directive } from '../render/unit.ts';
import { jinja, type Expression } from '../render/value.ts';
import { only, set } from './unit.ts';

/** Of all of its processes together, and of the data of each: on cgroup v1, which does not hold the first, the second does. */
export interface Memory {
  readonly all: string;
  readonly each: string;
}

/**
 * What saves or restores may take: a limit that is met costs a backup, so it only keeps the rest of the machine alive. Borg takes 164
 * bytes for each chunk and 240 for each file, so 16 GB are enough for 100 TB; where there is swap, `MemoryMax=` uses it up first.
 * @see borg-create(1), "Memory usage"
 */
export const savingMemory: Memory = { all: '75%', each: '16G' };

/** What only tells, or asks, reads what others wrote, and has no need of much. */
export const smallMemory: Memory = { all: '768M', each: '512M' };

/** What a service needs beyond nothing at all. */
export interface Sandbox {
  /** Capabilities that the process holds; none is the default of every hook. */
  readonly capabilities: readonly string[];
  /** `read-only` for a service that saves the homes; `empty` where some of them is bound in; else they are not there. */
  readonly home: 'read-only' | 'empty' | 'hidden';
  /** Whether users other than its own exist for the service. */
  readonly users: 'visible' | 'hidden';
  /** What it may write to beside its private temporary directories, each word rendered. */
  readonly writable: readonly string[];
  /** `true` where the service needs the network, `false` where not, `local` for this machine only, or an expression that tells. */
  readonly network: boolean | 'local' | Expression;
  /** How much memory it may take; as one that saves, if not given. */
  readonly memory?: Memory;
  /** Whether it asks the kernel for network interfaces, as programs that send mail do. */
  readonly netlink?: boolean;
}

/** What needs nothing: no capability, no home, no other user, no network, and nowhere to write. */
export const nothing = {
  capabilities: [],
  home: 'hidden',
  users: 'hidden',
  writable: [],
  network: false,
} as const satisfies Sandbox;

/**
 * The sandbox: everything that systemd 252 can take away and that nothing here needs.
 * What is not set, and why: `RemoveIPC=` (destroys the shared memory of a daemon that runs as the same user,
 * see the hook), `ProtectHome=true` for Borg (the archive would lack the homes and the run would still succeed).
 * @see systemd.exec(5) "Sandboxing"
 */
export function sandbox({
  capabilities,
  home,
  users,
  writable,
  network,
  netlink = false,
  memory = savingMemory,
}: Sandbox): Directive[] {
  return [
    set('NoNewPrivileges', 'true', 'Privileges: no set-user-id program gives more than what is named here.'),
    set('CapabilityBoundingSet', capabilities.join(' ')),
    ...(capabilities.length > 0 ? [set('AmbientCapabilities', capabilities.join(' '))] : []),
    set('RestrictSUIDSGID', 'true'),
    set('KeyringMode', 'private'),
    set('LockPersonality', 'true'),
    set('UMask', '0077', 'What is written is for nobody else to read.'),

    set('ProtectSystem', 'strict', 'Files: the whole tree is read-only but for what is named.'),
    home === 'read-only'
      ? set('ProtectHome', 'read-only', 'Not "true": the homes are saved, and a repository can be in one.')
      : set('ProtectHome', home === 'empty' ? 'tmpfs' : 'true'),
    set('PrivateTmp', 'true'),
    set('PrivateDevices', 'true'),
    set('DevicePolicy', 'closed'),
    set(
      'NoExecPaths',
      ['/tmp', '/var/tmp', '-/dev/shm', ...writable].join(' '),
      [
        'Nothing can be run from a place that can be written to. Named one by one: "/" is not inherited by mounts below it,',
        'and with ExecPaths=/usr it would make /usr a writable mount again.',
      ].join('\n'),
    ),

    set('ProtectProc', 'invisible', 'Kernel and processes: out of sight, out of reach.'),
    set('ProcSubset', 'pid'),
    set('PrivateIPC', 'true'),
    ...(users === 'hidden' ? [set('PrivateUsers', 'true')] : []),
    set('ProtectClock', 'true'),
    set('ProtectControlGroups', 'true'),
    set('ProtectHostname', 'true'),
    set('ProtectKernelLogs', 'true'),
    set('ProtectKernelModules', 'true'),
    set('ProtectKernelTunables', 'true'),
    set('RestrictNamespaces', 'true'),
    set('RestrictRealtime', 'true'),
    set('MemoryDenyWriteExecute', 'true'),
    set('SystemCallArchitectures', 'native'),
    set('SystemCallFilter', '@system-service'),
    set('SystemCallFilter', '~@privileged @resources'),
    set('SystemCallErrorNumber', 'EPERM'),
    set(
      'MemoryMax',
      memory.all,
      'What it reads was written by others: at worst it ends itself, and not the machine. LimitDATA= is of each process.',
    ),
    set('LimitDATA', memory.each),
    set('LimitCORE', '0', 'A core dump would hold the passphrase and the data of others.'),

    ...networkOf(network).map((directive) =>
      netlink && directive.name === 'RestrictAddressFamilies'
        ? { ...directive, value: `${directive.value} AF_NETLINK` }
        : directive,
    ),
  ];
}

/** A sandbox in which the given directives stand where those of their names stood, or at the end. */
export function loosened(directives: readonly Directive[], changes: readonly Directive[]): Directive[] {
  const names = [...new Set(changes.map(({ name }) => name))];
  const places = new Map(names.map((name) => [name, directives.findIndex((directive) => directive.name === name)]));
  return [
    ...directives.flatMap((directive, at) =>
      places.has(directive.name)
        ? places.get(directive.name) === at
          ? changes.filter(({ name }) => name === directive.name)
          : []
        : [directive],
    ),
    ...changes.filter(({ name }) => places.get(name) === -1),
  ];
}

function networkOf(network: Sandbox['network']): Directive[] {
  const none = [
    set('PrivateNetwork', 'true', 'Network: none. AF_UNIX is for the journal and for starting hooks.'),
    set('RestrictAddressFamilies', 'AF_UNIX'),
    set('IPAddressDeny', 'any'),
    set('SocketBindDeny', 'any'),
  ];
  const outgoing = [
    set('RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6', 'Network: outgoing connections only.'),
    set('SocketBindDeny', 'any'),
  ];
  const local = [
    set('RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6', 'Network: this machine only.'),
    set('IPAddressDeny', 'any'),
    set('IPAddressAllow', 'localhost'),
    set('SocketBindDeny', 'any'),
  ];
  if (network === false) return none;
  if (network === 'local') return local;
  if (network === true) return outgoing;
  return [...only(network, outgoing), ...only(jinja(`not (${network.source})`), none)];
}

/** What a drop-in makes of a unit that has no network: outgoing connections, as `network: true` gives them. Lists add up; an empty one begins anew. */
export const networkOpened = (): Directive[] => [
  set('PrivateNetwork', 'false', 'Network: outgoing connections only.'),
  set('RestrictAddressFamilies', 'AF_INET AF_INET6'),
  set('IPAddressDeny', ''),
];

/** A backup is never in a hurry: whatever else the machine does goes first. */
export function background(): Directive[] {
  return [set('Nice', '10'), set('CPUSchedulingPolicy', 'batch'), set('IOSchedulingClass', 'idle')];
}
