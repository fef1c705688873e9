import { states, type Machine, type State } from '../schema/fleet.ts';
import { tasks, watch } from '../schema/host.ts';
import type { Answer, Unit } from './answer.ts';
import { span } from './figures.ts';

interface Finding {
  readonly state: State;
  readonly problems: readonly string[];
  readonly remedies: readonly string[];
}

const day = 86_400;
/** In hours, of a machine that does not say after how many it tells its administrator. */
const usualAlert = 36;

/** What is found about one machine: each task of a rule below, the worst first. */
function* findings(answer: Answer, now: number): Generator<Finding> {
  const { run, check, drill } = tasks;
  const backup = answer.units[run];
  if (!answer.reached) {
    yield {
      state: 'unreachable',
      problems: [`It cannot be reached: ${answer.trouble}`],
      remedies: [
        `Bring it up, or mend the way to it: \`ansible ${answer.name} -m ansible.builtin.ping\`. If it is lost: docs/restore.md. If it is no more: take it out of the inventory.`,
      ],
    };
    return;
  }
  if (!answer.known) yield silent(answer);
  if (backup !== undefined && backup.result !== 'success')
    yield failing(`${run}.service`, 'The last backup failed', backup);
  if (answer.known)
    for (const each of overdue(answer, backup?.last_good ?? 0, now))
      // What failed says by itself what is to be done.
      yield backup === undefined || backup.result === 'success' ? each : { ...each, remedies: [] };
  for (const [name, title] of [
    [check, 'The last check failed'],
    [drill, 'The last drill failed'],
  ] as const) {
    const unit = answer.units[name];
    if (unit !== undefined && unit.result !== 'success')
      yield { ...failing(`${name}.service`, title, unit), state: 'unproven' };
  }
  for (const unit of Object.values(answer.units)) {
    if (unit.optional_failures.length > 0)
      yield {
        state: 'mind',
        problems: unit.optional_failures.map((line) => `${line} failed; the backup does not need it.`),
        remedies: ['`backupctl status`, and `journalctl -u backup.service`.'],
      };
    if (unit.troubles.length > 0)
      yield { state: 'mind', problems: unit.troubles, remedies: ['`backupctl status`: see what it says.'] };
  }
  for (const timer of [run, check, watch].map((name) => `${name}.timer`)) {
    const state = answer.live[timer];
    if (answer.known && state !== undefined && state !== 'active')
      yield {
        state: timer === `${run}.timer` ? 'overdue' : 'mind',
        problems: [`${timer} is not running.`],
        remedies: [`Run \`systemctl enable --now ${timer}\`.`],
      };
  }
  if (answer.known && answer.trouble !== '')
    yield { state: 'mind', problems: [answer.trouble], remedies: ['`backupctl status`: see what it says.'] };
}

function silent({ trouble }: Answer): Finding {
  const refused = /permission denied/i.test(trouble);
  return {
    state: 'silent',
    problems: [trouble === '' ? 'Nothing is known of any backup.' : `Nothing is known of its backups: ${trouble}`],
    remedies: [
      refused
        ? 'Ask as root (`ansible_become: true`), or make the user that asks a member of `backup_status_group`.'
        : trouble === ''
          ? 'Apply the role `rootless.backup.borg`; after that, `backupctl run`.'
          : 'Mend what it says. If the record is damaged, the next run begins it anew: `backupctl run`.',
    ],
  };
}

/** Of an older version it is not known what its report said is to be done. */
const failing = (service: string, title: string, unit: Unit): Finding => ({
  state: 'failing',
  problems: unit.failed.length === 0 ? [`${title} (${unit.result}).`] : unit.failed.map((line) => `${title}: ${line}`),
  remedies:
    unit.advice.length === 0
      ? [`See \`journalctl -u ${service}\`, mend what it says, then run \`systemctl start ${service}\`.`]
      : unit.advice,
});

function* overdue(answer: Answer, good: number, now: number): Generator<Finding> {
  const remedies = ['Run `systemctl enable --now backup.timer; systemctl start backup.service`.'];
  if (good === 0) yield { state: 'overdue', problems: ['There is no good backup yet.'], remedies };
  else if (good > now + day)
    yield {
      state: 'overdue',
      problems: ['The last good backup is of a time to come: was the clock set back?'],
      remedies: [`Set the clock right, then run \`systemctl start backup.service\`.`],
    };
  else if (now - good >= (answer.alert_after > 0 ? answer.alert_after : usualAlert) * 3600)
    yield { state: 'overdue', problems: [`There is no good backup for ${span(now - good)}.`], remedies };
}

