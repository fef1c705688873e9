import type { Schema, ValueOf } from './schema.ts';

/** How safe a machine is, the worst first: the order of the page. */
export const states = ['unreachable', 'silent', 'failing', 'overdue', 'unproven', 'mind', 'ok'] as const;
export type State = (typeof states)[number];

const seconds = (what: string) =>
  ({ type: 'integer', description: [`${what}, in seconds since 1970.`], minimum: 0 }) as const satisfies Schema;
const count = (what: string) => ({ type: 'integer', description: [what], minimum: 0 }) as const satisfies Schema;
const text = (what: string) => ({ type: 'string', description: [what] }) as const satisfies Schema;
const texts = (what: string) =>
  ({ type: 'array', description: [what], items: text('One of them.') }) as const satisfies Schema;

/** What a server says of the repository of a machine. */
const kept = ['absent', 'live_size', 'held_size', 'generations'] as const;
const repository = {
  absent: { type: 'boolean', description: ['Whether it is to save there no more.'] },
  changed: seconds('When it last saved something'),
  live_size: count('How many bytes its repository has on the disk.'),
  held_size: count('How many bytes more are kept of what was deleted.'),
  generations: count('How many generations are kept.'),
  last_generation: seconds('Of when the newest of them is'),
  refused: text('Why it is let in no more.'),
} as const;

/** One machine of `fleet.json`. What is not known is not there. */
const machine = {
  type: 'object',
  description: ['One machine of the inventory.'],
  required: [
    'name',
    'groups',
    'state',
    'problems',
    'remedies',
    'older',
    'cut',
    'hooks',
    'archives',
    'repositories',
    'warnings',
    'history',
  ],
  properties: {
    name: text('Its name in the inventory.'),
    groups: texts('Its groups in the inventory.'),
    state: {
      type: 'string',
      description: [
        'The worst that is known of it: it could not be reached; nothing is known of its backups; the last backup failed; there is no good one for too long; the last check or drill failed; something else is to be mended; all is well.',
      ],
      enum: states,
    },
    problems: texts('What is wrong. What stands in “” are words of the machine, or of a server.'),
    remedies: texts(
      'What to do about it, on the machine if nothing else is said. What stands in “” nobody has checked.',
    ),
    version: text('The version of the collection on it.'),
    older: { type: 'boolean', description: ['Whether that is older than the one that asked.'] },
    cut: { type: 'boolean', description: ['Whether the machine has more to say than one answer holds.'] },
    running: { type: 'boolean', description: ['Whether a backup is running.'] },
    last_good: seconds('When the last good backup ended'),
    last_run: seconds('When the last backup ended'),
    last_result: text('How it ended: `success`, or what systemd calls it.'),
    took: count('How many seconds it took.'),
    failures: count('How many backups failed in a row.'),
    failing_since: seconds('When the first of them ended'),
    last_check: seconds('When the last check ended'),
    check_result: text('How it ended.'),
    last_drill: seconds('When the last drill ended'),
    drill_result: text('How it ended.'),
    next_run: seconds('When the next backup is due'),
    files: count('How many files the newest archives hold.'),
    original_size: count('The size of what they hold, in bytes.'),
    deduplicated_size: count('What they added to their repositories, in bytes.'),
    hooks: {
      type: 'array',
      description: ['The hooks of the last backup.'],
      items: {
        type: 'object',
        description: ['One of them.'],
        required: ['unit', 'result', 'required'],
        properties: {
          unit: text('Its unit.'),
          result: text('How it ended.'),
          required: { type: 'boolean', description: ['Whether the backup fails with it.'] },
        },
      },
    },
    archives: {
      type: 'array',
      description: ['The newest archives.'],
      items: {
        type: 'object',
        description: ['One of them.'],
        required: ['repository', 'name', 'files', 'original_size', 'deduplicated_size'],
        properties: {
          repository: text('Where it is.'),
          name: text('Its name.'),
          files: count('How many files it holds.'),
          original_size: count('Their size, in bytes.'),
          deduplicated_size: count('What it added to the repository, in bytes.'),
        },
      },
    },
    repositories: {
      type: 'array',
      description: ['Its repositories.'],
      items: {
        type: 'object',
        description: ['One of them.'],
        required: ['repository'],
        properties: {
          repository: text('Where it is.'),
          archives: count('How many archives it keeps.'),
          free: count('How many bytes are free there; of a local one only.'),
          total: count('Of how many.'),
        },
      },
    },
    servers: {
      type: 'array',
      description: ['What servers of repositories say of it.'],
      items: {
        type: 'object',
        description: ['One of them.'],
        required: ['server', ...kept],
        properties: { server: text('Its name in the inventory.'), ...repository },
      },
    },
    clients: {
      type: 'array',
      description: ['Of a server: the machines that save to it, as it says.'],
      items: {
        type: 'object',
        description: ['One of them.'],
        required: ['client', 'remembered', ...kept],
        properties: {
          client: text('Its name, as the server knows it.'),
          remembered: { type: 'boolean', description: ['Whether the control node has it save there.'] },
          ...repository,
        },
      },
    },
    warnings: texts('What the last backup and the last check warned of.'),
    history: {
      type: 'array',
      description: ['The last backups, at most 30, the oldest first.'],
      items: {
        type: 'object',
        description: ['One of them.'],
        required: ['finished', 'ok', 'took', 'original_size', 'deduplicated_size'],
        properties: {
          finished: seconds('When it ended'),
          ok: { type: 'boolean', description: ['Whether it was good.'] },
          took: count('How many seconds it took.'),
          original_size: count('The size of what it saved, in bytes.'),
          deduplicated_size: count('What it added, in bytes.'),
        },
      },
    },
  },
} as const satisfies Schema;

/** `fleet.json`, as `rootless.backup.fleet` writes it. */
export const fleet = {
  type: 'object',
  description: ['What is known of the backups of all machines of an inventory.'],
  required: ['version', 'made', 'machines'],
  properties: {
    version: text('The version of the collection that asked.'),
    made: seconds('When they were asked'),
    machines: { type: 'array', description: ['The machines, the worst first.'], items: machine },
  },
} as const satisfies Schema;

export type Fleet = ValueOf<typeof fleet>;
export type Machine = ValueOf<typeof machine>;
