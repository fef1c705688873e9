import type { State } from '../schema/fleet.ts';
import * as problems from '../schema/problems.ts';
import { when } from './figures.ts';

/** What a state is called, for people. */
export const words: Readonly<Record<State, string>> = {
  unreachable: 'Unreachable',
  silent: 'Silent',
  failing: 'Failing',
  overdue: 'Overdue',
  unproven: 'Not verified',
  mind: 'Problems',
  ok: 'ok',
};

/** When the last good backup of a machine was, whose state that is. @param time undefined or 0: it has none, or none is known */
export const lastGood = (state: State, time: number | undefined, now: number): string =>
  time !== undefined && time > 0
    ? when(time, now)
    : state === 'unreachable' || state === 'silent'
      ? 'not known'
      : state === 'failing' || state === 'overdue'
        ? 'never'
        : 'none';

/** When its last check or drill was. */
export const lastProof = (state: State, time: number | undefined, now: number): string =>
  time !== undefined && time > 0
    ? when(time, now)
    : state === 'unreachable' || state === 'silent'
      ? 'not known'
      : 'none yet';

/** A text with its `%s` and `%d` filled in. */
export function filled(text: string, ...values: readonly (string | number)[]): string {
  let at = 0;
  return text.replaceAll(/%[sd]/g, () => String(values[at++] ?? ''));
}

/** Words of a machine, marked as such: in them are no such marks, nor those of a command, so that none of them passes for ours. */
export const quoted = (text: string): string =>
  `“${text.replaceAll(/[\u201c\u201d\u201e\u201f\u00ab\u00bb]/g, '"').replaceAll('`', "'")}”`;

/** A word of systemd, or what a machine says in its place. */
export const word = (text: string): string => (/^[a-z][a-z-]{0,39}$/.test(text) ? text : quoted(text));

/** A name as it can stand in a command: an inventory can be made of what a cloud's users call their machines. */
const safe = (name: string): string => (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) ? name : 'NAME');

/** What only the control node knows, in words; all else is in those of `schema/problems.ts`. */
export const found = {
  unreachable: (why: string) => `It cannot be reached: ${quoted(why)}`,
  silent: (why: string) =>
    why === '' ? 'Nothing is known of any backup.' : `Nothing is known of its backups: ${quoted(why)}`,
  partly: (why: string) => `Not all is known of its backups: ${quoted(why)}`,
  systemd: 'Its systemd does not say how its units do.',
  lastHeard: (server: string, when: string) => `The server ${server} last got something from it ${when}.`,
  neverHeard: (server: string) => `The server ${server} never got anything from it.`,
  unheard: (server: string, hours: number, when: string) =>
    `The server ${server} got nothing from it for longer than ${hours} hours; the last came ${when}.`,
  refused: (server: string, why: string) => `The server ${server} lets it in no more: ${quoted(why)}`,
  says: (server: string, what: string) => `The server ${server} says: ${quoted(what)}`,
  saysItself: (what: string) => `It says: ${quoted(what)}`,
  unknownClients: (why: string) => `It is not known what it keeps for other machines: ${quoted(why)}`,
  stranger:
    'It says that it keeps repositories for other machines, but this control node has not made it such a server.',
} as const;

/** What to do about it. */
export const remedy = {
  reach: (name: string) =>
    `Bring it up, or mend the way to it. On the control node: \`ansible ${safe(name)} -m ansible.builtin.ping\`.`,
  replace: (name: string) =>
    `If it is lost, set a new one up in its name. On the control node: \`ansible-playbook rootless.backup.restore -e restore_host=${safe(name)}\`. If it is to be no more, take it out of the inventory.`,
  permit: 'Ask as root (`ansible_become: true`), or make the user that asks a member of `backup_status_group`.',
  apply: 'Apply the role `rootless.backup.borg`, then run `backupctl run`.',
  renew: 'Mend what it says. If the record is damaged, the next run begins it anew: `backupctl run`.',
  status: 'Run `backupctl status`; it says more.',
  systemd: 'Run `systemctl status`.',
  server: 'On the server: `repositoryctl status`.',
  compare:
    'Compare `backupctl status` with `repositoryctl status` on the server: one of them is wrong. If it is to save there no more: docs/repository.md, A host that leaves.',
  become: 'Ask as root there (`ansible_become: true`).',
  remember:
    'Run the fleet where `backup_secrets_dir` of the server is, or apply the role `rootless.backup.repository` to it from here.',
  advised: (who: string, what: string) => `${who} says: ${quoted(what)}`,
} as const;

const units = '(?:backup|borg)[A-Za-z0-9@_.:-]*';
const ours = [problems.mend, problems.again, problems.look, problems.first, problems.firstLater, problems.restart].map(
  (text) =>
    new RegExp(`^${text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('%s', `${units}(?: -u ${units})*`)}$`),
);

/** What a machine advises: as it is, if those are words of ours with names of our units, else marked as what it says. */
export const advised = (line: string): string =>
  ours.some((each) => each.test(line)) ? line : remedy.advised('It', line);
