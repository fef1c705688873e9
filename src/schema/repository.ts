import { absolutePath, calendarEvent, timeLimit } from './patterns.ts';
import { roleSchema } from './schema.ts';

/** A number of bytes as Borg takes it. @see borg-serve(1) "--storage-quota" */
const size = '[1-9][0-9]{0,5}(?:\\.[0-9]{1,3})?[KMGT]';
const sizeAllowed = 'a number with `K`, `M`, `G` or `T`, such as `500G`';

/** The settings of role `repository`: a server of Borg repositories that many machines save to. */
export const repository = roleSchema({
  role: 'repository',
  prefix: 'repository_',
  deployed: true,
  summary: 'Keep the repositories of many machines on a server, and what they delete',
  description: [
    'Makes an account, a directory and a line of `authorized_keys` for each machine of the inventory whose `borg_repositories` has `{server: NAME}` with the name of this host. The control node makes the keys, so nothing is pasted, and no host key is trusted on first use.',
    'Run it before role `borg` of the machines, in the same playbook.',
    'An account reaches one repository, by `borg serve` alone: no shell, no forwarding, no repository of another machine. A machine that leaves the inventory keeps its account until it is said to be `absent` here; its data stay.',
  ],
  settings: {
    repository_state: {
      type: 'string',
      description: [
        '`present` sets the server up; `absent` takes the accounts, programs and settings away again. The repositories stay, and belong to the numbers of the accounts.',
      ],
      default: 'present',
      enum: ['present', 'absent'],
    },
    repository_path: {
      type: 'string',
      description: [
        'Where the repositories are, each in a directory of its account. Choose a file system of its own, so that a full one fills nothing else.',
      ],
      default: '/srv/repositories',
      pattern: `(?!/+$)${absolutePath}`,
      allowed: 'an absolute path',
    },
    repository_address: {
      type: 'string',
      description: [
        'How the machines reach this server. Empty: as Ansible does (`ansible_host`, or else its name in the inventory).',
      ],
      default: '',
      pattern: '(?:|[A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)',
      allowed: 'a name or an IP address',
      control: true,
    },
    repository_port: {
      type: 'integer',
      description: ['The port of its SSH server. The role does not change it.'],
      default: 22,
      minimum: 1,
      maximum: 65_535,
      control: true,
    },
    repository_uid_range: {
      type: 'string',
      description: [
        'The numbers of the accounts, first and last. Which machine has which is kept in `repository-accounts.json` in `backup_secrets_dir` of the server, on the control node: after a loss of the server they are the same again.',
      ],
      default: '70000-79999',
      pattern: '[1-9][0-9]{2,8}-[1-9][0-9]{2,8}',
      allowed: 'two numbers, such as `70000-79999`',
      control: true,
    },
    repository_quota: {
      type: 'string',
      description: [
        'How much each machine may store. Empty: no limit, so that one machine can fill the disk of all. Borg counts what is stored, not what was deleted and still takes room.',
      ],
      default: '',
      pattern: `(?:|${size})`,
      allowed: `${sizeAllowed}, or an empty text`,
    },
    repository_undelete_days: {
      type: 'integer',
      description: [
        'How many days what a machine deletes can be had back. It costs the room of what is deleted. Every hour in which a repository changed the server keeps a generation of it, out of the reach of the machines; `repositoryctl restore` brings one back.',
      ],
      default: 30,
      minimum: 1,
      maximum: 3650,
    },
    repository_most: {
      type: 'string',
      description: [
        'How much a repository may take on the disk together with what was deleted from it and can still be had back. A machine that takes more is let in no more, and told of, until some of that expires: no generation goes before its time. Empty: no limit.',
      ],
      default: '',
      pattern: `(?:|${size})`,
      allowed: `${sizeAllowed}, or an empty text`,
    },
    repository_session_time_limit: {
      type: 'string',
      description: [
        'How long a session of a machine may last; then it is ended, within a quarter of an hour. What it had saved by then is not lost: the next run of the machine goes on from its last checkpoint.',
      ],
      default: '24h',
      pattern: timeLimit,
      allowed: 'a finite time span as in systemd.time(7), such as `90min` or `12h`',
    },
    repository_alert_after: {
      type: 'integer',
      description: [
        'How many hours a machine may save nothing before it is told here: one that is dead cannot say so itself. 0: never.',
      ],
      default: 36,
      minimum: 0,
      maximum: 8784,
    },
    repository_clients: {
      type: 'array',
      description: ['What is otherwise for a machine than for the rest.'],
      default: [],
      items: {
        type: 'object',
        description: ['A machine.'],
        properties: {
          name: { type: 'string', description: ['Its name in the inventory.'], pattern: '.+', allowed: 'a name' },
          quota: { type: 'string', description: ['How much it may store.'], pattern: size, allowed: sizeAllowed },
          alert_after: {
            type: 'integer',
            description: ['How many hours it may save nothing before that is told; 0 for one that is often off.'],
            minimum: 0,
            maximum: 8784,
          },
          state: {
            type: 'string',
            description: ['`absent` lets it in no more. Its data and the number of its account stay.'],
            default: 'present',
            enum: ['present', 'absent'],
          },
        },
        required: ['name'],
      },
      examples: [
        [
          { name: 'web1', quota: '2T' },
          { name: 'laptop', alert_after: 0 },
          { name: 'old', state: 'absent' },
        ],
      ],
    },
    repository_check_schedule: {
      type: 'string',
      description: [
        'When the newest generations are verified by their checksums, without a key: one machine after the other, at low priority.',
      ],
      default: 'daily',
      pattern: calendarEvent,
      allowed: 'a calendar event as in systemd.time(7), such as `daily` or `Mon..Fri 02:30`',
    },
    repository_check_duration: {
      type: 'integer',
      description: ['For how many seconds; the next time it goes on from there.'],
      default: 3600,
      minimum: 10,
      maximum: 604_800,
    },
    repository_memory: {
      type: 'string',
      description: [
        'How much memory the sessions of a machine may take together (`MemoryMax` of the slice of its account). Borg takes about 100 MB for each TB that the repository holds.',
      ],
      default: '2G',
      pattern: '[1-9][0-9]{0,5}[MGT]',
      allowed: 'a number with `M`, `G` or `T`, such as `2G`',
    },
    repository_max_startups: {
      type: 'integer',
      description: [
        'How many connections of the SSH server may be under way before they are let in (`MaxStartups`); at least as many as there are machines.',
      ],
      default: 200,
      minimum: 10,
      maximum: 100_000,
    },
    repository_packages: {
      type: 'array',
      description: ['The packages to install. Empty: Borg and an SSH server are already there.'],
      default: ['borgbackup', 'openssh-server'],
      items: {
        type: 'string',
        description: ['A package.'],
        pattern: '[A-Za-z0-9][A-Za-z0-9.+:=~_-]*',
        allowed: 'the name of a package',
      },
    },
  },
});
