import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { fleetBundle } from '../../../src/emit/bundle.ts';
import { chunks, contents, heights, levels, sparkline, unpacked } from '../../../src/fleet/contents.ts';
import { letter } from '../../../src/fleet/mail.ts';
import { fleetOf } from '../../../src/fleet/made.ts';
import { prometheus } from '../../../src/fleet/prometheus.ts';
import { chosen, type Choice } from '../../../src/page/choice.ts';
import { madeOf } from '../../browser/page.ts';
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
  unreachable,
} from '../../machines.ts';

it('the bundle is what is committed, needs nothing else, and is small', async () => {
  const { path, content } = await fleetBundle();
  expect(readFileSync(path, 'utf8')).toBe(content);
  expect(content.length).toBeLessThan(150_000);
  expect(content).toMatch(
    /^\/\/ SPDX-FileCopyrightText: .*\n\/\/ SPDX-License-Identifier: GPL-3\.0-or-later\n\/\/ Generated /,
  );
  const { stdout, stderr, status } = spawnSync(process.execPath, [path], {
    input: JSON.stringify(asked(fleetOfMachines(60))),
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout)).toEqual(await madeOf(fleetOfMachines(60)));
});

it('the mail tells of the five worst, what to do, and who else', () => {
  const bad = Array.from({ length: 7 }, (_, index) => failed(`web-${index}`));
  const { subject, text } = letter(
    fleetOf(asked([answer('fine'), ...bad, unreachable('gone'), silent('quiet'), overdue('late')])),
  );
  expect(subject).toBe('backups of 11 machines: 10 with problems: gone, quiet, web-0, …');
  expect(text).toMatchInlineSnapshot(`
    "10 of 11 machines are not well, as of 2026-09-21 14:13 UTC.

    gone: Unreachable, last good backup not known
      It cannot be reached: “ssh: connect to host 10.0.0.7 port 22: No route to host”
      -> Bring it up, or mend the way to it. On the control node: \`ansible gone -m ansible.builtin.ping\`.
      -> If it is lost, set a new one up in its name. On the control node: \`ansible-playbook rootless.backup.restore -e restore_host=gone\`. If it is to be no more, take it out of the inventory.

    quiet: Silent, last good backup not known
      Nothing is known of any backup.
      -> Apply the role \`rootless.backup.borg\`, then run \`backupctl run\`.

    web-0: Failing, last good backup 2 days ago
      The last backup failed: “backup-wiki.service (exit-code): the disk of the wiki is full”
      There is no good backup for longer than 36 hours.
      -> Mend what is said above; more is in \`journalctl -u backup-wiki.service\`.
      -> Then run \`systemctl start backup.service\`; what was saved before is still there.

    web-1: Failing, last good backup 2 days ago
      The last backup failed: “backup-wiki.service (exit-code): the disk of the wiki is full”
      There is no good backup for longer than 36 hours.
      -> Mend what is said above; more is in \`journalctl -u backup-wiki.service\`.
      -> Then run \`systemctl start backup.service\`; what was saved before is still there.

    web-2: Failing, last good backup 2 days ago
      The last backup failed: “backup-wiki.service (exit-code): the disk of the wiki is full”
      There is no good backup for longer than 36 hours.
      -> Mend what is said above; more is in \`journalctl -u backup-wiki.service\`.
      -> Then run \`systemctl start backup.service\`; what was saved before is still there.

    Also: web-3 (Failing), web-4 (Failing), web-5 (Failing), web-6 (Failing), late (Overdue)
    "
  `);
  expect(letter(fleetOf(asked([answer('fine')])))).toEqual({
    subject: 'backups of 1 machine: ok',
    text: 'All is well with the backups of 1 machine.\n',
  });
});

it('no name or text forges a line of the metrics', () => {
  const clients = hostile.map((name) => client(name, 1));
  const text = prometheus(fleetOf(asked([store('a "store"', { clients }), ...hostile.map((name) => failed(name))])));
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(
      /^(?:# (?:HELP|TYPE) backup_fleet_\w+ .*|backup_fleet_\w+(?:\{\w+="(?:[^"\\]|\\.)*"(?:,\w+="(?:[^"\\]|\\.)*")?\})? [\d.]+)$/,
    );
  expect(text).not.toMatch(/^forged/m);
});

it('on the page hostile texts are no markup', async () => {
  const { html } = await madeOf(hostile.map((name) => ({ ...failed(name), groups: [name], trouble: name })));
  expect(html.match(/<script/g)).toHaveLength(3);
  expect(html.match(/<\/noscript/g)).toHaveLength(1);
  expect(html).not.toMatch(/<img|<!--|\u202e/);
  expect(html).toMatch(
    /Content-Security-Policy" content="default-src 'none'; script-src 'sha256-[\w+/=]+'; style-src 'sha256-[\w+/=]+'; base-uri 'none'; form-action 'none'"/,
  );
});

it('a sparkline agrees with the history, and so does what the page packs', () => {
  const { machines } = fleetOf(asked(fleetOfMachines(50)));
  for (const machine of machines) {
    const drawn = heights(sparkline(machine.history));
    const sizes = machine.history.flatMap(({ ok, original_size }) => (ok ? [original_size] : []));
    const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
    expect(drawn).toHaveLength(machine.history.length);
    for (const [index, { ok, original_size }] of machine.history.entries())
      if (ok) expect(drawn[index]).toBeCloseTo((original_size - least) / (most - least), 1);
      else expect(drawn[index]).toBeUndefined();
    const [[again] = []] = chunks({ version: '', made: now, machines: [machine] }).map((chunk) => chunk.map(unpacked));
    expect({ ...again, history: [] }).toEqual({ ...machine, history: [] });
    for (const [index, run] of machine.history.entries()) {
      const found = again?.history[index];
      expect(Math.abs((found?.finished ?? 0) - run.finished)).toBeLessThanOrEqual(30);
      expect(found?.ok).toBe(run.ok);
      expect((found?.original_size ?? 0) / run.original_size).toBeCloseTo(1, 3);
    }
  }
  const [run] = machines.find(({ history }) => history.length > 0)?.history ?? [];
  expect(heights(sparkline(run === undefined ? [] : [run, run]))).toEqual([0.5, 0.5]);
  expect(levels).toBe(30);
});

it('rows are found by name, group and problem, chosen by state and group, and sorted by each column', () => {
  const all = contents(
    fleetOf(asked([answer('b-web', { groups: ['shops'] }), answer('a-web', { next_run: now + 5 }), failed('db')])),
  );
  const find = (choice: Partial<Choice>): string[] =>
    chosen(all, { search: '', state: -1, group: -1, order: 'state', descending: false, ...choice }).map(
      (place) => all.rows[place]?.[0] ?? '',
    );
  expect(find({})).toEqual(['db', 'a-web', 'b-web']);
  expect(find({ search: 'WEB' })).toEqual(['a-web', 'b-web']);
  expect(find({ search: 'shop web' })).toEqual(['b-web']);
  expect(find({ search: 'disk of the wiki' })).toEqual(['db']);
  expect(find({ state: 2 })).toEqual(['db']);
  expect(find({ group: all.groups.indexOf('shops') })).toEqual(['b-web']);
  expect(find({ order: 'name', descending: true })).toEqual(['db', 'b-web', 'a-web']);
  expect(find({ order: 'next' })[0]).toBe('a-web');
  expect(find({ order: 'good' })[0]).toBe('db');
});
