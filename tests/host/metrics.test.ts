import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporary } from '../lab/collection.ts';
import { debianFile } from '../lab/packages.ts';
import { run } from '../lab/process.ts';
import { backup } from '../../src/schema/backup.ts';
import { backUp, onEachRelease } from './fixture.ts';
import { settle } from './mail.ts';

const promtool = (): Promise<string> => debianFile('prometheus', '/usr/bin/promtool');
const rules = 'extensions/prometheus/rules.yml';

it('the alert rules are valid, and fire when they should', async () => {
  const cases = join(await temporary(), 'rules.test.yml');
  await writeFile(cases, readFileSync('tests/rules.test.yml', 'utf8').replace('RULES', join(process.cwd(), rules)));
  await run(await promtool(), ['check', 'rules', rules]);
  expect((await run(await promtool(), ['test', 'rules', cases])).stdout).toContain('SUCCESS');
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
        tasks: [{ 'rootless.backup.hook': { name: 'wiki', user: 'wiki', command: '/bin/true' } }],
      },
    ]);
  },
  (fixture) => {
    it('are where the collector looks, are understood by Prometheus, and are all that the rules and the dashboard ask for', async () => {
      const { host } = fixture;
      expect((await backUp(host)).ok).toBe(true);
      await host.run('systemctl start backup-check.service');
      await settle(host);
      const text = await host.read('/var/lib/prometheus/node-exporter/backup.prom');
      const { code, stderr, stdout } = await run(await promtool(), ['check', 'metrics'], {
        input: text,
        mayFail: true,
      });
      expect(stdout + stderr).toBe('');
      expect(code).toBe(0);
      const known = new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name));
      const asked = [rules, 'extensions/grafana/dashboard.json'].flatMap((file) =>
        [...readFileSync(file, 'utf8').matchAll(/\bbackup_\w+/g)].map(([name]) => name),
      );
      // A remark may name a setting.
      expect(asked.filter((name) => !known.has(name) && !(name in backup.settings))).toEqual([]);
      expect(text).toMatch(/^backup_last_run_success\{unit="backup-check"\} 1\.0$/m);
    });
  },
);
