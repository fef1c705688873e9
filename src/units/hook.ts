import type { Proof } from '../render/json.ts';
import type { Directive, Unit } from '../render/unit.ts';
import { argument, line, word, type Value } from '../render/value.ts';
import { dumps, programs, proofs, restoreState, tasks, unitDirectory } from '../schema/host.ts';
import { background, loosened, nothing, sandbox, smallMemory, type Sandbox } from './sandbox.ts';
import { failureReport } from './report.ts';
import { backupService, restService } from './task.ts';
import { set, triedAtOnce } from './unit.ts';

/** What one piece of software wants done before every backup. */
export interface Hook {
  /** Names `backup-NAME.service` and `/backup/NAME`. */
  readonly name: string;
  readonly description: string;
  readonly user: Value;
  /** If it is not the user's own. */
  readonly group?: Value;
  /** Program and arguments. */
  readonly command: readonly Value[];
  readonly environment?: Readonly<Record<string, Value>>;
  /** Credential name → file of the host. @see systemd.exec(5) "LoadCredential=" */
  readonly credentials?: Readonly<Record<string, string>>;
  /** Literal paths below the hidden directories that it reads. */
  readonly read?: readonly string[];
  /** Literal paths that it writes to beside its own directory. */
  readonly write?: readonly string[];
  readonly network?: Sandbox['network'];
  readonly timeLimit: Value;
  /** Units that have to be up first. */
  readonly after?: readonly string[];
  /** Whether the backup fails with it; true if not given. */
  readonly required?: boolean;
  /** The names of the hooks that have to be done before it starts. */
  readonly order?: readonly string[];
  /** Whether its dump goes when everything was saved; false if not given. */
  readonly cleanup?: boolean;
  /** Program and arguments that load what was saved of it; see `hookRestore`. */
  readonly restore?: readonly Value[];
  /** Whether `restore` is started while the dump is taken out, and waits until there is something to read in `$BACKUP_READY`, a pipe. */
  readonly waits?: boolean;
  /** Program and arguments that prove what was saved of it; see `hookProof`. */
  readonly prove?: readonly Value[];
  /** Whether each database of the dump, which has manifests, is proven by itself: the proof runs what its owner put into it. */
  readonly apart?: boolean;
  /** Program and arguments that make, in the working directory, what all those proofs only read in `$BACKUP_PREPARED`. */
  readonly prepare?: readonly Value[];
  /** Directives that take the place of the sandbox's own, their values rendered. */
  readonly loosened?: readonly Directive[];
}

/** What a hook sees nothing of, but for what it is given to read or write. */
export const hiddenDirectories = ['/srv', '/mnt', '/media'];

/** Where a hook leaves what it wants saved: its own, 0700, and all it sees of `/backup`. */
export const hookDirectory = (name: string): string => `${dumps}/${name}`;

/**
 * The hook's own service: its user, its sandbox, its directory.
 *
 * The backup wants it, so all hooks start at once, and joins it in an `ExecStartPre=` (see the drop-in);
 * `RemainAfterExit=` lets a finished one count as done until then, `StopWhenUnneeded=` makes it run again next time.
 * @see systemd.unit(5) "StopWhenUnneeded="
 */
export function hookService(hook: Hook): Unit {
  const { after = [], order = [] } = hook;
  // What the backup waits for too: a hook that is done long before it begins would be none of its run.
  const before = ['network-online.target', restService, failureReport(tasks.run), ...after, ...order.map(hookUnit)];
  return {
    path: `${unitDirectory}/${hookUnit(hook.name)}`,
    sections: [
      {
        name: 'Unit',
        directives: [
          set('Description', line(hook.description)),
          set('After', before.join(' ')),
          triedAtOnce,
          set('PartOf', backupService, 'Stopping the backup stops the hook.'),
          set('StopWhenUnneeded', 'true', 'Done once for each backup, and again for the next.'),
        ],
      },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('RemainAfterExit', 'true'),
          ...does(hook, hook.command, hookDirectory(hook.name)),
          set('TimeoutStartSec', line(hook.timeLimit), 'A hung hook would block every later backup.'),
          ...background(),
        ],
      },
    ],
  };
}

/** What the hook's own program does, and its restore step: the same user in the same sandbox, with one directory of its own. */
function does(
  hook: Hook,
  command: readonly Value[],
  directory: string,
  environment: Readonly<Record<string, Value>> = {},
): Directive[] {
  const { read = [], write = [] } = hook;
  const inHomes = [...read, ...write].some((path) => /^\/(?:home|root)(?:\/|$)/.test(path));
  const writable = [directory, ...write.map((path) => word(path))];
  return [
    set('ExecStart', command.map(argument).join(' ')),
    ...Object.entries({ ...hook.environment, ...environment }).map(([name, value]) =>
      set('Environment', word(value, `${name}=`)),
    ),
    ...Object.entries(hook.credentials ?? {}).map(([name, file]) => set('LoadCredential', `${name}:${line(file)}`)),
    set('User', line(hook.user)),
    ...(hook.group === undefined ? [] : [set('Group', line(hook.group))]),
    // Never RemoveIPC= here: when the unit stops it would destroy the shared memory of a daemon with the same user.
    ...loosened(
      sandbox({ ...nothing, home: inHomes ? 'empty' : 'hidden', writable, network: hook.network ?? false }),
      hook.loosened ?? [],
    ),
    set(
      'TemporaryFileSystem',
      [dumps, ...hiddenDirectories].map((path) => `${path}:ro`).join(' '),
      'Of /backup it sees only its own directory, of these others only what it is given.',
    ),
    set('BindPaths', writable.join(' ')),
    ...(read.length === 0 ? [] : [set('BindReadOnlyPaths', read.map((path) => word(path)).join(' '))]),
  ];
}

