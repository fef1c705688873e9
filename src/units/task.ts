import type { Directive, Unit } from '../render/unit.ts';
import { line, type Value } from '../render/value.ts';
import { account, rest, state, tasks, unitDirectory } from '../schema/host.ts';
import { background, sandbox } from './sandbox.ts';
import { set, triedAtOnce } from './unit.ts';

/** The one unit that every hook injects itself into. */
export const backupService = `${tasks.run}.service`;

/** What saves the rest when hooks failed. */
export const restService = `${rest}.service`;

/**
 * What every program of the backup is told. Some hold a capability, and what is kept as the account, code of it may have written:
 * none takes Python modules, or the settings of any other program, from there.
 */
export const environment: Readonly<Record<string, string>> = {
  LANG: 'C.UTF-8',
  HOME: '/nonexistent',
  PYTHONNOUSERSITE: '1',
  PYTHONSAFEPATH: '1',
  PYTHONDONTWRITEBYTECODE: '1',
};

/** A task of the backup: who may run for how long, and what it may do. What opens the repositories comes from the engine's drop-in. */
export interface Task {
  readonly name: string;
  readonly description: string;
  readonly timeLimit: Value;
  /** Program and arguments, rendered; not given where the engine's drop-in says it. */
  readonly command?: string;
  /** Units that it starts behind. */
  readonly after?: readonly string[];
  /** A task that reads no files of the host is given no capability for it; false if not given. */
  readonly archivesOnly?: boolean;
  /** Somebody waits for it, so it does not stand back behind what else the machine does; false if not given. */
  readonly urgent?: boolean;
  /** What it may write to beside its state. */
  readonly writable?: readonly string[];
}

/** The unit of a task: the account, the sandbox, the time limit. Closed to the network: an engine opens it for a remote repository. */
export function taskService({
  name,
  description,
  timeLimit,
  command,
  after = [],
  archivesOnly = false,
  urgent = false,
  writable = [],
}: Task): Unit {
  return {
    path: `${unitDirectory}/${name}.service`,
    sections: [
      {
        name: 'Unit',
        directives: [
          set('Description', line(description).replaceAll('%%i', '%i')),
          triedAtOnce,
          set('Wants', 'network-online.target'),
          set('After', ['network-online.target', ...after].join(' ')),
        ],
      },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          ...(command === undefined ? [] : [set('ExecStart', command)]),
          set('User', account),
          set('Group', account),
          set(
            'TimeoutStartSec',
            line(timeLimit),
            'A oneshot has no limit of its own: a hung run would block every later one.',
          ),
          ...(urgent ? [] : background()),
          // Its own user has no other process, so its IPC objects are nobody else's.
          set('RemoveIPC', 'true'),
          ...sandbox({
            capabilities: archivesOnly ? [] : ['CAP_DAC_READ_SEARCH'],
            home: 'read-only',
            // PrivateUsers= would turn every owner into nobody.
            users: 'visible',
            writable: [state, ...writable],
            network: false,
          }),
          ...Object.entries(environment).map(([key, value]) => set('Environment', `${key}=${value}`)),
          ...hostCredentials(),
          ...stateDirectory(),
          ...(writable.length === 0 ? [] : [set('ReadWritePaths', writable.join(' '))]),
        ],
      },
    ],
  };
}

/** What the programs learn of the host from outside of the sandbox. */
const hostCredentials = (): Directive[] => [
  set(
    'LoadCredential',
    'host.mounts:/proc/1/mountinfo',
    'What the host really has mounted, so that the program can tell what a sandbox hides from it.',
  ),
  set('LoadCredential', 'host.users:/proc/1/uid_map'),
];

/** Where a task keeps what it knows. */
export const stateDirectory = (): Directive[] => [set('StateDirectory', account), set('StateDirectoryMode', '0700')];
