import { absolutePath, printable, timeLimit } from './patterns.ts';
import { roleSchema, type ProgramSetting } from './schema.ts';

/** Read by `backup-postgresql`. */
const inProgram: ProgramSetting = { file: 'postgresql' };

/** The settings of role `postgres`: a hook that dumps PostgreSQL before every backup. */
export const postgres = roleSchema({
  role: 'postgres',
  prefix: 'postgres_',
  deployed: true,
  others: ['postgres_user'],
  summary: 'Save PostgreSQL with every backup',
  description: [
    'Adds `backup-postgresql.service` to the backup: a sandboxed hook that dumps every database, and the roles and tablespaces, into `/backup/postgresql`. `backupctl restore-db postgresql` loads them.',
    'Each dump is in the uncompressed custom format, which Borg deduplicates well; a manifest holds sizes and checksums.',
  ],
  settings: {
    postgres_state: {
      type: 'string',
      description: ['`present` adds the hook to the backup; `absent` removes it and its dumps.'],
      default: 'present',
      enum: ['present', 'absent'],
    },
    postgres_clusters: {
      type: 'array',
      description: [
        'The clusters to dump. Empty: each one that `pg_lsclusters` shows as online, or that starts by itself. The backup fails if one of these is down, or if there is none.',
      ],
      default: [],
      items: {
        type: 'object',
        description: ['A cluster.'],
        properties: {
          name: {
            type: 'string',
            description: ['The name of its directory under `/backup/postgresql`.'],
            pattern: '[A-Za-z0-9][A-Za-z0-9._-]{0,99}',
            allowed: 'letters, digits, dots, dashes and underscores',
          },
          port: {
            type: 'integer',
            description: ['The port, which also names the socket.'],
            default: 5432,
            minimum: 1,
            maximum: 65_535,
          },
          socket: {
            type: 'string',
            description: ['The directory of the socket.'],
            default: '/var/run/postgresql',
            pattern: absolutePath,
            allowed: 'an absolute path',
          },
        },
        required: ['name'],
      },
      examples: [[{ name: 'main', port: 5433 }]],
      json: inProgram,
    },
    postgres_exclude: {
      type: 'array',
      description: ['The databases to leave out, by their exact names.'],
      default: [],
      items: {
        type: 'string',
        description: ['A database.'],
        pattern: `${printable}+`,
        allowed: 'the exact name of a database',
      },
      json: inProgram,
    },
    postgres_dump_user: {
      type: 'string',
      description: ['The user that the hook runs as: a superuser of the clusters by peer authentication.'],
      default: 'postgres',
      pattern: '[a-z_][a-z0-9_-]{0,31}',
      allowed: 'the name of a user of the host',
    },
    postgres_data_directories: {
      type: 'array',
      description: [
        'The data directories, as paths or shell patterns. The archive of files leaves them out, since a copy of a live one is large and inconsistent.',
        'Add yours if a cluster or a tablespace lies elsewhere; the hook warns of one that is not covered.',
      ],
      default: ['/var/lib/postgresql/[0-9]*/*'],
      items: {
        type: 'string',
        description: ['A path or pattern.'],
        pattern: `/${printable}*`,
        allowed: 'an absolute path or shell pattern',
      },
      json: inProgram,
    },
    postgres_time_limit: {
      type: 'string',
      description: ['How long the dumps of all databases may take before the hook, and with it the backup, fails.'],
      default: '2h',
      pattern: timeLimit,
      allowed: 'a finite time span as in systemd.time(7), such as `90min` or `2h`',
    },
    postgres_lock_wait: {
      type: 'integer',
      description: ['How many seconds a dump waits for a locked table before it fails.'],
      default: 600,
      minimum: 1,
      maximum: 86_400,
      json: inProgram,
    },
  },
});
