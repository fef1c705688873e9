import { dumpChunks, dumpChunksBySize } from './chunks.ts';
import {
  absolutePath,
  calendarEvent,
  chunkerParams,
  compression,
  printable,
  sshRepository,
  timeLimit,
  timeSpan,
} from './patterns.ts';
import { roleSchema, type ProgramSetting, type Schema } from './schema.ts';

/** Read by `backup-borg`. */
const inBorg: ProgramSetting = { file: 'borg' };
/** Read by `backup-report`. */
const inReport: ProgramSetting = { file: 'report' };

const keep = (period: string, count: number): Schema => ({
  type: 'integer',
  description: [`How many ${period} archives of each series to keep. 0 keeps none for this period.`],
  default: count,
  minimum: 0,
  maximum: 100_000,
  json: inBorg,
});

const timer = (description: readonly string[], fallback: string): Schema => ({
  type: 'string',
  description,
  default: fallback,
  pattern: calendarEvent,
  allowed: 'a calendar event as in systemd.time(7), such as `daily` or `Mon..Fri 02:30`',
});

const span = (description: readonly string[], fallback: string, pattern: string): Schema => ({
  type: 'string',
  description,
  default: fallback,
  pattern,
  allowed: 'a finite time span as in systemd.time(7), such as `90min` or `12h`',
});

