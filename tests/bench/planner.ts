import { spawnSync } from 'node:child_process';
import { plan } from '../planner.ts';
import { takeTurns } from './rounds.ts';
import type { Part } from './main.ts';

const wiki = {
  name: 'wiki', user: 'wiki', command: '/usr/local/bin/wiki export --to /backup/wiki/wiki.xml', read: ['/srv/wiki'], environment: { LANG: 'C.UTF-8' },
  sandbox: { MemoryDenyWriteExecute: { value: false, reason: 'It compiles as it runs.' } },
};

/** What `rootless.backup.hook` costs on the control node: validating the options and making the plan. */
export const planner: Part = {
  title: 'The planner of rootless.backup.hook',
  columns: ['What', 'Median', 'Quartiles', 'Reach'],
  async measure() {
    const input = JSON.stringify(wiki);
    const node = (...args: string[]) => (): unknown => spawnSync(process.execPath, args, { input });
    const { inProcess } = await takeTurns(500, { inProcess: () => plan(wiki) });
    const { bundle, bare } = await takeTurns(40, { bundle: node('plugins/plugin_utils/hook.cjs'), bare: node('--eval', '0') });
    const row = (what: string, { median, spread: [low, high] }: typeof bundle, reach: string): string[] =>
      [what, `${median.toFixed(2)} ms`, `${low.toFixed(2)}–${high.toFixed(2)} ms`, reach];
    return [
      row('validate and plan, in process', inProcess, '< 5 ms'),
      row('`node hook.cjs`, start to finish', bundle, '< 60 ms'),
      row('`node` that does nothing, for comparison', bare, ''),
    ];
  },
};
