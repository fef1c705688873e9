/** Options of a hook made of what has broken quoting somewhere. */
export interface HostileHook {
  name: string;
  user: string;
  command?: string[];
  script?: string;
  restore?: string[];
  prove?: string[];
  environment: Record<string, string>;
  credentials: Record<string, string>;
  secrets: Record<string, string>;
  read: string[];
  write: string[];
  exclude: string[];
  order: string[];
  after: string[];
  timeout: string;
  network: string;
  required: boolean;
  cleanup: string;
  sandbox: Record<string, { value: string | string[]; reason: string }>;
  [wrong: string]: unknown;
}

const harmless = [
  'a',
  'wiki',
  ' ',
  '%',
  '%n',
  '%%',
  '$',
  '${X}',
  '$$',
  '"',
  "'",
  '\\',
  '=',
  ';',
  '#',
  '-',
  '/',
  'é',
  '[Service]',
  '\\x41',
  '\\n',
  '*',
  '\ud83d\udc1b',
];
const dangerous = [
  ...harmless,
  '\n',
  '\r',
  '\t',
  '\0',
  '\x1b',
  '\u2028',
  '\u0085',
  '..',
  ':',
  '\nUser=root',
  '"\nExecStartPre=/bin/id',
];
const directives: [string, (string | string[])[]][] = [
  ['MemoryDenyWriteExecute', ['false', 'true']],
  ['ProtectSystem', ['full', 'false', 'none']],
  ['PrivateUsers', ['false']],
  ['PrivateNetwork', ['false']],
  ['CapabilityBoundingSet', [['CAP_CHOWN', 'CAP_FOWNER'], [], ['CHOWN']]],
  ['SystemCallFilter', [['@system-service', '~@resources'], ['@system-service'], ['a;b']]],
  ['RestrictAddressFamilies', [['AF_UNIX', 'AF_NETLINK'], []]],
  ['UMask', ['0027', '9']],
  ['ProtectSytem', ['false']],
];

/** The same endless-looking sequence in every run, about half of it acceptable. @param count how many */
export function* hostileHooks(count: number): Generator<HostileHook> {
  let seed = 20261123;
  const random = (below: number): number => {
    // mulberry32
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
  const pick = <Value>(...values: readonly Value[]): Value => values[random(values.length)] as Value;
  for (let round = 0; round < count; round++) {
    const pieces = round % 2 === 0 ? harmless : dangerous;
    const text = (): string => Array.from({ length: random(5) }, () => pick(...pieces)).join('');
    const several = <Value>(most: number, make: () => Value): Value[] => Array.from({ length: random(most + 1) }, make);
    const seldom = (tame: string): string => (pieces === harmless || random(3) > 0 ? tame : text());
    const path = (): string => `/srv/${text()}`;
    const required = pick(true, false);
    const work =
      random(4) === 0
        ? { script: `#!/bin/sh\n${text()}\n${text()}` }
        : { command: ['/usr/bin/true', ...several(3, text)] };
    yield {
      name: seldom('wiki'),
      user: seldom('nobody'),
      ...work,
      ...(random(3) === 0 ? { restore: ['/usr/bin/true', ...several(2, text)] } : {}),
      ...(random(3) === 0 ? { prove: ['/usr/bin/true', ...several(2, text)] } : {}),
      environment: Object.fromEntries(several(2, () => [seldom(pick('KEY', 'OTHER', '_k2')), text()])),
      credentials: Object.fromEntries(several(1, () => [seldom('key'), path()])),
      secrets: Object.fromEntries(several(1, () => [seldom('word'), `x${text()}`])),
      read: several(2, path),
      write: several(1, path),
      // What is not required leaves nothing out, but for a try now and then.
      exclude: required || random(8) === 0 ? several(1, path) : [],
      order: several(1, () => seldom(pick('first', 'second'))),
      after: several(1, () => seldom('postgresql.service')),
      timeout: seldom(pick('5min', '1h 30min', '90')),
      network: seldom(pick('none', 'local', 'any')),
      required,
      cleanup: seldom(pick('keep', 'remove')),
      sandbox: Object.fromEntries(
        several(2, () => {
          const [name, values] = pick(...directives);
          return [name, { value: pick(...values), reason: `it ${text()}` }];
        }),
      ),
      ...(random(20) === 0 ? { [text() || 'usr']: text() } : {}),
    };
  }
}
