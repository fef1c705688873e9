import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporary } from '../lab/collection.ts';
import { debianFile } from '../lab/packages.ts';
import { run } from '../lab/process.ts';
import { alerts } from '../../src/monitoring/alerts.ts';
import { dashboard } from '../../src/monitoring/dashboard.ts';
import { metrics } from '../../src/monitoring/metrics.ts';
import { backUp, onEachRelease } from './fixture.ts';
import { settle } from './mail.ts';

const promtool = (): Promise<string> => debianFile('prometheus', '/usr/bin/promtool');
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly options: { readonly sortBy?: unknown };
  readonly targets?: readonly { readonly expr: string }[];
  readonly panels?: readonly Panel[];
}
const rules = 'extensions/prometheus/rules.yml';

it('the alert rules are valid, and each fires when it should, and not before', async () => {
  const tests = readFileSync('tests/rules.test.yml', 'utf8');
  for (const { name } of alerts)
    expect([
      name,
      tests.split(`alertname: ${name}\n`).length > 1,
      tests.includes(`alertname: ${name}, exp_alerts: []`),
    ]).toEqual([name, true, true]);
  const cases = join(await temporary(), 'rules.test.yml');
  await writeFile(cases, tests.replace('RULES', join(process.cwd(), rules)));
  await run(await promtool(), ['check', 'rules', rules]);
  expect((await run(await promtool(), ['test', 'rules', cases])).stdout).toContain('SUCCESS');
});

it('the dashboard has a row for each host, sorted by trouble and age, and asks in terms that Prometheus understands', async () => {
  const { panels } = dashboard() as { panels: Panel[] };
  const table = panels.find(({ type }) => type === 'table');
  expect(table?.options.sortBy).toEqual([
    { displayName: 'Alerts', desc: true },
    { displayName: 'Last good backup', desc: true },
  ]);
  const all = panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  const exprs = all.flatMap(({ targets }) => targets ?? []).map(({ expr }) => expr);
  expect(exprs.length).toBeGreaterThan(20);
  // As rules: promtool knows no other way to check an expression.
  const asRules = join(await temporary(), 'dashboard.yml');
  await writeFile(
    asRules,
    JSON.stringify({ groups: [{ name: 'x', rules: exprs.map((expr, index) => ({ record: `x:${index}`, expr })) }] }),
  );
  expect((await run(await promtool(), ['check', 'rules', asRules])).stdout).toContain(`${exprs.length} rules found`);
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
});

onEachRelease(
  'the metrics',
  async ({ lab, host }) => {
    await host.run('useradd --system wiki; mkdir -p /var/lib/prometheus/node-exporter');
    await lab.roles(['borg'], { backup_paths: ['/etc'], backup_metrics: '/var/lib/prometheus/node-exporter' });
    await lab.playbook([
      {
        hosts: 'all',
        gather_facts: false,
        tasks: [{ 'rootless.backup.hook': { name: 'wiki', user: 'wiki', command: '/bin/sleep 1' } }],
      },
    ]);
  },
  (fixture) => {
    const read = async (): Promise<string> => {
      const text = await fixture.host.read('/var/lib/prometheus/node-exporter/backup.prom');
      const { code, stderr, stdout } = await run(await promtool(), ['check', 'metrics'], {
        input: text,
        mayFail: true,
      });
      expect(stdout + stderr).toBe('');
      expect(code).toBe(0);
      return text;
    };
    const value = (text: string, series: string): number => {
      const line = text.split('\n').find((each) => each.startsWith(`${series} `));
      expect(line, `${series}\n${text}`).toBeDefined();
      return Number(line?.split(' ').at(-1));
    };

    it('are there before the first run: that it was set up', async () => {
      expect(await read()).toMatch(/\nbackup_collection_info\{version="\d+\.\d+\.\d+"\} 1\.0\n$/);
      await fixture.host.run('systemctl start backup-watch.service');
      const next = value(await read(), 'backup_next_run_timestamp_seconds{unit="backup"}');
      expect(next - Date.now() / 1000).toBeGreaterThan(-60);
      expect(next - Date.now() / 1000).toBeLessThan(2 * 86_400);
    });

    it('are where the collector looks, are understood by Prometheus, and are all that is declared', async () => {
      const { host } = fixture;
      const begun = Date.now() / 1000;
      expect((await backUp(host)).ok).toBe(true);
      await host.run('systemctl start backup-check.service');
      await settle(host);
      const text = await read();
      const known = [...text.matchAll(/^# TYPE (\w+) gauge$/gm)].map(([, name]) => name);
      // A disk that fills is known after days only.
      expect(known).toEqual(Object.keys(metrics).filter((name) => name !== 'backup_repository_full_timestamp_seconds'));
      expect(value(text, 'backup_last_run_success{unit="backup-check"}')).toBe(1);
      expect(value(text, 'backup_drill_enabled')).toBe(1);
      const repository = 'repository="/var/lib/borg/repository"';
      const took = value(text, 'backup_hook_duration_seconds{hook="backup-wiki.service"}');
      expect(took).toBeGreaterThanOrEqual(1);
      expect(took).toBeLessThan(60);
      expect(value(text, `backup_repository_archives{${repository},series="files"}`)).toBe(1);
      const newest = value(text, `backup_repository_newest_archive_timestamp_seconds{${repository},series="dumps"}`);
      expect(newest).toBeGreaterThan(begun - 60);
      expect(newest).toBeLessThan(Date.now() / 1000 + 60);
      const used = Number((await host.run('du -s -B1 --apparent-size /var/lib/borg/repository/data | cut -f1')).stdout);
      const size = value(text, `backup_repository_size_bytes{${repository}}`);
      expect(size).toBeGreaterThan(used / 3);
      expect(size).toBeLessThan(used);
    });
  },
);
