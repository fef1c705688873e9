import type { Answer, Asked, Server, Unit } from '../src/fleet/answer.ts';

/** When the machines of a test were asked. */
export const now = 1_790_000_000;
const day = 86_400;

/** Texts that have broken pages, terminals or formats somewhere; each is only a text. */
export const hostile = [
  '<script>document.title="pwned"</script>',
  '"><img src=x onerror="document.title=\'pwned\'">',
  '</script></noscript></style><script>document.title="pwned"</script>',
  '<!--<script>',
  "';document.title='pwned';'",
  '{{ 7 * 7 }} ${7*7}',
  '\u202egnp.exe \u2028 \u0085 \u0000',
  '`code` `unclosed',
  '"\n# HELP forged\nforged 1\n\\',
  '__proto__',
  '&lt;b&gt; &amp; 💾',
];

/** A run of a task. */
export const unit = (more: Partial<Unit> = {}): Unit => ({
  result: 'success',
  started: now - 6 * 3600 - 240,
  finished: now - 6 * 3600,
  last_good: now - 6 * 3600,
  failing_since: 0,
  failures: 0,
  failed: [],
  advice: [],
  optional_failures: [],
  troubles: [],
  warnings: [],
  archives: [],
  hooks: [],
  ...more,
});

/** What a machine says that is well. */
export const answer = (name: string, more: Partial<Answer> = {}): Answer => ({
  name,
  groups: ['backed_up'],
  reached: true,
  trouble: '',
  known: true,
  version: '0.1.0',
  cut: false,
  alert_after: 36,
  units: {
    backup: unit({
      archives: [['/var/lib/borg/repository', `${name}-files-2026-09-21T02:30:00Z`, 120_000, 6.1e9, 4.2e7]],
      hooks: [['backup-postgresql.service', 'success', true]],
    }),
    'backup-check': unit({ finished: now - 3 * day, last_good: now - 3 * day }),
    'backup-drill': unit({ finished: now - 4 * day, last_good: now - 4 * day }),
  },
  repositories: { '/var/lib/borg/repository': 42 },
  room: { '/var/lib/borg/repository': [3.1e11, 5e11] },
  history: [],
  live: {
    'backup.service': 'inactive',
    'backup.timer': 'active',
    'backup-check.timer': 'active',
    'backup-watch.timer': 'active',
  },
  unreported: {},
  next_run: now + 18 * 3600,
  ...more,
});

export const failed = (name: string): Answer =>
  answer(name, {
    units: {
      backup: unit({
        result: 'exit-code',
        last_good: now - 2 * day,
        failing_since: now - day,
        failures: 2,
        failed: ['backup-wiki.service (exit-code): the disk of the wiki is full'],
        advice: [
          'Mend what is said above; more is in `journalctl -u backup-wiki.service`.',
          'Then run `systemctl start backup.service`; what was saved before is still there.',
        ],
      }),
    },
  });

export const unreachable = (name: string): Answer =>
  answer(name, {
    reached: false,
    known: false,
    trouble: 'ssh: connect to host 10.0.0.7 port 22: No route to host',
    version: '',
    units: {},
    repositories: {},
    room: {},
    live: {},
    next_run: 0,
  });

export const silent = (name: string): Answer =>
  answer(name, { known: false, units: {}, repositories: {}, room: {}, live: {}, version: '', next_run: 0 });

export const overdue = (name: string): Answer =>
  answer(name, {
    units: { backup: unit({ finished: now - 5 * day, last_good: now - 5 * day }) },
    live: { 'backup.service': 'inactive', 'backup.timer': 'inactive' },
    next_run: 0,
  });

/** What a server says of a machine, how many days after it got something. */
export const client = (
  name: string,
  days: number,
  more: { refused?: string; alertAfter?: number; ours?: boolean } = {},
): Server['clients'][number] => [
  name,
  'present',
  days < 0 ? 0 : now - days * day,
  1.2e9,
  3e7,
  12,
  now - 3600,
  more.refused ?? '',
  more.alertAfter ?? 36,
  more.ours ?? true,
];

/** A server of repositories, which has no backup of its own. */
export const store = (name: string, more: Partial<Server> = {}): Answer =>
  answer(name, {
    known: false,
    version: '',
    units: {},
    repositories: {},
    room: {},
    live: { 'backup.timer': 'not-found' },
    next_run: 0,
    server: { trouble: '', judged: false, remembered: true, clients: [], problems: [], ...more },
  });

/** The same numbers in every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Machines as a fleet has them: most are well, some are not, some lie. @param count how many */
export function fleetOfMachines(count: number): Answer[] {
  const next = random(count);
  return Array.from({ length: count }, (_, index) => {
    const name = `${['web', 'db', 'mail', 'build', 'shop'][index % 5] ?? ''}-${String(index + 1).padStart(String(count).length, '0')}`;
    const groups = [
      'backed_up',
      ['web', 'databases', 'mail', 'builders', 'shops'][index % 5] ?? '',
      `rack_${index % 40}`,
    ];
    const grown = 1e9 + next(4e9);
    const history = Array.from({ length: 30 }, (_, run): Answer['history'][number] => [
      now - 6 * 3600 - (29 - run) * day + next(600),
      next(60) === 0 ? 0 : 1,
      60 + next(400),
      grown + run * next(2e7),
      1e6 + next(9e7),
    ]);
    const size = history.at(-1)?.[3] ?? 0;
    const fine = answer(name, {
      groups,
      history,
      units: {
        backup: unit({
          warnings: next(4) === 0 ? [`/srv/data/${next(1000)}/log: file changed while we backed it up`] : [],
          archives: ['files', 'dumps'].map((series, at) => [
            'ssh://backup@vault.example.org/./repository',
            `${name}-${series}-2026-09-21T02:30:0${next(10)}Z`,
            1000 + next(200_000),
            at === 0 ? size : next(1e8),
            next(9e7),
          ]),
          hooks: [[`backup-${['postgresql', 'mariadb', 'wiki'][index % 3] ?? ''}.service`, 'success', true]],
        }),
        'backup-check': unit({ finished: now - next(7 * day), last_good: now - day }),
        'backup-drill': unit({ finished: now - next(7 * day), last_good: now - day }),
      },
      next_run: now + next(day),
    });
    switch (index % 50) {
      case 7:
        return { ...failed(name), groups, history };
      case 19:
        return { ...overdue(name), groups, history };
      case 23:
        return { ...unreachable(name), groups };
      case 31:
        return { ...silent(name), groups };
      case 37: {
        const bad = hostile[index % hostile.length] ?? '';
        return {
          ...failed(name),
          groups: [bad],
          trouble: bad,
          units: {
            backup: unit({
              result: bad,
              failed: [bad],
              advice: [bad],
              warnings: hostile,
              archives: [[bad, bad, 1, 2, 3]],
              hooks: [[bad, bad, true]],
            }),
          },
          repositories: { [bad]: 3 },
        };
      }
      case 41:
        return {
          ...fine,
          units: {
            ...fine.units,
            'backup-drill': unit({ result: 'exit-code', failed: ['the dump of shop does not load'] }),
          },
        };
      default:
        return fine;
    }
  });
}

export const asked = (answers: readonly Answer[]): Asked => ({ version: '0.1.0', made: now, answers });