/** The settings of role `borg`: the frame of the backup, and Borg in it. */
export const borg = roleSchema({
  role: 'borg',
  prefix: 'borg_',
  summary: 'Back a machine up with Borg, without root',
  description: [
    'Sets up `backup.service`, which runs Borg as the user `borg` with the one capability `CAP_DAC_READ_SEARCH` in a tight systemd sandbox, and `backup.timer`, which starts it.',
    'Other software injects itself with a snippet in `/etc/systemd/system/backup.service.d/` and leaves what it wants saved under `/backup`.',
  ],
  settings: {
    borg_state: {
      type: 'string',
      description: [
        '`present` sets the backup up; `absent` takes every unit, program, setting and the user away again.',
        'Repositories, and the passphrase and keys that open them, stay unless `borg_delete_repositories` is true.',
      ],
      default: 'present',
      enum: ['present', 'absent'],
    },
    borg_repositories: {
      type: 'array',
      description: [
        'Where the archives go: local paths, or `ssh://user@host[:port]/path`. Each run saves into each of them, in this order.',
        'The default is one repository on the machine itself. A disk is not a backup: it dies, burns and is stolen together with what it should save. Add a second place.',
        'A remote repository needs `borg_known_hosts`.',
      ],
      default: ['/var/lib/borg/repository'],
      minItems: 1,
      items: {
        type: 'string',
        description: ['A location.'],
        pattern: `(?:${absolutePath}|${sshRepository})`,
        allowed: 'an absolute path, or ssh://user@host[:port]/path',
      },
      examples: [['/mnt/disk/borg', 'ssh://borg@backup.example.org/./web1']],
      json: inBorg,
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
        'Empty: the host generates one at the first run, and the role saves it in `borg_secrets_dir`.',
        'It is set when a repository is created. Changing it later does not change the repository: see `borg key change-passphrase`.',
      ],
      default: '',
      pattern: `(?:|(?=.*\\S)${printable}*)`,
      allowed: 'one line without control characters, and not only blanks',
      writeOnly: true,
    },
    borg_secrets_dir: {
      type: 'string',
      description: [
        'Where on the control node the passphrase (if generated) and the exported keys of this host are saved, each file with mode 0600.',
        'By default in `backup-secrets` beside the inventory; without an inventory file, in the current directory.',
        'Keep it safe and apart from the hosts: without it the backup of a lost host cannot be read.',
        'It is refused if it is made of what a host says of itself, such as `ansible_hostname`; use `inventory_hostname`.',
      ],
      default:
        "{{ inventory_dir if (inventory_dir | default('None', true) | string) != 'None' else lookup('ansible.builtin.env', 'PWD') }}/backup-secrets/{{ inventory_hostname }}",
      pattern: `/(?!.*ansible_collections/)${printable}+`,
      allowed:
        'an absolute path on the control node, and not in an installed collection, whose next version would replace it',
    },
    borg_encryption: {
      type: 'string',
      description: ['How a repository is encrypted when it is created. See borg-init(1).'],
      default: 'repokey-blake2',
      enum: ['repokey-blake2', 'repokey', 'keyfile-blake2', 'keyfile', 'authenticated-blake2', 'authenticated', 'none'],
      json: inBorg,
    },
    borg_paths: {
      type: 'array',
      description: [
        'What is saved: absolute paths, each with everything beneath it. `/backup`, where hooks leave their dumps, is always saved too, in an archive of its own.',
        'A path that is missing, unreadable, or hidden by the sandbox fails the run.',
      ],
      default: ['/etc', '/home', '/opt', '/root', '/srv', '/usr/local', '/var'],
      minItems: 1,
      items: {
        type: 'string',
        description: ['A path.'],
        pattern: absolutePath,
        allowed: 'an absolute path without . or ..',
      },
      json: inBorg,
    },
    borg_exclude: {
      type: 'array',
      description: [
        'What is left out: absolute paths or shell patterns (`*` stays within a directory, `**` crosses directories), each with everything beneath it.',
        "Software adds its own in `/etc/backup/exclude.d/`. Local repositories and Borg's own cache are always left out.",
      ],
      default: ['/home/*/.cache', '/root/.cache', '/var/cache', '/var/lib/apt/lists', '/var/tmp'],
      items: {
        type: 'string',
        description: ['A path or pattern.'],
        pattern: `/${printable}*`,
        allowed: 'an absolute path or shell pattern',
      },
      json: inBorg,
    },
    borg_one_file_system: {
      type: 'boolean',
      description: ['Do not cross into other file systems below a path of `borg_paths`.'],
      default: false,
      json: inBorg,
    },
    borg_archive_prefix: {
      type: 'string',
      description: [
        "What the names of this host's archives begin with: `PREFIX-files-2026-01-31T02:00:00Z` and `PREFIX-dumps-…`. Times are UTC.",
        'Prune touches only archives of exactly this form, so hosts may share a repository.',
      ],
      default: '{{ inventory_hostname }}',
      pattern: '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,99})',
      allowed: 'up to 100 letters, digits, dots, dashes and underscores, beginning with a letter or digit',
      json: { ...inBorg, key: 'prefix' },
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
        `Small chunks save only what changed in a dump, but each costs memory. \`auto\` cuts by the size of all dumps, so that Borg stays within 512 MiB: \`${dumpChunks.small.params}\` below ${dumpChunks.small.below} GiB, \`${dumpChunks.between.params}\` below ${dumpChunks.between.below} GiB, and \`${dumpChunks.large.params}\`, as Borg itself does, above. It goes back to smaller chunks only when the dumps are a quarter of that, since other chunks than before save everything anew.`,
      ],
      default: 'auto',
      pattern: `(?:auto|${chunkerParams})`,
      allowed: `\`auto\`, or parameters of Borg such as \`${dumpChunks.small.params}\` or \`fixed,8192\``,
      json: { ...inBorg, key: 'dump_chunks', value: dumpChunksBySize('borg_dump_chunker_params') },
    },
    borg_keep_daily: keep('daily', 30),
    borg_keep_weekly: keep('weekly', 12),
    borg_keep_monthly: keep('monthly', 12),
    borg_schedule: timer(['When the backup runs. A run that was missed is made up at the next boot.'], 'daily'),
    borg_randomized_delay: span(
      [
        'Each host starts this much later at the most, always by the same amount, so that they do not all start at once.',
      ],
      '1h',
      timeSpan,
    ),
    borg_time_limit: span(
      [
        'Borg may take this long; then the run fails. Its data are not lost: the next run goes on from the last checkpoint.',
      ],
      '12h',
      timeLimit,
    ),
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
    borg_check_schedule: timer(['When the repositories are checked for damage, by `borg-check.timer`.'], 'weekly'),
    borg_check_duration: {
      type: 'integer',
      description: ['How many seconds a check may take for each repository. The next one goes on where it stopped.'],
      default: 1800,
      minimum: 60,
      maximum: 86_400,
      json: inBorg,
    },
    borg_drill: {
      type: 'boolean',
      description: [
        'Whether `backup-drill.timer` runs the drill: it restores from the newest archives, and from an older one in turn, and compares with what was recorded when they were made. Dumps are loaded into a throwaway server.',
      ],
      default: true,
      // Whether a drill that no timer starts is something to mend.
      json: inReport,
    },
    borg_drill_schedule: timer(['When the drill runs.'], 'weekly'),
    borg_drill_sample: {
      type: 'integer',
      description: [
        'How many files each backup records the checksums of, chosen at random anew each time, for the drill to restore and compare.',
      ],
      default: 50,
      minimum: 1,
      maximum: 10_000,
      json: inBorg,
    },
    borg_drill_time_limit: span(
      ['The drill may take this long; then it fails, and leaves nothing behind.'],
      '6h',
      timeLimit,
    ),
    borg_drill_memory: {
      type: 'string',
      description: ['How much memory the throwaway servers of a hook may take in the drill.'],
      default: '2G',
      pattern: '[1-9][0-9]*[KMGT]?',
      allowed: 'a number of bytes with an optional K, M, G or T',
    },
    borg_mail_to: {
      type: 'array',
      description: [
        'Who gets mail of a failure. It goes through the `sendmail` of the host (postfix), or through `borg_mail_smtp`.',
        'Without mail, and without `borg_report_url` and `borg_report_command`, a failure is seen only by who looks: in the journal, in `backupctl status`, in the metrics.',
      ],
      default: ['root'],
      items: {
        type: 'string',
        description: ['An address.'],
        pattern: '[A-Za-z0-9_][^\\x00-\\x20\\x7f<>,;"]*',
        allowed: 'a mail address or the name of a user',
      },
      json: inReport,
    },
    borg_mail_from: {
      type: 'string',
      description: [
        'The sender of the mail. Empty: what the mail server of the host makes of the user `backup-report`.',
      ],
      default: '',
      pattern: '(?:[A-Za-z0-9_][^\\x00-\\x20\\x7f<>,;"]*)?',
      allowed: 'a mail address',
      json: inReport,
    },
    borg_mail_smtp: {
      type: 'string',
      description: [
        'A mail server to use in place of the `sendmail` of the host, as the lines of an account of msmtp(1): `host`, `port`, `tls on`, `auth on`, `user`, `password`, `from`. Put it in a vault; msmtp gets it as a systemd credential only.',
      ],
      default: '',
      writeOnly: true,
      pattern: '(?:|(?:[\\s\\S]*\\n)?\\s*host\\s[\\s\\S]*)',
      allowed: 'empty, or lines as in msmtp(1), of which one is `host`',
      examples: ['host mail.example.org\ntls on\nauth on\nuser backup\npassword secret\nfrom backup@example.org\n'],
      json: { ...inReport, key: 'smtp' },
    },
    borg_report_url: {
      type: 'string',
      description: [
        'A dead man switch or push service: it is called with `/start` added when a backup begins, as it is after a success, and with `/fail` added after a failure, with the report as the body (the paths of healthchecks). Who knows it can silence it, so put it in a vault.',
      ],
      default: '',
      writeOnly: true,
      pattern: '(?:https?://[^\\x00-\\x20\\x7f?#]+)?',
      allowed: 'empty, or a URL that begins with https:// or http://, without ? and #',
      json: inReport,
    },
    borg_report_command: {
      type: 'array',
      description: [
        'A program of yours and its arguments: it gets each report on standard input, and `BACKUP_RESULT` (`success` or `failure`), `BACKUP_UNIT` and `BACKUP_SUBJECT` in its environment. It runs as the user `backup-report` in the sandbox of the report.',
      ],
      default: [],
      items: {
        type: 'string',
        description: ['A word.'],
        pattern: `${printable}*`,
        allowed: 'text without control characters',
      },
      json: inReport,
    },
    borg_report_success: {
      type: 'string',
      description: [
        'Whether mail and your command tell of a success too: `never`, `always`, or the first one of a week (`weekly`). `borg_report_url` is told always; a success after a failure is always told.',
      ],
      default: 'never',
      enum: ['never', 'always', 'weekly'],
      json: inReport,
    },
    borg_alert_after: {
      type: 'integer',
      description: [
        'How many hours may pass since the last good backup before `backup-watch.timer` reports it, once a day, even if nothing runs at all.',
      ],
      default: 36,
      minimum: 1,
      maximum: 8784,
      json: inReport,
    },
    borg_status_group: {
      type: 'string',
      description: [
        'The group whose members may use `backupctl status`, `run`, `check`, `drill` and `list`. They learn names and sizes of archives, and what failed, but nothing that opens a repository.',
      ],
      default: 'adm',
      pattern: '[A-Za-z_][A-Za-z0-9_.-]{0,31}',
      allowed: 'the name of a group of the host',
    },
    borg_metrics: {
      type: 'string',
      description: [
        'Where the collector for text files of the Prometheus node exporter looks: a link to the metrics is put there. Empty: nowhere; they are in `/var/lib/backup-report/backup.prom`.',
      ],
      default: '',
      pattern: `(?:${absolutePath})?`,
      allowed: 'empty, or an absolute path of a directory',
      examples: ['/var/lib/prometheus/node-exporter'],
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
        'With `borg_state: absent`: also delete the local repositories, the passphrase and the keys on the host. There is no way back.',
      ],
      default: false,
    },
  },
});
