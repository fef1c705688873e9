import { absolutePath, calendarEvent, printable, timeLimit, timeSpan } from './patterns.ts';
import { roleSchema, type ProgramSetting, type Schema } from './schema.ts';

/** Read by whatever makes or proves a backup. */
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

/** The settings of role `backup`, the frame: what is saved and when, how long it is kept, how it is proven, and who is told. */
export const backup = roleSchema({
  role: 'backup',
  prefix: 'backup_',
  summary: 'The frame of the backup, whichever engine makes the archives',
  description: [
    'What is saved and when, how long it is kept, how it is proven, and who is told: `backup.service` with its sandbox and timer, the report, the drill, `backupctl`.',
    'It does nothing by itself: the role of an engine, such as `rootless.backup.borg`, brings it along and sets both up at once.',
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
        '`present` sets the backup up; `absent` takes every unit, program, setting and the user away again.',
        'Repositories, and the passphrase and keys that open them, stay unless the role of the engine is told to delete them (`borg_delete_repositories`).',
      ],
      default: 'present',
      enum: ['present', 'absent'],
    },
    backup_paths: {
      type: 'array',
      description: [
        'What is saved: absolute paths, each with everything beneath it; `/` is all of the machine. `/backup`, where hooks leave their dumps, is always saved too, in an archive of its own.',
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
      json: inBackup,
    },
    backup_exclude: {
      type: 'array',
      description: [
        'What is left out, beside `backup_exclude_default`: absolute paths or shell patterns (`*` stays within a directory, `**` crosses directories), each with everything beneath it.',
        'Software adds its own in `/etc/backup/exclude.d/`. Local repositories, what the engine keeps for itself, `/dev`, `/tmp`, `/var/tmp` and what is on no disk (`/proc`, `/sys`, `/run`…, wherever it is mounted) are always left out. `backupctl check-paths` shows what comes of it.',
      ],
      default: [],
      items: pattern,
      json: { ...inBackup, value: "(backup_exclude_default + backup_exclude) | map('string') | list" },
    },
    backup_exclude_default: {
      type: 'array',
      description: [
        'What is left out of every machine: what can be made again, and the layers of containers, whose `trusted.*` attributes only a privileged process sees: save their volumes. Set it only to have some of it saved; `backup_exclude` is for what else is to be left out.',
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
    backup_schedule: timer(['When the backup runs. A run that was missed is made up at the next boot.'], 'daily'),
    backup_window: {
      type: 'string',
      description: [
        'The hours of the day over which the starts of all hosts are spread, such as `22:00-06:00`: each has a time of its own in it, which stays when other hosts come and go. Hosts that save to a server of role `repository` are spread evenly, others by chance.',
        'It takes the place of `backup_schedule`, which has to stay `daily`, and of `backup_randomized_delay`. Empty: these count.',
      ],
      default: '',
      pattern: '(?:|(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9])',
      allowed: 'empty, or two times such as `22:00-06:00`',
    },
    backup_randomized_delay: span(
      [
        'Each host starts this much later at the most, always by the same amount, so that they do not all start at once.',
      ],
      '1h',
      timeSpan,
    ),
    backup_time_limit: span(
      [
        'Saving may take this long; then the run fails. With Borg its data are not lost: the next run goes on from the last checkpoint.',
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
        'Whether `backup-drill.timer` runs the drill: it restores from the newest archives, and from an older one in turn, and compares with what was recorded when they were made. Dumps are loaded into a throwaway server.',
      ],
      default: true,
      // Whether a drill that no timer starts is something to mend.
      json: inReport,
    },
    backup_drill_schedule: timer(['When the drill runs.'], 'weekly'),
    backup_drill_sample: {
      type: 'integer',
      description: [
        'How many files each backup records the checksums of, chosen at random anew each time, for the drill to restore and compare.',
      ],
      default: 50,
      minimum: 1,
      maximum: 10_000,
      json: inBackup,
    },
    backup_drill_time_limit: span(
      ['The drill may take this long; then it fails, and leaves nothing behind.'],
      '6h',
      timeLimit,
    ),
    backup_drill_memory: {
      type: 'string',
      description: ['How much memory the throwaway servers of a hook may take in the drill.'],
      default: '2G',
      pattern: '[1-9][0-9]*[KMGT]?',
      allowed: 'a number of bytes with an optional K, M, G or T',
    },
    backup_mail_to: {
      type: 'array',
      description: [
        'Who gets mail of a failure. It goes through the `sendmail` of the host (postfix), or through `backup_mail_smtp`.',
        'Without mail, and without `backup_report_url` and `backup_report_command`, a failure is seen only by who looks: in the journal, in `backupctl status`, in the metrics.',
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
        'The sender of the mail. Empty: what the mail server of the host makes of the user `backup-report`.',
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
      allowed: 'empty, or lines as in msmtp(1), of which one is `host`',
      examples: ['host mail.example.org\ntls on\nauth on\nuser backup\npassword secret\nfrom backup@example.org\n'],
      json: { ...inReport, key: 'smtp' },
    },
    backup_report_url: {
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
    backup_report_command: {
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
    backup_report_success: {
      type: 'string',
      description: [
        'Whether mail and your command tell of a success too: `never`, `always`, or the first one of a week (`weekly`). `backup_report_url` is told always; a success after a failure is always told.',
      ],
      default: 'never',
      enum: ['never', 'always', 'weekly'],
      json: inReport,
    },
    backup_alert_after: {
      type: 'integer',
      description: [
        'How many hours may pass since the last good backup before `backup-watch.timer` reports it, once a day, even if nothing runs at all.',
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
        'Where the collector for text files of the Prometheus node exporter looks: a link to the metrics is put there. Empty: nowhere; they are in `/var/lib/backup-report/backup.prom`.',
      ],
      default: '',
      pattern: `(?:${absolutePath})?`,
      allowed: 'empty, or an absolute path of a directory',
      examples: ['/var/lib/prometheus/node-exporter'],
    },
    backup_begin_anew: {
      type: 'boolean',
      description: [
        'Whether a machine that knows of no backup, though `backup_secrets_dir` has what opens the repositories of one of its name, begins anew: what is saved there is set aside in a directory of its own, `before-DATE`. Without it the role takes it for a machine that was rebuilt, names the playbook that brings it back, and stops before it makes keys or repositories.',
        'Say it once, on the command line: `-e backup_begin_anew=true`.',
      ],
      default: false,
      control: true,
    },
    backup_secrets_dir: {
      type: 'string',
      description: [
        'Where on the control node the passphrase (if generated) and the exported keys of this host are saved, each file with mode 0600. None is overwritten: another one is saved beside it, and told.',
        'By default in `backup-secrets` beside the inventory; without an inventory file, in the current directory.',
        'Keep it safe and apart from the hosts: without it the backup of a lost host cannot be read.',
        'It is refused if it is made of what a host says of itself, such as `ansible_hostname`; use `inventory_hostname`.',
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
