/** A metric that the report writes for Prometheus. @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
export interface Metric {
  readonly help: string;
  /** What tells its series apart on a host. */
  readonly labels: readonly string[];
}

/** All are gauges: they say how it is now, and a host that is set up anew begins anew. */
export const type = 'gauge';

const unit = ['unit'];
const hook = ['hook'];
const repository = ['repository'];
const series = ['repository', 'series'];

/**
 * The metrics by name. `unit` is a task without its suffix (`backup`, `backup-check`, `backup-drill`, on a server `repository-watch`), `hook` a unit of a hook, `series`
 * `files` or `dumps`.
 */
export const metrics = {
  backup_collection_info: {
    help: 'The label is the version of the collection, the value is 1. A host has it before its first run.',
    labels: ['version'],
  },
  backup_drill_enabled: { help: 'Whether a timer starts restore tests.', labels: [] },
  backup_next_run_timestamp_seconds: {
    help: 'When the timer starts the unit next; missing if it never does.',
    labels: unit,
  },
  backup_last_run_timestamp_seconds: { help: 'When the last run of the unit ended.', labels: unit },
  backup_last_success_timestamp_seconds: { help: 'When the last good run of the unit ended.', labels: unit },
  backup_last_run_success: { help: 'Whether the last run of the unit was good.', labels: unit },
  backup_last_run_duration_seconds: { help: 'How long the last run of the unit took.', labels: unit },
  backup_consecutive_failures: { help: 'How many runs of the unit failed in a row.', labels: unit },
  backup_last_run_warnings: { help: 'How many warnings the last run of the unit gave.', labels: unit },
  backup_hook_success: { help: 'Whether the hook was good in the last run.', labels: hook },
  backup_hook_duration_seconds: { help: 'How long the hook took in the last run.', labels: hook },
  backup_archive_files: { help: 'How many files the newest archive has.', labels: series },
  backup_archive_original_bytes: { help: 'The size of the files in the newest archive.', labels: series },
  backup_archive_new_bytes: { help: 'What the newest archive added to its repository.', labels: series },
  backup_repository_archives: { help: 'How many complete archives of this host the repository has.', labels: series },
  backup_repository_newest_archive_timestamp_seconds: {
    help: 'When the newest complete archive of this host was begun.',
    labels: series,
  },
  backup_repository_oldest_archive_timestamp_seconds: {
    help: 'When the oldest complete archive of this host was begun.',
    labels: series,
  },
  backup_repository_size_bytes: {
    help: 'The size of everything in the repository after its newest archive, deduplicated and compressed.',
    labels: repository,
  },
  backup_repository_disk_bytes: { help: 'The size of the disk of a local repository.', labels: repository },
  backup_repository_free_bytes: {
    help: 'How many bytes are free on the disk of a local repository.',
    labels: repository,
  },
  backup_repository_full_timestamp_seconds: {
    help: 'When that disk will be full if it goes on like this; missing if it does not fill.',
    labels: repository,
  },
} satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;
