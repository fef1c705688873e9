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
  summary: 'Keep the repositories of many hosts on a server, and what they delete',
  description: [
    'Makes an account, a directory and a line of `authorized_keys` for each host of the inventory whose `borg_repositories` has `{server: NAME}` with the name of this server. The control node makes the keys, so you paste nothing, and no host key is trusted on first use.',
    'Apply it before the role `borg` of these hosts, in the same playbook.',
    'An account reaches one repository, by `borg serve` alone: no shell, no forwarding, no repository of another host. A host that leaves the inventory keeps its account until `repository_clients` says that it is `absent`. Its data stay.',
  ],
  settings: {
    repository_state: {
      type: 'string',
      description: [
        '`present` sets the server up; `absent` removes the accounts, programs and settings. The repositories stay, and belong to the numbers of the accounts.',
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
        'How the hosts reach this server. Empty: as Ansible does (`ansible_host`, or else its name in the inventory).',
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
        'The numbers of the accounts, first and last. The control node keeps the number of each host in `repository-accounts.json`, in `backup_secrets_dir` of the server. So a server that is set up after a loss gives each host its old number.',
      ],
      default: '70000-79999',
      pattern: '[1-9][0-9]{2,8}-[1-9][0-9]{2,8}',
      allowed: 'two numbers, such as `70000-79999`',
      control: true,
    },
    repository_quota: {
      type: 'string',
      description: [
        'How much each host may store. Empty: no limit, so that one host can fill the disk of all. Borg counts what is stored, not what was deleted and still takes room.',
      ],
      default: '',
      pattern: `(?:|${size})`,
      allowed: `${sizeAllowed}, or an empty text`,
    },
    repository_undelete_days: {
      type: 'integer',
      description: [
        'For how many days you can get back what a host deletes. This costs the room of what was deleted. For every hour in which a repository changed, the server keeps a generation of it, out of the reach of the hosts. `repositoryctl restore` brings one back.',
      ],
      default: 30,
      minimum: 1,
      maximum: 3650,
    },
    repository_most: {
      type: 'string',
      description: [
        'How much a repository may take on the disk, together with what was deleted from it and can still come back. The server refuses a host that takes more, and reports that, until enough of it expires: no generation goes before its time. Empty: no limit.',
      ],
      default: '',
      pattern: `(?:|${size})`,
      allowed: `${sizeAllowed}, or an empty text`,
    },
    repository_session_time_limit: {
      type: 'string',
      description: [
        'How long a session of a host may last. After that the server ends it within a quarter of an hour. What it saved by then is not lost: the next run of the host goes on from its last checkpoint.',
      ],
      default: '24h',
      pattern: timeLimit,
      allowed: 'a finite time span as in systemd.time(7), such as `90min` or `12h`',
    },
    repository_alert_after: {
      type: 'integer',
      description: [
        'After how many hours in which a host saved nothing the server reports that: a dead host cannot. 0: never.',
      ],
      default: 36,
      minimum: 0,
      maximum: 8784,
    },
    repository_clients: {
      type: 'array',
      description: ['Settings for single hosts that differ from those for all.'],
      default: [],
      items: {
        type: 'object',
        description: ['A host.'],
        properties: {
          name: { type: 'string', description: ['Its name in the inventory.'], pattern: '.+', allowed: 'a name' },
          quota: { type: 'string', description: ['How much it may store.'], pattern: size, allowed: sizeAllowed },
          alert_after: {
            type: 'integer',
            description: [
              'After how many hours without anything saved the server reports that; 0 for a host that is often off.',
            ],
            minimum: 0,
            maximum: 8784,
          },
          state: {
            type: 'string',
            description: ['`absent` locks it out. Its data and the number of its account stay.'],
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
        'When the server verifies the newest generations by their checksums, without a key: one host after the other, at low priority.',
      ],
      default: 'daily',
      pattern: calendarEvent,
      allowed: 'a calendar event as in systemd.time(7), such as `daily` or `Mon..Fri 02:30`',
    },
    repository_check_duration: {
      type: 'integer',
      description: ['For how many seconds a check goes on. The next check goes on where it stopped.'],
      default: 3600,
      minimum: 10,
      maximum: 604_800,
    },
    repository_memory: {
      type: 'string',
      description: [
        'How much memory the sessions of a host may take together (`MemoryMax` of the slice of its account). Borg takes about 100 MB for each TB that the repository holds.',
      ],
      default: '2G',
      pattern: '[1-9][0-9]{0,5}[MGT]',
      allowed: 'a number with `M`, `G` or `T`, such as `2G`',
    },
    repository_max_startups: {
      type: 'integer',
      description: [
        'How many connections to the SSH server may wait for their login at the same time (`MaxStartups`). The role sets at least the number of hosts.',
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
