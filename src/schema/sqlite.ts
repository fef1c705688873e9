import { absolutePath, timeLimit } from './patterns.ts';
import { roleSchema } from './schema.ts';

/** What is above the first pattern is bound into the sandbox, so there has to be something; `BindPaths=` takes no colon. */
const databasePath = `(?=/[^/*?\\[]+/)(?!.*(?:/$|//|:))${absolutePath}`;

/** The settings of role `sqlite`: hooks that copy live SQLite databases before every backup. */
export const sqlite = roleSchema({
  role: 'sqlite',
  prefix: 'sqlite_',
  summary: 'Save SQLite databases with every backup',
  description: [
    'Adds a sandboxed hook `backup-sqlite-NAME.service` to the backup for each entry of `sqlite_databases`, by the module `rootless.backup.hook`. It copies live databases into `/backup/sqlite-NAME`, while others write to them.',
    'In a copy all pages keep their places, so Borg deduplicates well. The hook checks the integrity of each copy. A manifest holds sizes and checksums, and for each table the number of rows and a checksum of their content.',
  ],
  settings: {
    sqlite_state: {
      type: 'string',
      description: ['`present` adds the hooks to the backup; `absent` removes those of all entries, and their copies.'],
      default: 'present',
      enum: ['present', 'absent'],
    },
    sqlite_databases: {
      type: 'array',
      description: [
        'What to copy, by owner: each entry makes a hook of its own. Before you drop an entry, apply the role with `state: absent` in it, so that its hook goes.',
        'In `paths`, `*`, `?` and `[…]` match within a directory, and `**/` matches any number of directories. Names that begin with a dot match too; `[[]` is a bracket. Each path has to match something, and only databases.',
        'The hook may write in the directory of a database, or above the first pattern: SQLite keeps its locks there. It changes no database, except that it rolls back what a crash left half done.',
      ],
      default: [],
      items: {
        type: 'object',
        description: ['The databases of one owner.'],
        properties: {
          name: {
            type: 'string',
            description: ['Names the hook `sqlite-NAME`.'],
            pattern: '(?!.*-cleanup$)[a-z0-9][a-z0-9_-]{0,42}',
            allowed: 'up to 43 lowercase letters, digits, dashes and underscores, not ending in -cleanup',
          },
          user: {
            type: 'string',
            description: ['The owner of the databases, as whom the hook runs.'],
            pattern: '[A-Za-z_][A-Za-z0-9_.-]{0,31}',
            allowed: 'the name of a user of the host',
          },
          paths: {
            type: 'array',
            description: ['The databases, as paths or patterns.'],
            minItems: 1,
            items: {
              type: 'string',
              description: ['A path or pattern.'],
              pattern: databasePath,
              allowed: 'an absolute path or pattern of a file, below a directory that is no pattern, without a colon',
            },
          },
          state: {
            type: 'string',
            description: ['`absent` takes this hook and its copies away.'],
            default: 'present',
            enum: ['present', 'absent'],
          },
        },
        required: ['name', 'user', 'paths'],
      },
      examples: [[{ name: 'wiki', user: 'wiki', paths: ['/srv/wiki/data/*.db'] }]],
    },
    sqlite_exclude_live: {
      type: 'boolean',
      description: [
        'Leave the live files, and their `-wal`, `-shm` and `-journal`, out of the archive of files: a copy of a live database can be damaged, and would be saved twice.',
      ],
      default: true,
    },
    sqlite_busy_timeout: {
      type: 'integer',
      description: ['How many seconds the hook waits for a database that another program has locked, before it fails.'],
      default: 60,
      minimum: 1,
      maximum: 3600,
    },
    sqlite_time_limit: {
      type: 'string',
      description: [
        'How long the copies of the databases of an entry may take before the hook, and with it the backup, fails.',
      ],
      default: '1h',
      pattern: timeLimit,
      allowed: 'a finite time span as in systemd.time(7), such as `90min` or `2h`',
    },
  },
});
