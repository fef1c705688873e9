import { account } from './host.ts';
import { absolutePath, printable, timeLimit } from './patterns.ts';
import { sandboxOption } from './sandbox.ts';
import type { Schema, ValueOf } from './schema.ts';

const unitName = '[A-Za-z0-9@_.:-]+\\.(?:service|socket|target|mount|path)';
/** `BindPaths=` takes a colon for its separator. @see systemd.exec(5) */
const bindable = `(?!.*:)${absolutePath}`;

const path = (description: string) =>
  ({
    type: 'string',
    description: [description],
    pattern: `(?!/+$)${bindable}`,
    allowed: 'an absolute path other than /, without . and .. in it, and without a colon',
  }) as const satisfies Schema;

/** What the frame, or its engine, has units or drop-ins of. */
const reserved = [account, 'check', 'drill', 'report', 'watch'];
const hookName = `(?!(?:${reserved.join('|')})$|zz|.*-(?:cleanup|restore)$)[a-z0-9][a-z0-9_-]{0,49}`;

/** A file name, and a credential's. @see systemd.exec(5) "LoadCredential=" */
const credentialName = '[A-Za-z0-9][A-Za-z0-9._-]{0,99}';

const command = (description: readonly string[]) =>
  ({
    type: 'array',
    description,
    minItems: 1,
    items: {
      type: 'string',
      description: ['An argument.'],
      pattern: `${printable}*`,
      allowed: 'text without control characters',
    },
    allowed: 'a program with its absolute path, and its arguments, as a list or one string',
  }) as const satisfies Schema;

/** The options that are command lines: a list, or a string that is split into one. */
export const commandOptions = ['command', 'restore', 'prove'] as const;

