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
    'Injects a sandboxed hook `backup-sqlite-NAME.service` for each entry of `sqlite_databases` into `backup.service`, by the module `rootless.backup.hook`: it copies live databases into `/backup/sqlite-NAME`, while others write to them.',
    'Pages stay where they are in the file, so Borg deduplicates well; each copy passes an integrity check, and a manifest holds sizes and checksums, and of each table the number of rows and a checksum of what is in them.',
  ],
  settings: {
    sqlite_state: {
      type: 'string',
      description: ['`present` injects the hooks; `absent` takes those of all entries, and their copies, away again.'],
      default: 'present',
      enum: ['present', 'absent'],
    },
    sqlite_databases: {
      type: 'array',
      description: [
        'What is copied, by owner: each entry is a hook of its own. To drop an entry, first give it `state: absent`, so that its hook goes.',
        'In `paths`, `*`, `?` and `[…]` match within a directory and `**/` any number of directories, names that begin with a dot too; `[[]` is a bracket. Each has to match something, and only databases.',
        'The hook may write in the directory of a database, or above the first pattern: SQLite keeps its locks there. It changes no database, but for rolling back what a crash left half done.',
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
        'Copying the databases of an entry may take this long; then the hook, and with it the backup, fails.',
      ],
      default: '1h',
      pattern: timeLimit,
      allowed: 'a finite time span as in systemd.time(7), such as `90min` or `2h`',
    },
  },
});
