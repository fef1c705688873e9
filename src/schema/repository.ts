import { absolutePath } from './patterns.ts';
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
          { name: 'old', state: 'absent' },
        ],
      ],
    },
    repository_max_startups: {
      type: 'integer',
      description: [
        'How many connections of the SSH server may be under way before they are let in (`MaxStartups`): at the time of the backups, about as many as there are machines that start within some seconds.',
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
