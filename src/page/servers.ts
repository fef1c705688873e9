import type { Machine } from '../schema/fleet.ts';
import { size, when } from '../fleet/figures.ts';

type Repository = NonNullable<Machine['servers']>[number] | NonNullable<Machine['clients']>[number];

/** How many machines of a server are shown; all are in fleet.json. */
const shown = 500;

/** What servers say of a machine, a line each. */
export const servers = ({ servers = [] }: Machine, now: number): string[] =>
  servers.map((each) => `${each.server}: ${repository(each, now)}`);

/** What a server says of the machines that save to it, a line each; the one that saved nothing for longest first. */
export function clients({ clients = [] }: Machine, now: number): string[] {
  const rest = clients.length - shown;
  return [
    ...clients
      .slice(0, shown)
      .map((each) => `${each.client}${each.remembered ? '' : ' (not one of ours)'}: ${repository(each, now)}`),
    ...(rest > 0 ? [`and ${rest} more, see fleet.json`] : []),
  ];
}

function repository(each: Repository, now: number): string {
  const { changed, live_size, held_size, generations, last_generation, refused, absent } = each;
  return [
    changed === undefined ? 'nothing came yet' : `last change ${when(changed, now)}`,
    size(live_size),
    ...(held_size > 0 ? [`${size(held_size)} of what was deleted`] : []),
    `generations: ${generations}${last_generation === undefined ? '' : `, the newest ${when(last_generation, now)}`}`,
    ...(absent ? ['to save there no more'] : []),
    ...(refused === undefined ? [] : [`let in no more: ${refused}`]),
  ].join(', ');
}
