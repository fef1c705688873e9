/// <reference lib="dom" />
import type { Machine } from '../schema/fleet.ts';
import { size, span, stamp, when } from '../fleet/figures.ts';
import { lastGood, lastProof } from '../fleet/words.ts';
import { bars, growth } from './charts.ts';
import { element, prose } from './elements.ts';
import { clients, servers } from './servers.ts';

/** All that is known of a machine. @param now in seconds since 1970 */
export function detail(machine: Machine, now: number, asker: string): HTMLElement[] {
  const at = (time: number | undefined): string =>
    time === undefined ? 'never' : `${when(time, now)} (${stamp(time)})`;
  const facts: [string, string][] = [
    [
      'Last good backup',
      machine.last_good === undefined ? lastGood(machine.state, undefined, now) : at(machine.last_good),
    ],
    ...(machine.last_run === undefined
      ? []
      : [
          ['Last backup', `${at(machine.last_run)}, ${machine.last_result ?? ''}, took ${span(machine.took ?? 0)}`] as [
            string,
            string,
          ],
        ]),
    ...(machine.failing_since === undefined
      ? []
      : [['Failing since', `${at(machine.failing_since)}, runs: ${machine.failures ?? 0}`] as [string, string]]),
    ['Last check', ended(machine.last_check, machine.check_result)],
    ['Last drill', ended(machine.last_drill, machine.drill_result)],
    [
      'Next backup',
      machine.running === true ? 'running now' : machine.next_run === undefined ? 'not known' : at(machine.next_run),
    ],
    ...(machine.files === undefined
      ? []
      : [
          [
            'Saved',
            `${machine.files} files, ${size(machine.original_size ?? 0)}, of it new ${size(machine.deduplicated_size ?? 0)}`,
          ] as [string, string],
        ]),
    ['Groups', machine.groups.join(', ') || 'none'],
    [
      'Collection',
      `${machine.version ?? (machine.older ? 'a version that does not say which' : 'not known')}${machine.older ? `, older than ${asker}: apply the roles anew` : ''}`,
    ],
  ];
  function ended(time: number | undefined, result = ''): string {
    return time === undefined ? lastProof(machine.state, time, now) : `${at(time)}, ${result}`;
  }
  const parts = [
    part(
      'Runs',
      facts.length === 0
        ? []
        : [element('dl', {}, ...facts.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]))],
    ),
    part(
      'Hooks',
      plain(
        machine.hooks.map(({ unit, result, required }) => `${unit}: ${result}${required ? '' : ' (not required)'}`),
      ),
    ),
    part(
      'Archives',
      plain(
        machine.archives.map(
          (each) =>
            `${each.repository} ${each.name}: ${each.files} files, ${size(each.original_size)}, ${size(each.deduplicated_size)} new`,
        ),
      ),
    ),
    part(
      'Repositories',
      plain(
        machine.repositories.map(
          ({ repository, archives, free, total }) =>
            `${repository}${archives === undefined ? '' : `: ${archives} archives`}${free === undefined ? '' : `, ${size(free)} of ${size(total ?? 0)} free`}`,
        ),
      ),
    ),
    part('On servers, as they say', plain(servers(machine, now))),
    part('Keeps for others', plain(clients(machine, now))),
    part('Warnings', plain(machine.warnings)),
    part(
      'History',
      machine.history.length === 0
        ? []
        : [
            element(
              'p',
              {},
              [`The last ${machine.history.length} runs`, growth(machine.history)].filter(Boolean).join(': '),
            ),
            element(
              'div',
              {},
              'Size of what was saved',
              bars(machine.history, 'Size of what was saved', (run) => run.original_size),
            ),
            element(
              'div',
              {},
              'New in the repositories',
              bars(machine.history, 'New in the repositories', (run) => run.deduplicated_size),
            ),
          ],
    ),
  ].flat();
  return [
    ...(machine.problems.length === 0
      ? []
      : [
          element(
            'div',
            { class: 'mend' },
            element('h2', {}, 'What is wrong'),
            ...list(machine.problems),
            ...(machine.remedies.length === 0
              ? []
              : [
                  element('h2', {}, 'What to do'),
                  element('p', { class: 'where' }, 'On the machine, as root, if nothing else is said.'),
                  ...list(machine.remedies),
                ]),
          ),
        ]),
    element('div', { class: 'parts' }, ...parts),
    ...(machine.cut ? [element('p', {}, ...prose('It has more to say: `backupctl status` on the machine.'))] : []),
  ];
}

/** Our own words, in which a command is code. */
const list = (texts: readonly string[]): HTMLElement[] => items(texts.map(prose));

/** Words of a machine, as they are: no command of theirs looks like one of ours. */
const plain = (texts: readonly string[]): HTMLElement[] => items(texts.map((text) => [text]));

const items = (contents: readonly (readonly (string | Node)[])[]): HTMLElement[] =>
  contents.length === 0 ? [] : [element('ul', {}, ...contents.map((content) => element('li', {}, ...content)))];

const part = (title: string, content: readonly HTMLElement[]): HTMLElement[] =>
  content.length === 0 ? [] : [element('section', {}, element('h2', {}, title), ...content)];
