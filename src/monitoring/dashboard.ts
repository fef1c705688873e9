import type { MetricName } from './metrics.ts';

const datasource = { type: 'prometheus', uid: '${datasource}' };

/** A metric of the hosts that are chosen, with what is asked of its other labels. */
const of = (name: MetricName, selector = ''): string =>
  `${name}{instance=~"$host"${selector === '' ? '' : `, ${selector}`}}`;
const unit = (name: string): string => `unit="${name}"`;
const age = (name: MetricName, selector: string): string => `time() - max by (instance) (${of(name, selector)})`;

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}
/** A threshold: from this value on, this colour. */
type Step = readonly [colour: string, from: number | null];

const thresholds = (steps: readonly Step[]): object => ({
  mode: 'absolute',
  steps: steps.map(([color, value]) => ({ color, value })),
});
const late: readonly Step[] = [
  ['green', null],
  ['orange', 26 * 3600],
  ['red', 36 * 3600],
];
const none: readonly Step[] = [
  ['green', null],
  ['red', 1],
];

interface Column {
  readonly title: string;
  readonly expr: string;
  /** @see https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options/ */
  readonly unit?: string;
  readonly steps?: readonly Step[];
  readonly texts?: Readonly<Record<string, string>>;
}

/** What the table says of each host. The first one is what it is sorted by, the second one decides between equals. */
const columns: readonly Column[] = [
  {
    title: 'Alerts',
    expr: `count by (instance) (ALERTS{alertname=~"Backup.+", alertstate="firing", instance=~"$host"}) or 0 * max by (instance) (${of('backup_collection_info')})`,
    steps: none,
  },
  {
    title: 'Last good backup',
    expr: age('backup_last_success_timestamp_seconds', unit('backup')),
    unit: 's',
    steps: late,
  },
  {
    title: 'Last run',
    expr: `min by (instance) (${of('backup_last_run_success', unit('backup'))})`,
    steps: [
      ['red', null],
      ['green', 1],
    ],
    texts: { 0: 'failed', 1: 'good' },
  },
  {
    title: 'Failures in a row',
    expr: `max by (instance) (${of('backup_consecutive_failures', unit('backup'))})`,
    steps: none,
  },
  {
    title: 'Hooks failed',
    expr: `count by (instance) (${of('backup_hook_success')} == 0) or 0 * max by (instance) (${of('backup_collection_info')})`,
    steps: none,
  },
  {
    title: 'Last good check',
    expr: age('backup_last_success_timestamp_seconds', unit('backup-check')),
    unit: 's',
    steps: [
      ['green', null],
      ['red', 15 * 86_400],
    ],
  },
  {
    title: 'Last good restore test',
    expr: age('backup_last_success_timestamp_seconds', unit('backup-drill')),
    unit: 's',
    steps: [
      ['green', null],
      ['red', 15 * 86_400],
    ],
  },
  {
    title: 'Next run in',
    expr: `min by (instance) (${of('backup_next_run_timestamp_seconds', unit('backup'))}) - time()`,
    unit: 's',
  },
  {
    title: 'Repositories',
    expr: `max by (instance) (sum by (instance, repository) (${of('backup_repository_size_bytes')}))`,
    unit: 'bytes',
  },
  {
    title: 'Disk full in',
    expr: `min by (instance) (${of('backup_repository_full_timestamp_seconds')}) - time()`,
    unit: 's',
    steps: [
      ['red', null],
      ['green', 14 * 86_400],
    ],
  },
  { title: 'Version', expr: `max by (instance, version) (${of('backup_collection_info')})` },
];

/** `A`, `B`, … */
const refId = (index: number): string => String.fromCharCode(65 + index);

/** One row for each host; a click on its name chooses it. */
function hosts(gridPos: Place): object {
  const name = (index: number): string => `Value #${refId(index)}`;
  const shown = columns.slice(0, -1);
  return {
    title: 'Hosts, by trouble and age',
    type: 'table',
    datasource,
    gridPos,
    targets: columns.map(({ expr }, index) => ({ refId: refId(index), expr, format: 'table', instant: true })),
    transformations: [
      { id: 'joinByField', options: { byField: 'instance', mode: 'outer' } },
      {
        id: 'organize',
        options: {
          // Each answer has a time of its own, and the last one its value.
          excludeByName: Object.fromEntries([
            ...['Time', ...columns.map((_, index) => `Time ${index + 1}`)].map((time) => [time, true] as const),
            [name(columns.length - 1), true],
          ]),
          renameByName: Object.fromEntries([
            ['instance', 'Host'],
            ['version', 'Version'],
            ...shown.map(({ title }, index) => [name(index), title] as const),
          ]),
        },
      },
    ],
    fieldConfig: {
      defaults: { custom: { align: 'auto', filterable: true } },
      overrides: [
        {
          matcher: { id: 'byName', options: 'Host' },
          properties: [
            {
              id: 'links',
              value: [
                {
                  title: 'Show this host',
                  url: '/d/${__dashboard.uid}?var-host=${__value.text}&var-datasource=${datasource}',
                },
              ],
            },
          ],
        },
        ...shown.map((column) => ({ matcher: { id: 'byName', options: column.title }, properties: looks(column) })),
      ],
    },
    options: {
      sortBy: [
        { displayName: columns[0]?.title, desc: true },
        { displayName: columns[1]?.title, desc: true },
      ],
      footer: { show: false, enablePagination: true },
    },
  };
}

