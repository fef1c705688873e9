import { absolutePath, calendarEvent, printable, timeLimit, timeSpan } from './patterns.ts';
import { roleSchema, type ProgramSetting, type Schema } from './schema.ts';

/** Read by whatever makes or verifies a backup. */
const inBackup: ProgramSetting = { file: 'backup' };
/** Read by `backup-report`. */
const inReport: ProgramSetting = { file: 'report' };

const keep = (period: string, count: number): Schema => ({
  type: 'integer',
  description: [`How many ${period} archives of each series to keep. 0 keeps none for this period.`],
  default: count,
  minimum: 0,
  maximum: 100_000,
  json: inBackup,
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

const pattern: Schema = {
  type: 'string',
  description: ['A path or pattern.'],
  pattern: `/${printable}*`,
  allowed: 'an absolute path or shell pattern',
};

/** What settings of the frame were called when the role of its first engine had them. */
const former = [
  'state',
  'paths',
  'exclude',
  'one_file_system',
  'archive_prefix',
  'schedule',
  'randomized_delay',
  'time_limit',
  'keep_daily',
  'keep_weekly',
  'keep_monthly',
  'check_schedule',
  'drill',
  'drill_schedule',
  'drill_sample',
  'drill_time_limit',
  'drill_memory',
  'mail_to',
  'mail_from',
  'mail_smtp',
  'report_url',
  'report_command',
  'report_success',
  'alert_after',
  'status_group',
  'metrics',
  'secrets_dir',
];

/** The settings of role `backup`, the frame: what is saved and when, how long it is kept, how it is verified, and who is told. */
export const backup = roleSchema({
  role: 'backup',
  prefix: 'backup_',
  summary: 'The frame of the backup, whichever engine makes the archives',
  description: [
    'This role decides what is saved and when, how long it is kept, how it is verified, and who is told. It sets up `backup.service` with its sandbox and timer, the report, the restore test and `backupctl`.',
    'Do not apply it by itself: the role of an engine, such as `rootless.backup.borg`, brings it along and sets up both at once.',
  ],
  engine: 'borg',
  renamed: {
    ...Object.fromEntries(former.map((name) => [`borg_${name}`, `backup_${name}`])),
    borg_exclude: 'backup_exclude, which adds to backup_exclude_default (set that to [] if yours was the whole list),',
  },
  settings: {
    backup_state: {
      type: 'string',
      description: [
        '`present` sets the backup up; `absent` removes its units, programs, settings and user.',
        'Repositories, and the passphrase and keys that open them, stay unless you tell the role of the engine to delete them (`borg_delete_repositories`).',
      ],
      default: 'present',
      enum: ['present', 'absent'],
    },
    backup_paths: {
      type: 'array',
      description: [
        'What is saved: absolute paths, each with everything beneath it. `/` means the whole machine. `/backup`, where hooks leave their dumps, is always saved as well, in an archive of its own.',
        'A path that is missing, unreadable, or hidden by the sandbox fails the run.',
      ],
      default: ['/etc', '/home', '/opt', '/root', '/srv', '/usr/local', '/var'],
      minItems: 1,
      items: {
        type: 'string',
        description: ['A path.'],
        pattern: absolutePath,
        allowed: 'an absolute path, without . and .. in it',
      },
      json: inBackup,
    },
    backup_exclude: {
      type: 'array',
      description: [
        'What is left out in addition to `backup_exclude_default`: absolute paths or shell patterns (`*` stays within a directory, `**` crosses directories), each with everything beneath it.',
        'Software adds its own in `/etc/backup/exclude.d/`. Local repositories, what the engine keeps for itself, `/dev`, `/tmp`, `/var/tmp` and what is on no disk (`/proc`, `/sys`, `/run`…, wherever it is mounted) are always left out. `backupctl check-paths` shows the result.',
      ],
      default: [],
      items: pattern,
      json: { ...inBackup, value: "(backup_exclude_default + backup_exclude) | map('string') | list" },
    },
    backup_exclude_default: {
      type: 'array',
      description: [
        'What is left out on every machine: what can be made again, and the layers of containers, since only a privileged process sees their `trusted.*` attributes (their volumes are saved). Set it only to save some of this. To leave out more, use `backup_exclude`.',
      ],
      default: [
        '/home/*/.cache',
        '/home/*/.local/share/containers/storage/overlay',
        '/home/*/.local/share/docker/fuse-overlayfs',
        '/home/*/.local/share/docker/overlay2',
        '/root/.cache',
        '/var/cache',
        '/var/lib/apt/lists',
        '/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs',
        '/var/lib/containers/storage/overlay',
        '/var/lib/docker/overlay2',
        '/var/tmp',
      ],
      items: pattern,
    },
    backup_one_file_system: {
      type: 'boolean',
      description: ['Do not cross into other file systems below a path of `backup_paths`.'],
      default: false,
      json: inBackup,
    },
    backup_archive_prefix: {
      type: 'string',
      description: [
        "What the names of this host's archives begin with: `PREFIX-files-2026-01-31T02:00:00Z` and `PREFIX-dumps-…`. Times are UTC.",
        'Prune touches only archives of exactly this form, so hosts may share a repository.',
      ],
      default: '{{ inventory_hostname }}',
      pattern: '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,99})',
      allowed: 'up to 100 letters, digits, dots, dashes and underscores, beginning with a letter or digit',
      json: { ...inBackup, key: 'prefix' },
    },
    backup_schedule: timer(['When the backup runs. A missed run starts after the next boot.'], 'daily'),
    backup_window: {
      type: 'string',
      description: [
        'The hours of the day over which the starts of all hosts are spread, such as `22:00-06:00`. Each host has a time of its own in it, which stays when other hosts come and go. Hosts that save to a server of the role `repository` are spread evenly, others by chance.',
        'It takes the place of `backup_schedule`, which has to stay `daily`, and of `backup_randomized_delay`. If it is empty, these count.',
      ],
      default: '',
      pattern: '(?:|(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9])',
      allowed: 'two times such as `22:00-06:00`, or an empty text',
    },
    backup_randomized_delay: span(
      ['The longest delay of the start. Each host always waits the same part of it, so that not all start at once.'],
      '1h',
      timeSpan,
    ),
    backup_time_limit: span(
      [
        'How long saving may take before the run fails; the time of hooks does not count. With Borg this loses no data: the next run goes on from the last checkpoint.',
      ],
      '12h',
      timeLimit,
    ),
    backup_keep_daily: keep('daily', 30),
    backup_keep_weekly: keep('weekly', 12),
    backup_keep_monthly: keep('monthly', 12),
    backup_check_schedule: timer(['When the repositories are checked for damage, by `backup-check.timer`.'], 'weekly'),
    backup_drill: {
      type: 'boolean',
      description: [
        'Whether `backup-drill.timer` runs the restore test. It restores from the newest archives and from one older archive, each time another, and compares the result with what was recorded when they were made. It loads dumps into a throwaway server.',
      ],
      default: true,
      // Whether a drill that no timer starts is a problem.
      json: inReport,
    },
    backup_drill_schedule: timer(['When the restore test runs.'], 'weekly'),
    backup_drill_sample: {
      type: 'integer',
      description: [
        'For how many files each backup records checksums. The restore test restores these files and compares them. Each backup chooses them at random.',
      ],
      default: 50,
      minimum: 1,
      maximum: 10_000,
      json: inBackup,
    },
    backup_drill_time_limit: span(
      ['How long the restore test may take before it fails. It leaves nothing behind.'],
      '6h',
      timeLimit,
    ),
    backup_drill_memory: {
      type: 'string',
      description: ['How much memory the throwaway servers of a hook may take in the restore test.'],
      default: '2G',
      pattern: '[1-9][0-9]*[KMGT]?',
      allowed: 'a number of bytes with an optional K, M, G or T',
    },
    backup_mail_to: {
      type: 'array',
      description: [
        'Who gets a mail when something fails. It goes through the `sendmail` of the host (postfix), or through `backup_mail_smtp`.',
        'Without mail, and without `backup_report_url` and `backup_report_command`, nobody is told of a failure: it shows only in the journal, in `backupctl status` and in the metrics.',
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
    backup_mail_from: {
      type: 'string',
      description: [
        'The sender of the mail. Empty: the address that the mail server of the host gives the user `backup-report`.',
      ],
      default: '',
      pattern: '(?:[A-Za-z0-9_][^\\x00-\\x20\\x7f<>,;"]*)?',
      allowed: 'a mail address',
      json: inReport,
    },
    backup_mail_smtp: {
      type: 'string',
      description: [
        'A mail server to use in place of the `sendmail` of the host, as the lines of an account of msmtp(1): `host`, `port`, `tls on`, `auth on`, `user`, `password`, `from`. Put it in a vault; msmtp gets it as a systemd credential only.',
      ],
      default: '',
      writeOnly: true,
      pattern: '(?:|(?:[\\s\\S]*\\n)?\\s*host\\s[\\s\\S]*)',
      allowed: 'lines as in msmtp(1), of which one is `host`, or an empty text',
      examples: ['host mail.example.org\ntls on\nauth on\nuser backup\npassword secret\nfrom backup@example.org\n'],
      json: { ...inReport, key: 'smtp' },
    },
    backup_report_url: {
      type: 'string',
      description: [
        "The URL of a dead man's switch or push service. The host calls it with `/start` added when a backup begins, with `/fail` added after a failure, and as it is after a success. (These are the paths of healthchecks.) The body is the report. Whoever knows the URL can silence the switch, so put it in a vault.",
      ],
      default: '',
      writeOnly: true,
      pattern: '(?:https?://[^\\x00-\\x20\\x7f?#]+)?',
      allowed: 'a URL that begins with https:// or http://, without ? and #, or an empty text',
      json: inReport,
    },
    backup_report_command: {
      type: 'array',
      description: [
        'Your own program and its arguments. It gets each report on standard input, and `BACKUP_RESULT` (`success` or `failure`), `BACKUP_UNIT` and `BACKUP_SUBJECT` in its environment. It runs as the user `backup-report` in the sandbox of the report.',
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
    backup_report_success: {
      type: 'string',
      description: [
        'Whether a success is reported by mail and by your command too: `never`, `always`, or the first one of a week (`weekly`). `backup_report_url` is called in any case, and a success after a failure is always reported.',
      ],
      default: 'never',
      enum: ['never', 'always', 'weekly'],
      json: inReport,
    },
    backup_alert_after: {
      type: 'integer',
      description: [
        'After how many hours without a good backup `backup-watch.timer` sends a report, once a day. It does so even if no backup runs at all.',
      ],
      default: 36,
      minimum: 1,
      maximum: 8784,
      json: inReport,
    },
    backup_status_group: {
      type: 'string',
      description: [
        'The group whose members may use `backupctl status`, `run`, `check`, `drill` and `list`. They learn names and sizes of archives, and what failed, but nothing that opens a repository.',
      ],
      default: 'adm',
      pattern: '[A-Za-z_][A-Za-z0-9_.-]{0,31}',
      allowed: 'the name of a group of the host',
    },
    backup_metrics: {
      type: 'string',
      description: [
        'The directory that the Prometheus node exporter reads text files from. The role puts a link to the metrics there. Empty: no link; the metrics are in `/var/lib/backup-report/backup.prom`.',
      ],
      default: '',
      pattern: `(?:${absolutePath})?`,
      allowed: 'an absolute path of a directory, or an empty text',
      examples: ['/var/lib/prometheus/node-exporter'],
    },
    backup_begin_anew: {
      type: 'boolean',
      description: [
        'Whether a rebuilt machine begins a new backup. A machine counts as rebuilt if it knows of no backup, but `backup_secrets_dir` has the secrets of a machine of its name. With this setting the role moves those secrets into a directory of their own, `before-DATE`. Without it the role names the playbook that brings the machine back, and stops before it makes keys or repositories.',
        'Say it once, on the command line: `-e backup_begin_anew=true`.',
      ],
      default: false,
      control: true,
    },
    backup_secrets_dir: {
      type: 'string',
      description: [
        'Where on the control node the role saves the passphrase (if generated) and the exported keys of this host, each file with mode 0600. If they change on the host, the copies follow. Earlier copies stay beside them, with their dates.',
        'By default in `backup-secrets` beside the inventory; without an inventory file, in the current directory.',
        'Keep it safe and apart from the hosts: without it nobody can read the backup of a lost host.',
        'Do not make it of facts that a host reports, such as `ansible_hostname`. Use `inventory_hostname`.',
      ],
      default:
        "{{ inventory_dir if (inventory_dir | default('None', true) | string) != 'None' else lookup('ansible.builtin.env', 'PWD') }}/backup-secrets/{{ inventory_hostname }}",
      control: true,
      pattern: `/(?!.*ansible_collections/)${printable}+`,
      allowed:
        'an absolute path on the control node, and not in an installed collection, whose next version would replace it',
    },
  },
});