/** Where `backupctl restore-db` lays down what a restore step is to load: `dump/`, and `request.json`, which says as what. */
export const restoreDirectory = (name: string): string => `${restoreState}/${name}`;

/**
 * The service that loads what was saved of the hook: its user and its sandbox, with what is to be restored in place of `/backup/NAME`.
 * `undefined` for a hook that does not say how.
 */
export function hookRestore(hook: Hook): Unit | undefined {
  if (hook.restore === undefined) return undefined;
  const directory = restoreDirectory(hook.name);
  const environment = {
    BACKUP_DUMP: `${directory}/dump`,
    BACKUP_REQUEST: `${directory}/request.json`,
    ...(hook.waits === true ? { BACKUP_READY: `${directory}.ready` } : {}),
  };
  return {
    path: `${unitDirectory}/${hookUnit(`${hook.name}-restore`)}`,
    sections: [
      {
        name: 'Unit',
        directives: [
          set('Description', line(`Restore of what hook ${hook.name} of the backup saved`)),
          set('After', ['network-online.target', ...(hook.after ?? [])].join(' ')),
          triedAtOnce,
        ],
      },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          // Nor does it stand back behind what else the machine does.
          set(
            'TimeoutStartSec',
            'infinity',
            'Somebody waits for it, and can end it; a dump takes longer to load than to make.',
          ),
          ...(hook.waits === true
            ? [
                set(
                  'SuccessExitStatus',
                  'SIGTERM',
                  'Stopped while it waits for the dump it has done nothing, and failed in nothing.',
                ),
              ]
            : []),
          ...does(hook, hook.restore, directory, environment),
        ],
      },
    ],
  };
}

/** Which program proves what was saved of a hook, in a file of its own. */
export interface HookProof {
  readonly path: string;
  readonly proof: Proof;
}

/** For `backup-drill`, which runs the program as nobody who could do harm. */
export function hookProof({ name, prove, prepare, environment = {} }: Hook): HookProof | undefined {
  if (prove === undefined) return undefined;
  return {
    path: `${proofs}/${name}.json`,
    proof: { command: prove, ...(prepare === undefined ? {} : { prepare }), environment },
  };
}

/** The unit that proves the backups by restoring them. */
export const drillService = `${tasks.drill}.service`;

/** The drop-in that has the drill prove the hook. */
export function hookDrill({ name, prove, apart = false }: Hook): Unit | undefined {
  if (prove === undefined) return undefined;
  const start = apart
    ? [
        set(
          'ExecStart',
          `-${programs}/backup-drill part ${name}`,
          'Each database in a sandbox of its own: what is in one sees nothing of another.',
        ),
        set(
          'ExecStart',
          `-!${programs}/backup-drill each ${name}`,
          'Its failure is judged behind the proofs of all hooks.',
        ),
      ]
    : [
        set(
          'ExecStart',
          `-!/bin/systemctl start backup-prove@${name}.service`,
          'Its failure is judged behind the proofs of all hooks.',
        ),
      ];
  return {
    path: `${unitDirectory}/${drillService}.d/${name}.conf`,
    sections: [{ name: 'Service', directives: start }],
  };
}

/** The service that removes a dump which was saved: as the hook's user, with nothing in sight but its directory. */
export function hookCleanup(hook: Hook): Unit {
  const directory = hookDirectory(hook.name);
  return {
    path: `${unitDirectory}/${cleanupUnit(hook.name)}`,
    sections: [
      {
        name: 'Unit',
        directives: [set('Description', line(`Cleanup after hook ${hook.name} of the backup`)), triedAtOnce],
      },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('ExecStart', `/usr/bin/find ${directory} -mindepth 1 -delete`),
          set('User', line(hook.user)),
          ...(hook.group === undefined ? [] : [set('Group', line(hook.group))]),
          set('TimeoutStartSec', line(hook.timeLimit)),
          ...background(),
          ...sandbox({ ...nothing, writable: [directory], memory: smallMemory }),
          set('TemporaryFileSystem', [dumps, ...hiddenDirectories].map((path) => `${path}:ro`).join(' ')),
          set('BindPaths', directory),
        ],
      },
    ],
  };
}

const hookUnit = (name: string): string => `backup-${name}.service`;
const cleanupUnit = (name: string): string => hookUnit(`${name}-cleanup`);

/** The drop-in that injects the hook into the backup. */
export function hookDropIn({ name, description, required = true, cleanup = false }: Hook): Unit {
  const service = hookUnit(name);
  return {
    path: `${unitDirectory}/${backupService}.d/${name}.conf`,
    sections: [
      { name: 'Unit', directives: [set('Wants', service, `${description}: started with all other hooks at once.`)] },
      {
        name: 'Service',
        directives: [
          required
            ? set('ExecStartPre', `!/bin/systemctl start ${service}`, 'Waited for; if it fails, the backup fails.')
            : set('ExecStartPre', `-!/bin/systemctl start ${service}`, 'Waited for; if it fails, the backup goes on.'),
          ...(cleanup
            ? [
                set(
                  'ExecStartPost',
                  `-!/bin/systemctl start ${cleanupUnit(name)}`,
                  'Everything was saved, so a failure is one of the cleanup alone.',
                ),
              ]
            : []),
          // Not `!`: a command in the sandbox takes six times as long to start, and this one only asks systemd.
          set(
            'ExecStopPost',
            `-+/bin/systemctl stop ${service}`,
            'Over before the backup is: a next one that starts at once would take what is left of it for done.',
          ),
        ],
      },
    ],
  };
}