/** The options of `rootless.backup.hook`: what one piece of software wants done before every backup. */
export const hookOptions = {
  type: 'object',
  description: ['A hook of the backup.'],
  required: ['name'],
  properties: {
    name: {
      type: 'string',
      description: [
        'Names the hook: `backup-NAME.service`, its directory `/backup/NAME`, its drop-in in `backup.service.d`.',
      ],
      pattern: hookName,
      allowed: `up to 50 lowercase letters, digits, dashes and underscores, but none of ${reserved.join(', ')}, and nothing that begins with zz (whose drop-ins come last) or ends in -cleanup or -restore`,
      examples: ['wiki'],
    },
    state: {
      type: 'string',
      description: ['`absent` takes the hook and its dump away again.'],
      enum: ['present', 'absent'],
      default: 'present',
    },
    user: {
      type: 'string',
      description: ['The user that the hook runs as. It has to exist. Needed unless `state` is `absent`.'],
      pattern: '[A-Za-z_][A-Za-z0-9_.-]{0,31}\\$?',
      allowed: 'the name of a user of the host',
    },
    group: {
      type: 'string',
      description: ['Its group, if not the one of the user.'],
      pattern: '[A-Za-z_][A-Za-z0-9_.-]{0,31}\\$?',
      allowed: 'the name of a group of the host',
    },
    command: {
      ...command([
        'The program, with its absolute path, and its arguments; it leaves what is to be saved in `/backup/NAME`.',
        'A list is taken as it is. A string is split at white space, with quotes as in a shell, but no shell runs: what needs one is a `script`.',
      ]),
      examples: [['/usr/local/bin/wiki', 'export', '--to', '/backup/wiki/wiki.xml']],
    },
    script: {
      type: 'string',
      description: [
        'A script, in place of `command`, for what is more than one. It begins with `#!` and is readable by everybody on the host: it is no place for a secret.',
      ],
      pattern: '#!/[^\\r\\n]+(?:\\n[^]*)?',
      allowed: 'a text whose first line begins with #!/ and does not end in a carriage return',
    },
    files: {
      type: 'string',
      description: [
        'A directory on the control node with programs of the hook and what they need, each where it lands on the host, such as `usr/local/lib/backup/wiki-dump`.',
        'Hooks that lay down the same file share it, and the last one that is taken away takes it along.',
      ],
      pattern: absolutePath,
      allowed: 'an absolute path on the control node, such as `{{ role_path }}/files`',
    },
    package: {
      type: 'boolean',
      description: [
        'Whether the Python package `rootless_backup` is laid down too, which the programs of this collection share in `/usr/local/lib/backup`. A host keeps the newest: an older version of the collection is refused.',
      ],
      default: false,
    },
    restore: command([
      'The program, with its absolute path, and its arguments, that loads what was saved of the hook; `backupctl restore-db NAME` starts it as the hook itself is started, in `backup-NAME-restore.service`.',
      'It finds what is to be restored in `$BACKUP_DUMP`, a directory, and in the file `$BACKUP_REQUEST` as what, in JSON: `items`, each with `file`, `name` and `into`; `over`, whether it may take the place of what is there; `globals`; `all`, `strict`, `partial` and `in_place`, as `backupctl restore-db` was called.',
      'With `script`, the script is `/usr/local/lib/backup/hook-NAME`.',
    ]),
    prove: command([
      'The program, with its absolute path, and its arguments, that proves what was saved of the hook: `backup-drill.service` starts it after it has restored an archive. It runs as the user `backup-prove`, who owns nothing, without network, secrets or capabilities, in an empty directory that goes afterwards.',
      'It finds all that was in `/backup/NAME` in `$BACKUP_DUMP`. It exits with 0 only if the dump is good, and prints what is not, a line each that begins with `<3>`, and at last what it has proven.',
    ]),
    environment: {
      type: 'object',
      description: [
        'Environment variables. They are readable by everybody on the host: a secret is one of the `credentials`.',
      ],
      default: {},
      propertyNames: '[A-Za-z_][A-Za-z0-9_]*',
      allowedNames: 'letters, digits and underscores, not beginning with a digit',
      additionalProperties: {
        type: 'string',
        description: ['A value.'],
        pattern: `${printable}*`,
        allowed: 'text without control characters',
      },
    },
    credentials: {
      type: 'object',
      description: [
        'Secrets: a name, and the file of the host that systemd reads it from, as root. The hook finds it in `$CREDENTIALS_DIRECTORY/NAME`.',
      ],
      default: {},
      propertyNames: credentialName,
      allowedNames: 'letters, digits, dots, dashes and underscores, beginning with a letter or digit',
      additionalProperties: {
        type: 'string',
        writeOnly: true,
        description: ['A file of the host.'],
        pattern: `(?!.*[ \\\\]/*$)${bindable}`,
        allowed:
          'an absolute path of a file on the host, without . and .. in it, without a colon, and without a blank or backslash at its end; for the secret itself use the option `secrets`',
      },
    },
    secrets: {
      type: 'object',
      writeOnly: true,
      description: [
        'Secrets, like `credentials`, but given here, from a vault: a name, and the secret itself. Each is laid down in `/etc/credstore/backup-NAME`, for root only, and shown in no diff, log or message.',
      ],
      default: {},
      propertyNames: credentialName,
      allowedNames: 'letters, digits, dots, dashes and underscores, beginning with a letter or digit',
      additionalProperties: {
        type: 'string',
        writeOnly: true,
        description: ['A secret.'],
        pattern: '[^\\x00]+',
        allowed: 'a text that is not empty',
      },
    },
    read: {
      type: 'array',
      description: [
        'What the hook reads of `/home`, `/root`, `/srv`, `/mnt` and `/media`. The rest of them is out of its sight.',
      ],
      default: [],
      items: path('A path that exists on the host.'),
    },
    write: {
      type: 'array',
      description: ['What it writes to beside `/backup/NAME`.'],
      default: [],
      items: path('A path that exists on the host.'),
    },
    network: {
      type: 'string',
      description: [
        '`none`: only sockets in the file system, such as those of a database. `local`: this machine. `any`: everything.',
      ],
      enum: ['none', 'local', 'any'],
      default: 'none',
    },
    timeout: {
      type: 'string',
      description: ['It may take this long; then it fails.'],
      default: '1h',
      pattern: timeLimit,
      allowed: 'a finite time span as in systemd.time(7), such as `90min` or `2h`',
    },
    cleanup: {
      type: 'string',
      description: [
        'What becomes of the dump after the backup. `keep`: it stays until the next one takes its place, and can be restored without Borg. `remove`: when everything was saved, all in `/backup/NAME` is removed; after a failure it stays.',
      ],
      enum: ['keep', 'remove'],
      default: 'keep',
    },
    exclude: {
      type: 'array',
      description: [
        'What the archive of files leaves out: the live data that the dump stands for, as absolute paths or shell patterns, each with everything beneath it.',
      ],
      default: [],
      items: {
        type: 'string',
        description: ['A path or pattern.'],
        pattern: `/${printable}*`,
        allowed: 'an absolute path or shell pattern',
      },
    },
    required: {
      type: 'boolean',
      description: [
        'Whether the backup fails if the hook fails. If not, its failure is reported and the backup goes on.',
      ],
      default: true,
    },
    order: {
      type: 'array',
      description: [
        'The hooks, by their names, that have to be done before it starts, because it shares something with them. All others run at the same time.',
      ],
      default: [],
      items: {
        type: 'string',
        description: ['The name of a hook.'],
        pattern: hookName,
        allowed: 'the name of a hook, in lowercase letters, digits, dashes and underscores',
      },
    },
    after: {
      type: 'array',
      description: ['Units that have to be up before it starts, if they are to be started at all.'],
      default: [],
      items: { type: 'string', description: ['A unit.'], pattern: unitName, allowed: 'the full name of a unit' },
    },
    sandbox: sandboxOption,
  },
} as const satisfies Schema;

/** The options of a hook as its author gave them, complete and checked. */
export type HookOptions = ValueOf<typeof hookOptions>;
