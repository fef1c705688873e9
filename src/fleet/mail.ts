import type { Fleet, Machine } from '../schema/fleet.ts';
import { stamp } from './figures.ts';
import { lastGood, words } from './words.ts';

/** How many machines are told of one by one. */
const shown = 5;

export interface Letter {
  readonly subject: string;
  readonly text: string;
}

/** What an administrator has to know of the whole fleet: how many are not well, the worst of them, and what to do. */
export function letter({ made, machines }: Fleet): Letter {
  const bad = machines.filter(({ state }) => state !== 'ok');
  const all = machines.length === 1 ? '1 machine' : `${machines.length} machines`;
  if (bad.length === 0) return { subject: `backups of ${all}: ok`, text: `All is well with the backups of ${all}.\n` };
  const rest = bad.slice(shown);
  return {
    subject: `backups of ${all}: ${bad.length} with problems: ${bad
      .slice(0, 3)
      .map(({ name }) => name)
      .join(', ')}${bad.length > 3 ? ', …' : ''}`,
    text: [
      `${bad.length} of ${all} are not well, as of ${stamp(made)}.`,
      ...bad.slice(0, shown).map((machine) => paragraph(machine, made)),
      ...(rest.length === 0 ? [] : [`Also: ${rest.map(({ name, state }) => `${name} (${words[state]})`).join(', ')}`]),
    ]
      .join('\n\n')
      .concat('\n'),
  };
}

const paragraph = ({ name, state, last_good, problems, remedies }: Machine, now: number): string =>
  [
    `${name}: ${words[state]}, last good backup ${lastGood(state, last_good, now)}`,
    ...problems.slice(0, 5).map((line) => `  ${line}`),
    ...remedies.slice(0, 5).map((line) => `  -> ${line}`),
  ].join('\n');
