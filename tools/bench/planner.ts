import { spawnSync } from 'node:child_process';
import { plan } from '../../tests/planner.ts';
import { cells, takeTurns, type Rounds } from './rounds.ts';
import type { Part } from './part.ts';

const wiki = {
  name: 'wiki',
  user: 'wiki',
  command: '/usr/local/bin/wiki export --to /backup/wiki/wiki.xml',
  read: ['/srv/wiki'],
  environment: { LANG: 'C.UTF-8' },
  sandbox: { MemoryDenyWriteExecute: { value: false, reason: 'It compiles as it runs.' } },
};

/** What `rootless.backup.hook` costs on the control node: validating the options and making the plan. */
export const planner: Part = {
  title: 'The planner of rootless.backup.hook',
  about: `Options of a hook are validated by ajv and become a plan, on the control node: 500 rounds in process, 40 of the whole program in turns
with a Node that does nothing.`,
  settings: 'none, since no role is set up here.',
  async measure({ quick }) {
    const input = JSON.stringify(wiki);
    const node =
      (...args: string[]) =>
      (): unknown =>
        spawnSync(process.execPath, args, { input });
    const { inProcess } = await takeTurns(quick ? 5 : 500, { inProcess: () => plan(wiki) });
    const { bundle, bare } = await takeTurns(quick ? 2 : 40, {
      bundle: node('plugins/plugin_utils/hook.cjs'),
      bare: node('--eval', '0'),
    });
    const row = (what: string, rounds: Rounds, limit?: number): string[] => [
      what,
      ...cells(rounds, (value) => value.toFixed(2), ' ms'),
      limit === undefined ? '' : `≤ ${limit} ms: ${rounds.median <= limit ? 'reached' : '**missed**'}`,
    ];
    return {
      tables: [
        {
          columns: ['What', 'Median', 'Quartiles', 'Reach'],
          rows: [
            row('validate and plan, in process', inProcess, 5),
            row('`node hook.cjs`, start to finish', bundle, 60),
            row('`node` that does nothing, for comparison', bare),
          ],
        },
      ],
    };
  },
};
