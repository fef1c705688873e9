import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parts, timesOf } from '../../../tools/bench/recovery.ts';

it('the playbook tells the time of each part that is measured', () => {
  const playbook = readFileSync('playbooks/restore.yml', 'utf8');
  for (const part of [...parts, 'all of it']) expect(playbook).toContain(`- "${part}: {{`);
});

it('times are read in both forms, and those of one part are added', () => {
  const told: Record<string, string> = { 'set up': '12.3 s', databases: '0:01:02.5, 0:00:00.5', 'all of it': '90.1 s' };
  const said = [...parts, 'all of it'].map((part) => `        "${part}: ${told[part] ?? '0:00:01.250000'}",`);
  expect(timesOf(said.join('\n'))).toMatchObject({ 'set up': 12.3, users: 1.25, databases: 63, 'all of it': 90.1 });
  expect(() => timesOf('')).toThrow('set up');
});