const rank = (state: State): number => states.indexOf(state);

/** A number that is there only if it is known. */
const known = <Key extends string>(key: Key, value: number | undefined): { [K in Key]?: number } =>
  (value === undefined || value === 0 ? {} : { [key]: Math.floor(value) }) as { [K in Key]?: number };

const sum = (archives: Unit['archives'], at: 2 | 3 | 4): number => archives.reduce((all, each) => all + each[at], 0);

/** What a machine answered, as `fleet.json` has it. @param version of the collection that asked @param now in seconds */
export function judge(answer: Answer, version: string, now: number): Machine {
  const found = [...findings(answer, now)];
  const state = found.map((each) => each.state).sort((one, other) => rank(one) - rank(other))[0] ?? 'ok';
  // What is said by the rule that makes the state comes first.
  const told = [...found.filter((each) => each.state === state), ...found.filter((each) => each.state !== state)];
  const { [tasks.run]: backup, [tasks.check]: check, [tasks.drill]: drill } = answer.units;
  const archives = backup?.archives ?? [];
  return {
    name: answer.name,
    groups: answer.groups,
    state,
    problems: [...new Set(told.flatMap(({ problems }) => problems))],
    remedies: [...new Set(told.flatMap(({ remedies }) => remedies))],
    ...(answer.version === '' ? {} : { version: answer.version }),
    older: answer.known && isOlder(answer.version, version),
    cut: answer.cut,
    ...('backup.service' in answer.live
      ? { running: ['activating', 'active'].includes(answer.live['backup.service'] ?? '') }
      : {}),
    ...known('last_good', backup?.last_good),
    ...known('last_run', backup?.finished),
    ...(backup === undefined ? {} : { last_result: backup.result, took: took(backup), failures: backup.failures }),
    ...known('failing_since', backup?.failing_since),
    ...known('last_check', check?.finished),
    ...(check === undefined ? {} : { check_result: check.result }),
    ...known('last_drill', drill?.finished),
    ...(drill === undefined ? {} : { drill_result: drill.result }),
    ...known('next_run', answer.next_run),
    ...(archives.length === 0
      ? {}
      : { files: sum(archives, 2), original_size: sum(archives, 3), deduplicated_size: sum(archives, 4) }),
    hooks: (backup?.hooks ?? []).map(([unit, result, required]) => ({ unit, result, required })),
    archives: archives.map(([repository, name, files, original_size, deduplicated_size]) => ({
      repository,
      name,
      files,
      original_size,
      deduplicated_size,
    })),
    repositories: [...new Set([...Object.keys(answer.repositories), ...Object.keys(answer.room)])]
      .sort()
      .map((each) => ({
        repository: each,
        ...(Object.hasOwn(answer.repositories, each) ? { archives: answer.repositories[each] ?? 0 } : {}),
        ...(Object.hasOwn(answer.room, each)
          ? { free: answer.room[each]?.[0] ?? 0, total: answer.room[each]?.[1] ?? 0 }
          : {}),
      })),
    warnings: [...(backup?.warnings ?? []), ...(check?.warnings ?? [])],
    history: answer.history.map(([finished, ok, seconds, original_size, deduplicated_size]) => ({
      finished,
      ok: ok === 1,
      took: seconds,
      original_size,
      deduplicated_size,
    })),
  };
}

/** If the clock was set back meanwhile, nothing is known of it. */
const took = ({ started, finished }: Unit): number => Math.max(0, Math.round(finished - started));

/** The worst first; of alike ones that with the oldest good backup, and then by name. */
export const worstFirst = (one: Machine, other: Machine): number =>
  rank(one.state) - rank(other.state) ||
  (one.state === 'ok' ? 0 : (one.last_good ?? 0) - (other.last_good ?? 0)) ||
  (one.name < other.name ? -1 : one.name > other.name ? 1 : 0);

/** Whether a version is older; one that is not said is, since the later ones say it. */
export function isOlder(version: string, than: string): boolean {
  const [one, other] = [version, than].map((each) => each.split('.').map((part) => Number.parseInt(part, 10) || 0));
  if (version === '') return true;
  for (let at = 0; at < 3; at++)
    if ((one?.[at] ?? 0) !== (other?.[at] ?? 0)) return (one?.[at] ?? 0) < (other?.[at] ?? 0);
  return false;
}
