import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { toJsonSchema } from '../../../src/emit/json-schema.ts';
import { isOlder, judge, worstFirst } from '../../../src/fleet/judge.ts';
import { fleetOf } from '../../../src/fleet/made.ts';
import { fleet, states } from '../../../src/schema/fleet.ts';
import { answer, asked, failed, fleetOfMachines, now, overdue, silent, unit, unreachable } from '../../machines.ts';

const day = 86_400;
const judged = (given: Parameters<typeof judge>[0]) => judge(given, '0.1.0', now);
const backup = (more: Parameters<typeof unit>[0]) => answer('web', { units: { backup: unit(more) } });

describe.each([
  ['that cannot be reached', unreachable('web'), 'unreachable', /cannot be reached: ssh: .*No route/, /ansible web -m/],
  ['without a backup', silent('web'), 'silent', /Nothing is known of any backup/, /rootless\.backup\.borg/],
  [
    'that may not be asked',
    { ...silent('web'), trouble: "[Errno 13] Permission denied: '/var/lib/backup-report/status.json'" },
    'silent',
    /Permission denied/,
    /backup_status_group/,
  ],
  ['whose record is damaged', { ...silent('web'), trouble: 'no JSON' }, 'silent', /no JSON/, /backupctl run/],
  ['whose last backup failed', failed('web'), 'failing', /the disk of the wiki is full/, /journalctl -u backup-wiki/],
  [
    'of an older version, whose last backup failed',
    backup({ result: 'timeout' }),
    'failing',
    /\(timeout\)/,
    /journalctl -u backup\.service/,
  ],
  [
    'without a good backup for too long',
    overdue('web'),
    'overdue',
    /no good backup for 5 days/,
    /enable --now backup\.timer/,
  ],
  ['that never made a good backup', backup({ last_good: 0 }), 'overdue', /no good backup yet/, /start backup\.service/],
  ['whose clock was set back', backup({ last_good: now + 3 * day }), 'overdue', /time to come/, /clock/],
  [
    'whose timer is stopped',
    answer('web', { live: { 'backup.timer': 'inactive' } }),
    'overdue',
    /backup\.timer is not running/,
    /enable --now backup\.timer/,
  ],
  [
    'whose drill failed',
    answer('web', {
      units: { backup: unit(), 'backup-drill': unit({ result: 'exit-code', failed: ['shop does not load'] }) },
    }),
    'unproven',
    /The last drill failed: shop does not load/,
    /journalctl -u backup-drill\.service/,
  ],
  [
    'of which a hook failed that it does not need',
    backup({ optional_failures: ['backup-x.service'] }),
    'mind',
    /does not need it/,
    /backupctl/,
  ],
  [
    'whose disk will be full',
    backup({ troubles: ['the disk of /r will be full in 3 days'] }),
    'mind',
    /full in 3/,
    /backupctl/,
  ],
] as const)('a machine %s', (_, given, state, problem, remedy) => {
  it(`is ${state}, and it is told what is wrong and what to do`, () => {
    const found = judged(given);
    expect(found.state).toBe(state);
    expect(found.problems[0]).toMatch(problem);
    expect(found.remedies[0]).toMatch(remedy);
  });
});

it('a machine that is well has nothing to be told', () =>
  expect(judged(answer('web'))).toMatchObject({ state: 'ok', problems: [], remedies: [], older: false }));

it('its own limit counts for how old a backup may be', () => {
  const good = { units: { backup: unit({ last_good: now - 40 * 3600 }) } };
  expect(judged(answer('web', { ...good, alert_after: 48 })).state).toBe('ok');
  expect(judged(answer('web', { ...good, alert_after: 0 })).state).toBe('overdue');
});

it('the worst are first, of alike ones that with the oldest good backup', () => {
  const machines = [
    answer('fine'),
    overdue('late'),
    failed('b'),
    answer('a', { units: { backup: unit({ result: 'exit-code', last_good: now - 30 * day }) } }),
    silent('quiet'),
    unreachable('gone'),
    answer('also-fine'),
  ].map(judged);
  expect(machines.sort(worstFirst).map(({ name }) => name)).toEqual([
    'gone',
    'quiet',
    'a',
    'b',
    'late',
    'also-fine',
    'fine',
  ]);
  expect(states).toEqual(['unreachable', 'silent', 'failing', 'overdue', 'unproven', 'mind', 'ok']);
});

it('a version that is older, or does not say which, is told', () => {
  expect([
    isOlder('0.1.0', '0.1.0'),
    isOlder('0.9.9', '0.10.0'),
    isOlder('1.0.0', '0.10.0'),
    isOlder('', '0.1.0'),
  ]).toEqual([false, true, false, true]);
  expect(judged(answer('web', { version: '' })).older).toBe(true);
  // Of who says nothing nothing is older.
  expect(judged(unreachable('web')).older).toBe(false);
});

it('what is made of any answers has the form of fleet.json', () => {
  const valid = new Ajv({ strict: false }).compile(toJsonSchema(fleet));
  const made = fleetOf(asked(fleetOfMachines(500)));
  expect(valid(JSON.parse(JSON.stringify(made))), JSON.stringify(valid.errors)).toBe(true);
  expect(valid({ ...made, machines: [{ ...made.machines[0], state: 'fine' }] })).toBe(false);
});
