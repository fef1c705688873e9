/** Of JSON Schema what is used here. @see https://json-schema.org/draft-07 */
interface Shape {
  readonly description?: string;
  readonly [key: string]: unknown;
}

/** The number of what `backupctl status --json` gives: one more where a key is taken away, or means something else. */
export const statusFormat = 1;

const text: Shape = { type: 'string' };
const number: Shape = { type: 'number' };
const count: Shape = { type: 'integer', minimum: 0 };
const flag: Shape = { type: 'boolean' };
const time: Shape = { type: 'number', description: 'In seconds since 1970.' };
const lines: Shape = { type: 'array', items: text };

const said = (shape: Shape, description: string): Shape => ({ ...shape, description });
const orNull = (shape: Shape, description: string): Shape => ({ ...shape, type: [shape['type'], 'null'], description });
const many = (items: Shape, description: string): Shape => ({ type: 'array', items, description });
const named = (additionalProperties: Shape, description: string): Shape => ({
  type: 'object',
  additionalProperties,
  description,
});
/** An object; what is not in `needed` can be missing. More keys may come with a later version. */
const object = (
  properties: Readonly<Record<string, Shape>>,
  needed: readonly string[] = Object.keys(properties),
): Shape => ({
  type: 'object',
  properties,
  required: needed,
});

const without = (properties: Readonly<Record<string, Shape>>, ...optional: readonly string[]): readonly string[] =>
  Object.keys(properties).filter((key) => !optional.includes(key));

const problem = object({
  text: said(text, 'What is wrong, in a line; in the words of the mail.'),
  remedies: said(lines, 'What to do about it, a line each. Commands are in backquotes.'),
  details: said(lines, 'What else is known of it, a line each.'),
});

const archive = {
  repository: said(text, 'The location of the repository.'),
  name: text,
  series: said({ type: 'string', enum: ['files', 'dumps'] }, 'What is in it.'),
  files: said(count, 'How many files it holds.'),
  original_size: said(count, 'How many bytes they have.'),
  deduplicated_size: said(count, 'How many bytes of that were new to the repository.'),
  seconds: said(number, 'How long it took.'),
  repository_size: said(
    count,
    'How many bytes all that the repository holds has there. Missing if the engine does not know it.',
  ),
};

const hook = {
  unit: text,
  result: said(text, '`success`, `Result=` of systemd, or in words that it was not run or was still at work.'),
  required: said(flag, 'Whether the backup fails with it.'),
  seconds: said(number, 'How long it took. Missing if that is not known.'),
};

const run = {
  result: said(text, '`Result=` of systemd: `success`, `exit-code`, `timeout` and so on. See systemd.service(5).'),
  invocation: said(text, 'The invocation ID of systemd. Missing in a record of an earlier version.'),
  started: time,
  finished: time,
  last_good: orNull(time, 'When the last good run ended; null: never.'),
  failing_since: orNull(time, 'When the first run ended that failed since then; null: the last one was good.'),
  failures: said(count, 'How many runs failed in a row.'),
  failed: said(lines, 'What failed in this run.'),
  advice: said(lines, 'What the administrator can do about it.'),
  optional_failures: said(lines, 'What failed without making the run fail.'),
  troubles: said(lines, 'What has to be known of the run all the same.'),
  warnings: said(lines, 'The first warnings.'),
  archives: many(
    object(archive, without(archive, 'repository_size')),
    'The archives that were made; of a run that failed those of an earlier one.',
  ),
  hooks: many(object(hook, without(hook, 'seconds')), 'The hooks that the run waited for.'),
  told: said(time, 'When it was told last, of `repository-watch`, which tells the same once a day.'),
  told_of: said(text, 'What stands for what was told then.'),
};

const status = {
  format: said({ const: statusFormat }, 'The number of this format.'),
  verdict: said(
    { type: 'string', enum: ['good', 'warning', 'failed'] },
    '`good`: nothing is to be done. `warning`: there is a good backup, and something is to be done. `failed`: there may be no good backup.',
  ),
  problems: many(problem, 'What is wrong, the worst first.'),
  units: named(
    object(run, without(run, 'invocation', 'advice', 'troubles', 'told', 'told_of')),
    'The last run of each: `backup`, `backup-check`, `backup-drill` (the restore test), and on a server `repository-watch`.',
  ),
  repositories: named(lines, 'The archives of this host that each repository kept, by its location.'),
  room: named(
    many(
      said({ type: 'array', items: number, minItems: 3, maxItems: 3 }, 'When, bytes free, bytes at all.'),
      'One a day.',
    ),
    'How much room there was on the disk of each local repository.',
  ),
  live: named(named(text, 'Properties, as systemctl(1) shows them.'), 'What systemd knows of the units now.'),
  laid_down: said(lines, 'What restores put aside or laid down in /var/tmp, for root.'),
  host: said(text, 'The name in the inventory.'),
  version: said(text, 'Of the collection.'),
  alert_after: said(number, 'After how many hours without a good backup the administrator is told.'),
  alerted: said(time, 'When the administrator was told last that there is no good backup, in seconds since 1970.'),
  success_told: said(time, 'When a success was told last, in seconds since 1970.'),
};

/** What `backupctl status --json` gives. */
export const statusSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'What `backupctl status --json` of rootless.backup gives',
  ...object(status, ['format', 'verdict', 'problems', 'units', 'live', 'laid_down']),
};
