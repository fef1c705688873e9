import { states, type Machine, type State } from '../schema/fleet.ts';
import { tasks, watch } from '../schema/host.ts';
import * as host from '../schema/problems.ts';
import type { Answer, Unit } from './answer.ts';
import { when } from './figures.ts';
import { day, known, type Finding } from './finding.ts';
import { heardFindings, serverFindings, servers, type Heard } from './heard.ts';
import { advised, filled, found, quoted, remedy, word } from './words.ts';

/** In hours, of a machine that does not say after how many it tells its administrator. */
const usualAlert = 36;

/** What is found about one machine. */
function* findings(answer: Answer, version: string, heard: readonly Heard[], now: number): Generator<Finding> {
  if (!answer.reached) {
    yield unreachable(answer, heard, now);
    return;
  }
  if (answer.server !== undefined) yield* serverFindings(answer.server);
  if (isServerAlone(answer)) return;
  if (!answer.known) {
    yield silent(answer, heard, now);
    return;
  }
  for (const [name, title] of Object.entries(host.titles)) {
    const unit = answer.units[name];
    const unreported = answer.unreported[name];
    const service = `${name}.service`;
    if (unreported !== undefined)
      yield {
        state: name === tasks.run ? 'failing' : 'unproven',
        problems: [filled(host.unreported, title, word(unreported))],
        remedies: [filled(host.look, service)],
      };
    // Of an older run than the one that nobody was told of nothing more is to be said.
    else if (unit !== undefined) yield* ofRun(service, title, unit, name === tasks.run ? 'failing' : 'unproven');
  }
  const failed = tasks.run in answer.unreported || (answer.units[tasks.run]?.result ?? 'success') !== 'success';
  for (const each of missing(answer, now)) yield failed ? { ...each, remedies: [] } : each;
  yield* heardFindings(answer, heard, now, usualAlert);
  yield* timers(answer, isOlder(answer.version, version));
  if (answer.trouble !== '')
    yield { state: 'mind', problems: [found.partly(answer.trouble)], remedies: [remedy.status] };
}

/** What servers of a machine that says nothing can say. */
const lastHeard = (heard: readonly Heard[], now: number): string[] =>
  heard.map(({ server, client: [, , changed] }) =>
    changed === 0 ? found.neverHeard(server) : found.lastHeard(server, when(changed, now)),
  );

const unreachable = ({ name, trouble }: Answer, heard: readonly Heard[], now: number): Finding => ({
  state: 'unreachable',
  problems: [found.unreachable(trouble), ...lastHeard(heard, now)],
  remedies: [remedy.reach(name), remedy.replace(name)],
});

/** What a server of repositories needs is on the control node: it need not make backups, though it may report. */
const isServerAlone = ({ server, live }: Answer): boolean =>
  server?.remembered === true && live[`${tasks.run}.timer`] === 'not-found';

function silent({ trouble }: Answer, heard: readonly Heard[], now: number): Finding {
  return {
    state: 'silent',
    problems: [found.silent(trouble), ...lastHeard(heard, now)],
    remedies: [/permission denied/i.test(trouble) ? remedy.permit : trouble === '' ? remedy.apply : remedy.renew],
  };
}

/** What the report says of a run. @param state that of a machine on which it failed */
function* ofRun(service: string, title: string, unit: Unit, state: State): Generator<Finding> {
  if (unit.result !== 'success') {
    const [first, ...more] = unit.failed;
    yield {
      state,
      problems: [
        filled(host.failed, title, first === undefined ? word(unit.result) : quoted(first)),
        ...more.map(quoted),
      ],
      remedies: remedies(service, unit),
    };
  } else if (unit.optional_failures.length > 0)
    yield {
      state: 'mind',
      problems: [
        ...unit.optional_failures.map((line) => filled(host.optionalFailures, title, quoted(line))),
        host.notNeeded,
      ],
      remedies: remedies(service, unit),
    };
  if (unit.troubles.length > 0)
    yield {
      state: 'mind',
      problems: unit.troubles.map((line) => filled(host.told, title, quoted(line))),
      remedies: [remedy.status],
    };
}

