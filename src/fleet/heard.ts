import type { Machine } from '../schema/fleet.ts';
import type { Answer, Server } from './answer.ts';
import { when } from './figures.ts';
import { day, known, type Finding } from './finding.ts';
import { found, remedy } from './words.ts';

type Client = Server['clients'][number];

/** What a server says of a machine. It is shown beside what the machine says, and never in its place. */
export interface Heard {
  readonly server: string;
  readonly client: Client;
  /** Whether the server says itself what is wrong, and when it tells of a machine. */
  readonly judged: boolean;
  /** What that is. */
  readonly says: readonly string[];
}

/** What servers say, by the name of the machine. Only who is a server may say something, and only of whom the control node has it keep a repository. */
export function heardOf(answers: readonly Answer[]): ReadonlyMap<string, readonly Heard[]> {
  const all = new Map<string, Heard[]>();
  for (const { name: server, server: said } of answers)
    for (const client of said?.remembered === true ? said.clients : []) {
      const [name, , , , , , , , , ours] = client;
      if (!ours || name === server) continue;
      const says = (said?.problems ?? []).filter(([of]) => of === name).map(([, text]) => text);
      all.set(name, [...(all.get(name) ?? []), { server, client, judged: said?.judged === true, says }]);
    }
  return all;
}

/** How long nothing may have come, in hours, of a machine that says `hours` of itself: more than a setting can be is a lie. */
const limit = (hours: number, usual: number): number => Math.max(usual, hours <= 8784 ? hours : 0);

/** What is wrong with a machine by what servers say. @param usual in hours */
export function* heardFindings(
  answer: Answer,
  heard: readonly Heard[],
  now: number,
  usual: number,
): Generator<Finding> {
  const good = answer.units['backup']?.last_good ?? 0;
  for (const { server, client, judged, says } of heard) {
    const [name, state, changed, , , , , refused, alertAfter] = client;
    // It knows better whether a machine is often off: then it has no limit.
    const hours = judged ? alertAfter : limit(answer.alert_after, usual);
    const age = now - changed;
    const unheard =
      state === 'present' &&
      hours > 0 &&
      (changed === 0 ? good > 0 && now - good > day / 8 : !(age > -day && age < hours * 3600));
    if (unheard)
      yield {
        state: 'overdue',
        problems: [changed === 0 ? found.neverHeard(server) : found.unheard(server, hours, when(changed, now))],
        remedies: [remedy.compare],
      };
    if (refused !== '') yield { state: 'mind', problems: [found.refused(server, refused)], remedies: [remedy.server] };
    // Why it is refused has been told.
    const told = `${name}: ${refused.slice(0, 100)}`;
    for (const text of says)
      if (refused === '' || !text.startsWith(told))
        yield { state: 'mind', problems: [found.says(server, text)], remedies: [remedy.server] };
  }
}

/** What is wrong with a server. */
export function* serverFindings({ trouble, remembered, problems }: Server): Generator<Finding> {
  if (!remembered) yield { state: 'mind', problems: [found.stranger], remedies: [remedy.remember] };
  if (trouble !== '')
    yield {
      state: 'mind',
      problems: [found.unknownClients(trouble)],
      remedies: [trouble === 'that is for root' ? remedy.become : remedy.server],
    };
  for (const [of, text, remedies] of problems)
    if (of === '')
      yield {
        state: 'mind',
        problems: [found.saysItself(text)],
        remedies: [...remedies.map((line) => remedy.advised('It', line)), remedy.server],
      };
}

/** What is known of a repository, as `fleet.json` has it. */
function repository([, state, changed, live, held, generations, newest, refused]: Client) {
  return {
    absent: state === 'absent',
    ...known('changed', changed),
    live_size: live,
    held_size: held,
    generations,
    ...known('last_generation', newest),
    ...(refused === '' ? {} : { refused }),
  };
}

/** What servers say of a machine, and what it says of others, as `fleet.json` has it; the one that saved nothing for longest first. */
export function servers(answer: Answer, heard: readonly Heard[]): Pick<Machine, 'servers' | 'clients'> {
  const clients = answer.server?.clients ?? [];
  return {
    ...(heard.length === 0 ? {} : { servers: heard.map(({ server, client }) => ({ server, ...repository(client) })) }),
    ...(clients.length === 0
      ? {}
      : {
          clients: [...clients]
            .sort((one, other) => one[2] - other[2])
            .map((client) => ({ client: client[0], remembered: client[9], ...repository(client) })),
        }),
  };
}
