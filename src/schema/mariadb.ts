import { absolutePath, printable, timeLimit } from './patterns.ts';
import { roleSchema } from './schema.ts';

/** The settings of role `mariadb`: a hook that dumps MariaDB before every backup. */
export const mariadb = roleSchema({
  role: 'mariadb',
  prefix: 'mariadb_',
  others: ['mariadb_user', 'mariadb_password', 'mariadb_socket'],
  renamed: { mariadb_account: 'mariadb_dump_account' },
  summary: 'Save MariaDB with every backup',
  description: [
    'Adds `backup-mariadb.service` to the backup, by the module `rootless.backup.hook`: a sandboxed hook that dumps every database, and the users, roles and grants, into `/backup/mariadb`. `backupctl restore-db mariadb` loads them.',
    'The restore test loads the dumps into a throwaway server and compares.',
    'Each dump is uncompressed SQL, which Borg deduplicates well; a manifest holds sizes and checksums.',
  ],
  settings: {
    mariadb_state: {
      type: 'string',
      description: ['`present` adds the hook to the backup; `absent` removes it and its dumps.'],
      default: 'present',
      enum: ['present', 'absent'],
    },
    mariadb_dump_user: {
      type: 'string',
      description: [
        'The user of the host that the hook runs as.',
        'With the default you need not set anything up: the server of Debian accepts `mysql` by socket authentication, with all privileges. For another user with an account that may only read: `CREATE USER backup@localhost IDENTIFIED VIA unix_socket; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO backup@localhost`.',
      ],
      default: 'mysql',
      pattern: '[a-z_][a-z0-9_-]{0,31}',
      allowed: 'the name of a user of the host',
    },
    mariadb_dump_account: {
      type: 'string',
      description: [
        'The account of the server. Empty: the one with the name of `mariadb_dump_user`. It needs the privileges `SELECT`, `SHOW VIEW`, `TRIGGER` and `EVENT` on everything; the hook fails if it lacks one. To restore, it needs all privileges, with `GRANT OPTION`.',
      ],
      default: '',
      pattern: `${printable}{0,128}`,
      allowed: 'the name of an account, without the host',
      examples: ['backup'],
    },
    mariadb_dump_password: {
      type: 'string',
      description: [
        'The password of `mariadb_dump_account`; put it in a vault. The hook gets it as a systemd credential only. Empty: the account uses socket authentication.',
      ],
      default: '',
      pattern: `${printable}*`,
      allowed: 'one line without control characters',
      writeOnly: true,
    },
    mariadb_dump_socket: {
      type: 'string',
      description: ['The socket of the server. The hook has no network.'],
      default: '/run/mysqld/mysqld.sock',
      pattern: `(?!/(?:var/)?tmp/)(?!.*:)${absolutePath}`,
      allowed: 'an absolute path without a colon, and not in /tmp or /var/tmp, of which the hook has its own',
    },
    mariadb_exclude: {
      type: 'array',
      description: [
        'The databases to leave out, by their exact names. `information_schema`, `performance_schema` and `sys` are always left out. Of `mysql` the hook dumps the users, roles, grants, plugins, servers and functions as SQL.',
      ],
      default: [],
      items: {
        type: 'string',
        description: ['A database.'],
        pattern: `${printable}+`,
        allowed: 'the exact name of a database',
      },
    },
    mariadb_data_directories: {
      type: 'array',
      description: [
        'The data directories, as paths or shell patterns. The archive of files leaves them out, since a copy of a live one is large and inconsistent.',
        'Add yours if the data lie elsewhere; the hook warns of a directory that is not covered.',
      ],
      default: ['/var/lib/mysql'],
      items: {
        type: 'string',
        description: ['A path or pattern.'],
        pattern: `/${printable}*`,
        allowed: 'an absolute path or shell pattern',
      },
    },
    mariadb_time_limit: {
      type: 'string',
      description: ['How long the dumps of all databases may take before the hook, and with it the backup, fails.'],
      default: '2h',
      pattern: timeLimit,
      allowed: 'a finite time span as in systemd.time(7), such as `90min` or `2h`',
    },
  },
});
