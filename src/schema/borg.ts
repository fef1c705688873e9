import { dumpChunks, dumpChunksBySize } from './borg-chunks.ts';
import { chunkerParams, compression, sshRepository } from './borg-patterns.ts';
import { absolutePath, printable } from './patterns.ts';
import { roleSchema, type ProgramSetting } from './schema.ts';

/** Read by Borg's side of the programs. */
const inBorg: ProgramSetting = { file: 'borg' };

/** The settings of role `borg`: the engine that makes the archives. Those of the frame are in `backup.ts`. */
export const borg = roleSchema({
  role: 'borg',
  prefix: 'borg_',
  frame: true,
  summary: 'Back a machine up with Borg, without root',
  description: [
    'Sets up `backup.service` and `backup.timer`, which starts it. The service runs Borg as the user `borg`, with the one capability `CAP_DAC_READ_SEARCH`, in a tight systemd sandbox.',
    'Other software adds itself with a drop-in in `/etc/systemd/system/backup.service.d/`, and leaves its data below `/backup`.',
    'The role `backup` comes along with this one. Its settings say what is saved and when, how long it is kept, and who is told.',
  ],
  settings: {
    borg_repositories: {
      type: 'array',
      description: [
        'Where the archives go: local paths, `ssh://user@host[:port]/path`, or `{server: NAME}` for a host of the inventory that has the role `repository`. Each run saves into each of them, in this order.',
        'The default is one repository on the machine itself. That alone is not a backup: the disk can die, burn or be stolen together with the data. Add a second repository elsewhere.',
        'A repository by `ssh://` needs `borg_known_hosts`. One by `server` needs nothing else: its account, key and host key come from the control node. Set it in the inventory, where the play of the server sees it.',
      ],
      default: ['/var/lib/borg/repository'],
      minItems: 1,
      items: {
        type: 'string',
        description: ['A location.'],
        pattern: `(?:${absolutePath}|${sshRepository})`,
        allowed: 'an absolute path, ssh://user@host[:port]/path, or {server: NAME}',
        alternative: {
          type: 'object',
          description: ['A server of the inventory.'],
          properties: {
            server: {
              type: 'string',
              description: ['Its name in the inventory.'],
              pattern: '.+',
              allowed: 'the name of a host of the inventory',
            },
          },
          required: ['server'],
        },
      },
      examples: [['/mnt/disk/borg', 'ssh://borg@backup.example.org/./web1']],
      // The administrator is asked to let the host in there: with the name of another one it would get that one's.
      control: true,
      json: { ...inBorg, value: '_borg_locations' },
    },
    borg_known_hosts: {
      type: 'array',
      description: [
        'The host keys of the servers of remote repositories, as lines of known_hosts. No key is ever trusted on first use.',
        "`ssh-keyscan -t ed25519 HOST` prints such a line; compare its fingerprint with the server's own before you trust it.",
      ],
      default: [],
      items: {
        type: 'string',
        description: ['A line of known_hosts. See sshd(8).'],
        pattern: String.raw`(?:@cert-authority )?[^\s#]+ (?:ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+(?: ${printable}*)?`,
        allowed: 'a line of known_hosts: names, key type, key',
      },
      examples: [['backup.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…']],
    },
    borg_passphrase: {
      type: 'string',
      description: [
        'The passphrase of the repositories; put it in a vault. Borg gets it as a systemd credential only.',
        'Empty: the host generates one at the first run, and the role saves it in `backup_secrets_dir`.',
        'If you change it, the role changes the passphrase of all repositories, or of none if it cannot reach one of them.',
      ],
      default: '',
      pattern: `(?:|(?=.*\\S)${printable}*)`,
      allowed: 'one line without control characters, and not only blanks',
      writeOnly: true,
    },
    borg_new_passphrase: {
      type: 'boolean',
      description: [
        'Whether to change the generated passphrase. The role makes a new one on the control node, and gives it to all repositories and then to the host. The old one stays in `backup_secrets_dir`, with its date.',
        'Say it once, on the command line: `-e borg_new_passphrase=true`.',
      ],
      default: false,
      control: true,
    },
    borg_new_ssh_key: {
      type: 'boolean',
      description: [
        'Whether to change the SSH key of the host. The role makes a new one on the control node and prints the line for `authorized_keys`. The old key stays in use until a later run of the role finds that all servers accept the new one.',
        'Say it once, on the command line: `-e borg_new_ssh_key=true`.',
      ],
      default: false,
      control: true,
    },
    borg_encryption: {
      type: 'string',
      description: ['How a repository is encrypted when it is created. See borg-init(1).'],
      default: 'repokey-blake2',
      enum: ['repokey-blake2', 'repokey', 'keyfile-blake2', 'keyfile', 'authenticated-blake2', 'authenticated', 'none'],
      json: inBorg,
    },
    borg_compression: {
      type: 'string',
      description: ['How data is compressed. See borg-compression(1).'],
      default: 'zstd,3',
      pattern: compression,
      allowed: 'none, lz4, zstd[,1-22], zlib[,0-9] or lzma[,0-9], with an optional auto, before it',
      json: inBorg,
    },
    borg_dump_chunker_params: {
      type: 'string',
      description: [
        'How Borg cuts the dumps in `/backup` into chunks. See borg-create(1), `--chunker-params`.',
        `Small chunks save only what changed in a dump, but each costs memory. \`auto\` cuts by the size of all dumps, so that Borg stays within 256 MiB: \`${dumpChunks.small.params}\` below ${dumpChunks.small.below} GiB, \`${dumpChunks.between.params}\` below ${dumpChunks.between.below} GiB, and \`${dumpChunks.large.params}\`, as Borg itself does, above. It goes back to smaller chunks only when the dumps are a quarter of that size, since after each change of the chunks Borg saves everything anew.`,
      ],
      default: 'auto',
      pattern: `(?:auto|${chunkerParams})`,
      allowed: `\`auto\`, or parameters of Borg such as \`${dumpChunks.small.params}\` or \`fixed,8192\``,
      json: { ...inBorg, key: 'dump_chunks', value: dumpChunksBySize('borg_dump_chunker_params') },
    },
    borg_lock_wait: {
      type: 'integer',
      description: ['How many seconds Borg waits for a repository that another host is using.'],
      default: 600,
      minimum: 1,
      maximum: 86_400,
      json: inBorg,
    },
    borg_upload_limit: {
      type: 'integer',
      description: [
        'How many KiB a second Borg may send to a remote repository, so that a backup leaves the line to others. 0: no limit.',
      ],
      default: 0,
      minimum: 0,
      maximum: 10_000_000,
      json: inBorg,
    },
    borg_check_duration: {
      type: 'integer',
      description: [
        'How many seconds a check in parts may take for each repository. The next check goes on where it stopped.',
        'A repository of less than 50 MB for each of these seconds (by default 90 GB) is checked as a whole, which also finds missing files. Such a check may take as long as `backup-check.service` may. If it does not finish, later checks of that repository are made in parts.',
      ],
      default: 1800,
      minimum: 60,
      maximum: 86_400,
      json: inBorg,
    },
    borg_packages: {
      type: 'array',
      description: [
        'The packages to install. Empty: Borg 1.2 or 1.4 is already there. `openssh-client` is added for a remote repository.',
      ],
      default: ['borgbackup'],
      items: {
        type: 'string',
        description: ['A package.'],
        pattern: '[A-Za-z0-9][A-Za-z0-9.+:=~_-]*',
        allowed: 'the name of a package',
      },
    },
    borg_delete_repositories: {
      type: 'boolean',
      description: [
        'With `backup_state: absent`: also delete the local repositories, and the passphrase and the keys on the host. There is no way back.',
      ],
      default: false,
    },
  },
});
