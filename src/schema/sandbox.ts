import { absolutePath, printable } from './patterns.ts';
import type { Schema, ValueOf } from './schema.ts';

/** What stands on the right of a directive, as a string: `value: false` of a task arrives as "false". */
const one = (...values: readonly string[]) =>
  ({ type: 'string', description: ['Its value.'], enum: values }) as const satisfies Schema;
const text = (pattern: string, allowed: string) =>
  ({ type: 'string', description: ['Its value.'], pattern, allowed }) as const satisfies Schema;
const list = (pattern: string, allowed: string) =>
  ({
    type: 'array',
    description: ['Its values.'],
    items: { type: 'string', description: ['A value.'], pattern, allowed },
  }) as const satisfies Schema;
type DirectiveValue = ReturnType<typeof one | typeof text | typeof list>;

const boolean = one('true', 'false');
const capabilities = list('CAP_[A-Z_]+', 'the name of a capability, such as CAP_CHOWN');
const addresses = list(
  'any|localhost|link-local|multicast|[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?',
  'an address with an optional prefix length, or any, localhost, link-local, multicast',
);

/** Every directive of a hook's sandbox, and what its value may be. @see systemd.exec(5), systemd.resource-control(5) */
const directives: Readonly<Record<string, DirectiveValue>> = {
  AmbientCapabilities: capabilities,
  CapabilityBoundingSet: capabilities,
  DeviceAllow: list(
    '(?:/dev/[^\\x00-\\x20]+|(?:char|block)-[^\\x00-\\x20]+)(?: [rwm]{1,3})?',
    'a device and what may be done with it, such as `/dev/fuse rw`',
  ),
  DevicePolicy: one('auto', 'closed', 'strict'),
  IPAddressAllow: addresses,
  IPAddressDeny: addresses,
  KeyringMode: one('private', 'inherit', 'shared'),
  LimitCORE: text('(?:infinity|[0-9]+[KMGTPE]?)', 'a number of bytes with an optional K, M or G, or infinity'),
  LimitDATA: text('(?:infinity|[0-9]+[KMGTPE]?)', 'a number of bytes with an optional K, M or G, or infinity'),
  LockPersonality: boolean,
  MemoryDenyWriteExecute: boolean,
  MemoryMax: text(
    '(?:infinity|[0-9]+[KMGT]?|[1-9][0-9]?%|100%)',
    'a number of bytes with an optional K, M or G, a percentage of the memory of the host, or infinity',
  ),
  NoExecPaths: list(`-?${absolutePath}`, 'an absolute path'),
  NoNewPrivileges: boolean,
  PrivateDevices: boolean,
  PrivateIPC: boolean,
  PrivateNetwork: boolean,
  PrivateTmp: boolean,
  PrivateUsers: boolean,
  ProcSubset: one('pid', 'all'),
  ProtectClock: boolean,
  ProtectControlGroups: boolean,
  ProtectHome: one('true', 'tmpfs', 'read-only', 'false'),
  ProtectHostname: boolean,
  ProtectKernelLogs: boolean,
  ProtectKernelModules: boolean,
  ProtectKernelTunables: boolean,
  ProtectProc: one('invisible', 'ptraceable', 'noaccess', 'default'),
  ProtectSystem: one('strict', 'full', 'true', 'false'),
  RestrictAddressFamilies: list('AF_[A-Z0-9_]+', 'an address family, such as AF_INET'),
  RestrictNamespaces: list('true|false|~?(?:cgroup|ipc|net|mnt|pid|user|uts)', 'true, false or a kind of namespace'),
  RestrictRealtime: boolean,
  RestrictSUIDSGID: boolean,
  SocketBindAllow: list(
    'any|(?:ipv[46]:)?(?:(?:tcp|udp):)?(?:[0-9]{1,5}(?:-[0-9]{1,5})?)?',
    'any, or a port or range of ports such as tcp:8000',
  ),
  SocketBindDeny: list(
    'any|(?:ipv[46]:)?(?:(?:tcp|udp):)?(?:[0-9]{1,5}(?:-[0-9]{1,5})?)?',
    'any, or a port or range of ports such as tcp:8000',
  ),
  SupplementaryGroups: list('[A-Za-z_][A-Za-z0-9_.-]{0,31}\\$?', 'the name of a group of the host'),
  SystemCallArchitectures: list('[a-z0-9-]+', 'an architecture, such as native'),
  SystemCallErrorNumber: text('kill|E[A-Z0-9]+', 'the name of an error, such as EPERM, or kill'),
  SystemCallFilter: list(
    '~?@?[a-z0-9_-]+(?::[A-Za-z0-9]+)?(?: @?[a-z0-9_-]+(?::[A-Za-z0-9]+)?)*',
    'a line of the filter, such as `@system-service` or `~@privileged`',
  ),
  UMask: text('0?[0-7]{3}', 'three octal digits, such as 0077'),
};

const loosening = (name: string, value: DirectiveValue) =>
  ({
    type: 'object',
    description: [`\`${name}=\` of the service.`],
    required: ['value', 'reason'],
    properties: {
      value,
      reason: {
        type: 'string',
        description: ['Why the software needs it.'],
        pattern: `(?=.*\\S)${printable}+`,
        allowed: 'a line that says why',
      },
    },
    allowed: 'a mapping with the keys value and reason',
  }) as const satisfies Schema;

/** A directive of the sandbox with another value than the usual one, and why. */
export type Loosened = ValueOf<ReturnType<typeof loosening>>;

/** The option `sandbox` of a hook: directives that take the place of the sandbox's own, each with its reason. */
export const sandboxOption = {
  type: 'object',
  noun: 'directive',
  description: [
    'Directives of its sandbox to loosen: each a directive as in systemd.exec(5) or systemd.resource-control(5), with the `value` that takes the place of the usual one, and the `reason`, which becomes a comment in the unit.',
    '`value` is a string, or a list where the directive takes one: of `SystemCallFilter` each element is a line, of others a word. An empty list is an empty directive.',
    '`PrivateUsers` has to be false for capabilities of the host to be of use.',
  ],
  properties: Object.fromEntries(Object.entries(directives).map(([name, value]) => [name, loosening(name, value)])),
} as const satisfies Schema;