const looks = ({ unit: shownAs, steps, texts }: Column): object[] => [
  ...(shownAs === undefined ? [] : [{ id: 'unit', value: shownAs }]),
  ...(steps === undefined
    ? []
    : [
        { id: 'thresholds', value: thresholds(steps) },
        { id: 'custom.cellOptions', value: { type: 'color-text' } },
      ]),
  ...(texts === undefined
    ? []
    : [
        {
          id: 'mappings',
          value: [
            {
              type: 'value',
              options: Object.fromEntries(Object.entries(texts).map(([value, text]) => [value, { text }])),
            },
          ],
        },
      ]),
];

/** One number over all hosts. */
const stat = (title: string, expr: string, steps: readonly Step[], gridPos: Place): object => ({
  title,
  type: 'stat',
  datasource,
  gridPos,
  targets: [{ refId: 'A', expr: `${expr} or vector(0)`, instant: true }],
  fieldConfig: { defaults: { thresholds: thresholds(steps) }, overrides: [] },
  options: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value' },
});

/** How something went over the time that is chosen. */
const history = (title: string, unitOf: string, lines: Readonly<Record<string, string>>, gridPos: Place): object => ({
  title,
  type: 'timeseries',
  datasource,
  gridPos,
  targets: Object.entries(lines).map(([legendFormat, expr], index) => ({ refId: refId(index), expr, legendFormat })),
  fieldConfig: { defaults: { unit: unitOf }, overrides: [] },
  options: { legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull'] } },
});

/** The dashboard: numbers over all, the table, and below how it went on the hosts that are chosen there. */
export function dashboard(): object {
  const panels = [
    stat('Hosts', `count(max by (instance) (${of('backup_collection_info')}))`, [['blue', null]], {
      x: 0,
      y: 0,
      w: 4,
      h: 4,
    }),
    stat(
      'No good backup for 36 hours, or ever',
      `count(max by (instance) (${of('backup_collection_info')}) unless on (instance) (${age('backup_last_success_timestamp_seconds', unit('backup'))} < 36 * 3600))`,
      none,
      { x: 4, y: 0, w: 5, h: 4 },
    ),
    stat('Last backup failed', `count(${of('backup_last_run_success', unit('backup'))} == 0)`, none, {
      x: 9,
      y: 0,
      w: 5,
      h: 4,
    }),
    stat(
      'Check or restore test failed',
      `count(min by (instance) (${of('backup_last_run_success', 'unit!="backup"')}) == 0)`,
      none,
      { x: 14, y: 0, w: 5, h: 4 },
    ),
    stat(
      'Disk full within two weeks',
      `count(min by (instance) (${of('backup_repository_full_timestamp_seconds')}) - time() < 14 * 86400)`,
      none,
      { x: 19, y: 0, w: 5, h: 4 },
    ),
    hosts({ x: 0, y: 4, w: 24, h: 14 }),
    // Closed until a host is chosen: of 200 nothing can be seen in lines.
    {
      title: 'How it went on $host',
      type: 'row',
      collapsed: true,
      gridPos: { x: 0, y: 18, w: 24, h: 1 },
      panels: [
        history(
          'Age of the newest archive',
          's',
          {
            '{{instance}} {{series}} in {{repository}}': `time() - ${of('backup_repository_newest_archive_timestamp_seconds')}`,
          },
          { x: 0, y: 19, w: 12, h: 8 },
        ),
        history(
          'Archives',
          'short',
          { '{{instance}} {{series}} in {{repository}}': of('backup_repository_archives') },
          { x: 12, y: 19, w: 12, h: 8 },
        ),
        history(
          'Size of what is saved',
          'bytes',
          { '{{instance}} {{series}}': of('backup_archive_original_bytes') },
          { x: 0, y: 27, w: 12, h: 8 },
        ),
        history(
          'Size of the repositories, and room on their disks',
          'bytes',
          {
            '{{instance}} {{repository}}': of('backup_repository_size_bytes'),
            'free for {{instance}} {{repository}}': of('backup_repository_free_bytes'),
          },
          { x: 12, y: 27, w: 12, h: 8 },
        ),
        history(
          'New in the repository by each run',
          'bytes',
          { '{{instance}} {{series}}': of('backup_archive_new_bytes') },
          { x: 0, y: 35, w: 12, h: 8 },
        ),
        history(
          'Files saved',
          'short',
          { '{{instance}} {{series}}': of('backup_archive_files') },
          { x: 12, y: 35, w: 12, h: 8 },
        ),
        history(
          'How long runs and hooks took',
          's',
          {
            '{{instance}} {{unit}}': of('backup_last_run_duration_seconds'),
            '{{instance}} {{hook}}': of('backup_hook_duration_seconds'),
          },
          { x: 0, y: 43, w: 12, h: 8 },
        ),
        history(
          'Failures in a row, warnings',
          'short',
          {
            'failures of {{instance}} {{unit}}': of('backup_consecutive_failures'),
            'warnings of {{instance}} {{unit}}': of('backup_last_run_warnings'),
          },
          { x: 12, y: 43, w: 12, h: 8 },
        ),
      ].map((panel, index) => ({ id: 101 + index, ...panel })),
    },
  ];
  return {
    title: 'rootless.backup',
    uid: 'rootless-backup',
    schemaVersion: 38,
    version: 2,
    editable: true,
    tags: ['backup'],
    time: { from: 'now-30d', to: 'now' },
    refresh: '5m',
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
        {
          name: 'host',
          label: 'Host',
          type: 'query',
          datasource,
          query: 'label_values(backup_collection_info, instance)',
          includeAll: true,
          allValue: '.*',
          multi: true,
          current: { text: 'All', value: '$__all' },
          refresh: 2,
        },
      ],
    },
    panels: panels.map((panel, index) => ({ id: index + 1, ...panel })),
  };
}
