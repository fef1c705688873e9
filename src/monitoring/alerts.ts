import type { MetricName } from './metrics.ts';

/** A rule of Prometheus. @see https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/ */
export interface Alert {
  readonly name: string;
  readonly expr: string;
  /** How long it has to hold. */
  readonly for?: string;
  readonly severity: 'critical' | 'warning' | 'info';
  readonly summary: string;
  /** What to do. */
  readonly description: string;
  readonly comment?: string;
}

/** A metric in an expression, with what is asked of its labels: a name that is none does not compile. */
const of = (name: MetricName, selector = ''): string => name + (selector === '' ? '' : `{${selector}}`);

/** `min`, `max` or `avg` of a metric over a time. */
const over = (how: 'min' | 'max' | 'avg', name: MetricName, time: string): string =>
  `${how}_over_time(${name}[${time}])`;

const age = (name: MetricName, selector = ''): string => `time() - ${of(name, selector)}`;
const unit = (name: string): string => `unit="${name}"`;
const host = '{{ $labels.instance }}';
const hours = (count: number): string => `${count} * 3600`;
const days = (count: number): string => `${count} * 86400`;

/** The rules, the worst first. */
export const alerts: readonly Alert[] = [
  {
    name: 'BackupMissing',
    expr: `${age('backup_last_success_timestamp_seconds', unit('backup'))} > ${hours(36)}`,
    severity: 'critical',
    summary: `${host} has had no good backup for {{ $value | humanizeDuration }}`,
    description: 'On the host: backupctl status; journalctl -u backup.service',
  },
  {
    name: 'BackupNeverGood',
    expr: `${of('backup_last_run_timestamp_seconds', unit('backup'))} unless on (instance, unit) ${of('backup_last_success_timestamp_seconds')}`,
    severity: 'critical',
    summary: `${host} has never had a good backup`,
    description: 'On the host: backupctl status; journalctl -u backup.service',
  },
  {
    name: 'BackupNeverRun',
    expr: `${of('backup_collection_info')} unless on (instance) ${of('backup_last_run_timestamp_seconds', unit('backup'))}`,
    for: '36h',
    severity: 'critical',
    summary: `${host} was set up, and has never run a backup`,
    description: 'On the host: backupctl run',
  },
  {
    name: 'BackupNotScheduled',
    expr: `${of('backup_collection_info')} unless on (instance) ${of('backup_next_run_timestamp_seconds', unit('backup'))}`,
    for: '3h',
    severity: 'critical',
    summary: `The timer of the backup of ${host} is not running`,
    description: 'On the host: systemctl enable --now backup.timer backup-watch.timer',
  },
  {
    name: 'BackupRepositoryStale',
    expr: `${age('backup_repository_newest_archive_timestamp_seconds')} > ${hours(36)}`,
    severity: 'critical',
    summary: `The newest archive of {{ $labels.series }} of ${host} in {{ $labels.repository }} is {{ $value | humanizeDuration }} old`,
    description: 'Another repository may have newer ones. On the host: backupctl status',
    comment: 'One of several repositories that is down does not hide behind the others.',
  },
  {
    name: 'BackupRepositoryDamaged',
    expr: `${of('backup_last_run_success', unit('backup-check'))} == 0`,
    severity: 'critical',
    summary: `The check of the repositories of ${host} failed`,
    description: 'On the host: backupctl status; journalctl -u backup-check.service',
  },
  {
    name: 'BackupDrillFailed',
    expr: `${of('backup_last_run_success', unit('backup-drill'))} == 0`,
    severity: 'critical',
    summary: `The restore test of ${host} failed: its backups are not verified`,
    description: 'On the host: backupctl status; journalctl -u backup-drill.service',
  },
  {
    name: 'BackupServerTrouble',
    expr: `${of('backup_last_run_success', unit('repository-watch'))} == 0`,
    severity: 'critical',
    summary: `Something is wrong with what machines save on ${host}`,
    description: 'On the server: repositoryctl status',
    comment: 'Of a server of role repository: a machine that saves no more, or what it saved shrank, or the room ends.',
  },
  {
    name: 'BackupArchivesGone',
    expr: `${of('backup_repository_archives')} < 0.5 * ${over('max', 'backup_repository_archives', '7d')}`,
    severity: 'critical',
    summary: `{{ $labels.repository }} has lost more than half the archives of {{ $labels.series }} of ${host} in a week`,
    description:
      'There are {{ $value }}. If backup_keep_* was made smaller, this ends in a week. If not, look at the server first.',
  },
  {
    name: 'BackupFailed',
    expr: `${of('backup_last_run_success', unit('backup'))} == 0`,
    severity: 'warning',
    summary: `The last backup of ${host} failed`,
    description: 'What was saved before is still there. On the host: backupctl status',
  },
  {
    name: 'BackupHookFailed',
    expr: `${of('backup_hook_success')} == 0`,
    severity: 'warning',
    summary: `{{ $labels.hook }} of ${host} failed in the last backup`,
    description: 'On the host: journalctl -u {{ $labels.hook }}',
  },
  {
    name: 'BackupHookSlow',
    expr: `${of('backup_hook_duration_seconds')} > 600 and ${of('backup_hook_duration_seconds')} > 3 * ${over('avg', 'backup_hook_duration_seconds', '14d')}`,
    severity: 'warning',
    summary: `{{ $labels.hook }} of ${host} took {{ $value | humanizeDuration }}, three times as long as usual`,
    description: 'On the host: journalctl -u {{ $labels.hook }}',
  },
  {
    name: 'BackupNotChecked',
    expr: `${age('backup_last_success_timestamp_seconds', unit('backup-check'))} > ${days(15)}`,
    severity: 'warning',
    summary: `The repositories of ${host} have not been checked for {{ $value | humanizeDuration }}`,
    description: 'On the host: backupctl check',
  },
  {
    name: 'BackupNotProven',
    expr: `${of('backup_drill_enabled')} == 1 unless on (instance) ${age('backup_last_success_timestamp_seconds', unit('backup-drill'))} < ${days(15)}`,
    for: '15d',
    severity: 'warning',
    summary: `${host} has had no good restore test for weeks`,
    description: 'On the host: backupctl drill',
    comment: 'Also of a host that was never tested, as long as a new one has for its first test.',
  },
  {
    name: 'BackupRepositoryFills',
    expr: `${of('backup_repository_full_timestamp_seconds')} - time() < ${days(14)}`,
    severity: 'warning',
    summary: `The disk of {{ $labels.repository }} of ${host} will be full in {{ $value | humanizeDuration }}`,
    description: 'Make room on it, or keep less: backup_keep_*',
  },
  {
    name: 'BackupRepositoryNearlyFull',
    expr: `${of('backup_repository_free_bytes')} / ${of('backup_repository_disk_bytes')} < 0.02`,
    severity: 'warning',
    summary: `Of the disk of {{ $labels.repository }} of ${host} {{ $value | humanizePercentage }} are free`,
    description: 'Make room on it, or keep less (backup_keep_*) and run on the host: backupctl make-room',
  },
  {
    name: 'BackupRepositoryGrew',
    expr: `${of('backup_repository_size_bytes')} > 2 * ${over('min', 'backup_repository_size_bytes', '7d')}`,
    severity: 'warning',
    summary: `{{ $labels.repository }} of ${host} became twice as large within a week`,
    description: 'It holds {{ $value | humanize1024 }}B. If that is right, it ends by itself in a week.',
  },
  {
    name: 'BackupShrunk',
    expr: `${of('backup_archive_files')} < 0.5 * ${over('max', 'backup_archive_files', '7d')}`,
    severity: 'warning',
    summary: `The newest archive of {{ $labels.series }} of ${host} holds less than half the files of the last week`,
    description: 'It holds {{ $value }} files. If that is right, it ends by itself in a week.',
    comment: 'What silently went out of a backup shows in its size only.',
  },
  {
    name: 'BackupClockWrong',
    expr: `${of('backup_last_success_timestamp_seconds')} > time() + 3600`,
    severity: 'warning',
    summary: `The last good backup of ${host} is in the future: was its clock set back?`,
    description: 'The age of its backups is not known until then.',
  },
  {
    name: 'BackupVersionsDiffer',
    expr: `count(count by (version) (${of('backup_collection_info')})) > 1`,
    for: '7d',
    severity: 'info',
    summary: 'Hosts have {{ $value }} versions of rootless.backup',
    description: 'Apply the role to all of them.',
  },
];
