import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { archives, backUp, newestOf, type Fixture } from '../host/fixture.ts';
import { mails, reported, type Mail } from '../host/mail.ts';
import type { Host } from '../lab/host.ts';
import { faults, type Fault } from './matrix.ts';

/** How a fault is brought about and ended; `run` is in place of a backup. */
export interface Trial {
  readonly provoke: (fixture: Fixture) => Promise<unknown>;
  /** Not where the report names a command: that one is run then, as it stands there. */
  readonly mend?: (fixture: Fixture) => Promise<unknown>;
  readonly run?: (fixture: Fixture) => Promise<unknown>;
  /** What else has to hold while the fault is there. */
  readonly during?: (fixture: Fixture) => Promise<unknown>;
  /** What has to hold after the next run. */
  readonly after?: (fixture: Fixture) => Promise<unknown>;
}

/** What is known to be saved: this text, in these archives. */
interface Saved {
  readonly text: string;
  readonly files: string;
  readonly dumps: string;
}

const known = new WeakMap<Host, Saved>();

/** What a hook and a path of these tests save: the text of `/srv/canary`. */
export const canary = {
  name: 'canary',
  user: 'wiki',
  command: ['/usr/bin/cp', '/srv/canary', '/backup/canary/canary'],
  read: ['/srv/canary'],
};

/** Sets role borg and the hook up, with short waits, and makes a first good backup. */
export async function prepare(
  { lab, host }: Fixture,
  settings: object = {},
  roles: readonly string[] = [],
): Promise<void> {
  await host.run('useradd --system wiki; echo first > /srv/canary; newaliases; systemctl restart postfix');
  await lab.roles(['borg', ...roles], { borg_lock_wait: 10, backup_paths: ['/srv'], ...settings });
  await hook({ lab, host } as Fixture, canary);
  await saveWell(host);
  await mails(host);
}

/** Injects a hook with the module's options. */
export const hook = ({ lab }: Fixture, options: object): Promise<unknown> =>
  lab.playbook([{ hosts: 'all', gather_facts: false, tasks: [{ 'rootless.backup.hook': options }] }]);

/** A test of one row of the matrix. */
export function fault(fixture: Fixture, key: keyof typeof faults, trial: Trial): void {
  it(faults[key].what, () => suffer(fixture, key, trial), 300_000);
}

/** A test of one row of the matrix, at several instants. */
export function faultRepeatedly(fixture: Fixture, key: keyof typeof faults, times: number, trial: () => Trial): void {
  it(
    `${faults[key].what}, at ${times} random instants`,
    async () => {
      for (let done = 0; done < times; done++) await suffer(fixture, key, trial());
    },
    times * 75_000,
  );
}

/** One trial: the fault, what was told of it, what is still there, and the next run. */
export async function suffer(
  fixture: Fixture,
  key: keyof typeof faults,
  { provoke, mend, run, during, after }: Trial,
): Promise<void> {
  const { host } = fixture;
  const row: Fault = faults[key];
  if (!known.has(host)) {
    // The fault before this one was not what it should have been.
    await saveWell(host);
    await mails(host);
  }
  const before = known.get(host) as Saved;
  known.delete(host);
  const text = randomUUID();
  await host.write('/srv/canary', text);

  await provoke(fixture);
  let log = '';
  let result = '';
  let told: Mail[] = [];
  let shown = '';
  try {
    const said = run === undefined ? (await backUp(host)).log : await run(fixture);
    log = typeof said === 'string' ? said : await host.journal(`${row.unit ?? 'backup'}.service`);
    result = (await host.run(`systemctl show --property=Result --value ${row.unit ?? 'backup'}.service`)).stdout.trim();
    await during?.(fixture);
    // What is only delivered when the fault has ended is looked for then.
    if (row.late === true) await reported(host);
    else told = await mails(host);
    shown = (await host.run('backupctl status', { mayFail: true })).stdout;
    if (row.hand !== undefined) {
      expect(told.map((mail) => mail.text).join('\n')).toContain(`\`${row.hand}\``);
      await host.run(`yes YES | ${row.hand}`);
    }
  } finally {
    await mend?.(fixture);
  }
  if (row.late === true) told = await mails(host);
  expect(row.result.split(' or '), log).toContain(result);
  expect(
    told.map(({ subject }) => subject),
    log,
  ).toEqual(row.told === undefined ? [] : [expect.stringMatching(pattern(row.told))]);
  isShown(shown, told[0], row);

  // What was good before is there, unless a whole archive of this run has taken its place.
  const names = await archives(host);
  const replaced =
    (row.result === 'success' && row.unit === undefined) ||
    !names.includes(before.files) ||
    !names.includes(before.dumps);
  await isSaved(host, replaced ? { text, files: newestOf(names, 'files'), dumps: newestOf(names, 'dumps') } : before);
  await saveWell(host);
  await mails(host);
  await after?.(fixture);
}

/** `backupctl status` says at its beginning what failed and what to do, in the words of the mail. */
function isShown(shown: string, mail: Mail | undefined, { hand, told }: Fault): void {
  const first = shown.split('\n').slice(0, 5).join('\n');
  if (mail === undefined || told === undefined) {
    expect(first).not.toContain('The last backup');
    return;
  }
  const { subject, text } = mail;
  const what = told.startsWith('MISSING')
    ? /^web: (.*)$/m.exec(text)?.[1]
    : subject.replace(/^backup of web: (?:backup-check )?(?:FAILED: |ok, but (?:failed: )?)/, '');
  // Of a long subject the middle is left out.
  for (const part of what?.split(' … ') ?? ['the mail does not say it']) expect(first).toContain(part);
  // What a good run tells of says itself what is to be done.
  const remedy = /^What to do: +(.*)$/m.exec(text)?.[1];
  if (remedy === undefined) expect(told).toMatch(/^ok, but/);
  else expect(first).toContain(`To do: ${remedy}`);
  if (hand !== undefined) expect(first).toContain(`\`${hand}\``);
}

/** The whole of a subject; `…` stands for what is another each time. */
const pattern = (told: string): RegExp =>
  new RegExp(
    `^backup of web: ${told
      .split('…')
      .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
      .join('.*')}$`,
  );

/** A backup that has to be good, in which a new text is. */
async function saveWell(host: Host): Promise<Saved> {
  const text = randomUUID();
  await host.write('/srv/canary', text);
  const { ok, log } = await backUp(host);
  expect(ok, log).toBe(true);
  const names = await archives(host);
  const saved = { text, files: newestOf(names, 'files'), dumps: newestOf(names, 'dumps') };
  await isSaved(host, saved);
  known.set(host, saved);
  return saved;
}

async function isSaved(host: Host, { text, files, dumps }: Saved): Promise<void> {
  const { stdout } = await host.run(
    `backup-borg extract --stdout ::${files} srv/canary; echo; backup-borg extract --stdout ::${dumps} backup/canary/canary`,
  );
  expect(stdout).toBe(`${text}\n${text}`);
}