/** What the report advised; that is not known of an older version, nor what of it is true. So something of ours is always there. */
function remedies(service: string, { advice, result }: Unit): string[] {
  const all = advice.map(advised);
  const mend = filled(host.mend, service);
  const again = filled(host.again, service);
  return all.some((line, at) => line === advice[at]) ? all : [...all, mend, ...(result === 'success' ? [] : [again])];
}

function* missing({ units, alert_after, live }: Answer, now: number): Generator<Finding> {
  const good = units[tasks.run]?.last_good ?? 0;
  const hours = alert_after > 0 ? alert_after : usualAlert;
  // Of a time to come: the clock was set back, so the age is not known.
  if (good > 0 && now - good > -day && now - good < hours * 3600) return;
  const broken = ['timer', 'service']
    .map((kind) => `${tasks.run}.${kind}`)
    .filter((unit) => isUnusable(live[unit]))
    .map((unit) => filled(host.unusable, unit, word(live[unit] ?? ''), unit));
  yield good === 0
    ? { state: 'overdue', problems: [host.never], remedies: [...broken, host.first] }
    : { state: 'overdue', problems: [filled(host.missing, hours)], remedies: [...broken, host.restart] };
}

/** A `LoadState` in place of an `ActiveState`. */
const isUnusable = (state: string | undefined): boolean =>
  state !== undefined &&
  !['active', 'activating', 'deactivating', 'reloading', 'inactive', 'failed', ''].includes(state);

/** Timers that do not run. @param older whether the machine may not have all of them */
function* timers({ live }: Answer, older: boolean): Generator<Finding> {
  if (Object.keys(live).length === 0) yield { state: 'mind', problems: [found.systemd], remedies: [remedy.systemd] };
  for (const name of [tasks.run, tasks.check, watch, tasks.drill]) {
    const timer = `${name}.timer`;
    const state = live[timer];
    if (state === undefined || state === 'active' || (state === 'not-found' && older && name !== tasks.run)) continue;
    yield {
      state: name === tasks.run ? 'overdue' : 'mind',
      problems: [filled(host.stopped, timer)],
      remedies: [isUnusable(state) ? filled(host.unusable, timer, word(state), timer) : filled(host.enable, timer)],
    };
  }
}

const rank = (state: State): number => states.indexOf(state);

const sum = (archives: Unit['archives'], at: 2 | 3 | 4): number => archives.reduce((all, each) => all + each[at], 0);

/** Without what another one of them does too. */
const shortened = (remedies: readonly string[]): string[] =>
  remedies.filter((each) => each !== filled(host.enable, `${tasks.run}.timer`) || !remedies.includes(host.restart));

/**
 * What a machine answered, as `fleet.json` has it.
 * @param version of the collection that asked @param now in seconds @param heard what servers say of it
 */
export function judge(answer: Answer, version: string, now: number, heard: readonly Heard[] = []): Machine {
  const all = [...findings(answer, version, heard, now)];
  const state = all.map((each) => each.state).sort((one, other) => rank(one) - rank(other))[0] ?? 'ok';
  // What is said by the rule that makes the state comes first.
  const told = [...all.filter((each) => each.state === state), ...all.filter((each) => each.state !== state)];
  const { [tasks.run]: backup, [tasks.check]: check, [tasks.drill]: drill } = answer.units;
  const archives = backup?.archives ?? [];
  return {
    name: answer.name,
    groups: answer.groups,
    state,
    problems: [...new Set(told.flatMap(({ problems }) => problems))],
    remedies: shortened([...new Set(told.flatMap(({ remedies }) => remedies))]),
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
    ...servers(answer, heard),
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
