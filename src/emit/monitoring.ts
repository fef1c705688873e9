import { managedBy } from '../render/header.ts';
import { table } from '../render/markdown.ts';
import { yamlDocument } from '../render/yaml.ts';
import { alerts } from '../monitoring/alerts.ts';
import { dashboard } from '../monitoring/dashboard.ts';
import { metrics, type, type Metric, type MetricName } from '../monitoring/metrics.ts';
import { statusSchema } from '../monitoring/status.ts';
import { mark, markComment, type GeneratedFile } from './generated.ts';

/** What the declared metrics become: a module for the report, the rules and the dashboard of `extensions/`, a page; and the schema of the status. */
export function monitoring(version: string): GeneratedFile[] {
  return [
    { path: 'roles/backup/files/usr/local/lib/backup/rootless_backup/report/families.py', content: families() },
    {
      path: 'roles/backup/vars/main/metrics.yml',
      content: `${markComment('monitoring/metrics.ts')}${yamlDocument({ _backup_first_metrics: first(version) })}`,
    },
    { path: 'extensions/prometheus/rules.yml', content: rules() },
    { path: 'extensions/grafana/dashboard.json', content: `${JSON.stringify(dashboard(), null, 2)}\n` },
    { path: 'docs/metrics.md', content: page() },
    {
      path: 'meta/status.schema.json',
      content: `${JSON.stringify({ $comment: `${mark}monitoring/status.ts. Do not edit.`, ...statusSchema }, null, 2)}\n`,
    },
  ];
}

const entries: readonly (readonly [string, Metric])[] = Object.entries(metrics);

/** A module of Python. */
function families(): string {
  const quoted = ({ labels }: Metric): string =>
    labels.length === 1
      ? `(${JSON.stringify(labels[0])},)`
      : `(${labels.map((label) => JSON.stringify(label)).join(', ')})`;
  const lines = entries.map(([name, metric]) => {
    const line = `    ${JSON.stringify(name)}: (${JSON.stringify(metric.help)}, ${quoted(metric)}),\n`;
    // As ruff writes it.
    return line.length <= 141
      ? line
      : `    ${JSON.stringify(name)}: (\n        ${JSON.stringify(metric.help)},\n        ${quoted(metric)},\n    ),\n`;
  });
  return `# ${managedBy('role backup')}
# ${mark}monitoring/metrics.ts. Do not edit.
"""The metrics, by name: what each says, and its labels."""

from __future__ import annotations

TYPE = ${JSON.stringify(type)}
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
${lines.join('')}}
`;
}

/** What there is of a host that has never run, as tmpfiles.d(5) takes it. */
function first(version: string): string {
  const name: MetricName = 'backup_collection_info';
  const lines = [
    `# HELP ${name} ${metrics[name].help}`,
    `# TYPE ${name} ${type}`,
    `${name}{version="${version}"} 1.0`,
    '',
  ];
  return lines.join('\n').replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('%', '%%');
}

/** The rules as Prometheus reads them. */
function rules(): string {
  const rule = ({
    name,
    expr,
    for: time,
    severity,
    summary,
    description,
    comment,
  }: (typeof alerts)[number]): string => {
    const lines = [
      ...(comment === undefined ? [] : [`# ${comment}`]),
      `- alert: ${name}`,
      `  expr: ${JSON.stringify(expr)}`,
      ...(time === undefined ? [] : [`  for: ${time}`]),
      '  labels:',
      `    severity: ${severity}`,
      '  annotations:',
      `    summary: ${JSON.stringify(summary)}`,
      `    description: ${JSON.stringify(description)}`,
    ];
    return lines.map((line) => `      ${line}\n`).join('');
  };
  return `${markComment('monitoring/alerts.ts')}# Alerts on the metrics of rootless.backup, for Prometheus: \`rule_files: [rules.yml]\`.
# The metrics are those of the setting backup_metrics.
---
groups:
  - name: rootless.backup
    rules:
${alerts.map(rule).join('\n')}`;
}

/** docs/metrics.md. */
function page(): string {
  return `<!-- ${mark}monitoring/. Do not edit. -->

# Metrics and alerts

\`backup_metrics\` names the directory where the node exporter looks for text files. The role puts a link to the metrics
there. Each report writes them, and so does \`backup-watch.timer\` once an hour: you see the age of everything even if no
backup runs. A host that has never run a backup already has \`backup_collection_info\`.

## Metrics

All are gauges. \`unit\` is \`backup\`, \`backup-check\` or \`backup-drill\` (the restore test), and on a server for many hosts
also \`repository-watch\`. \`series\` is \`files\` or \`dumps\`. Times are seconds since 1970.

${table(
  ['Metric', 'Labels', 'Says'],
  entries.map(([name, { help, labels }]) => [`\`${name}\``, labels.map((label) => `\`${label}\``).join(', '), help]),
)}
## Alerts

The rules are in \`extensions/prometheus/rules.yml\`. Their ages fit a backup each night, and a check and a restore test
each week: if your schedule differs, change them.

${table(
  ['Alert', 'Severity', 'Says', 'What to do'],
  alerts.map(({ name, severity, summary, description }) => [
    `\`${name}\``,
    severity,
    summary
      .replaceAll('{{ $labels.instance }}', 'HOST')
      .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => label.toUpperCase())
      .replaceAll(/\{\{ \$value(?: \| \w+)? \}\}/g, '…'),
    description
      .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => label.toUpperCase())
      .replaceAll(/\{\{ \$value(?: \| \w+)? \}\}/g, '…'),
  ]),
)}
## Dashboard

\`extensions/grafana/dashboard.json\` is made for many hosts. It shows numbers over all of them, then a table with a row
for each host, sorted by firing alerts and by the age of the last good backup. Click on a host to see its history in the
row below. The column "Alerts" needs the rules above. Tests compare every name in the dashboard with the metrics. Nobody
has rendered it in Grafana yet: no package registry has Grafana.
`;
}
