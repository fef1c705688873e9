import { argument, line, word, type Value } from '../render/value.ts';
import { backupService } from './backup.ts';
import { background, loosened, sandbox, type Sandbox } from './sandbox.ts';
import { set, unitDirectory, type Directive, type Unit } from './unit.ts';

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
  /** Directives that take the place of the sandbox's own, their values rendered. */
  readonly loosened?: readonly Directive[];
}

/** What a hook sees nothing of, but for what it is given to read or write. */
export const hiddenDirectories = ['/srv', '/mnt', '/media'];

/** Where a hook leaves what it wants saved: its own, 0700, and all it sees of `/backup`. */
export const hookDirectory = (name: string): string => `/backup/${name}`;

/**
 * The hook's own service: its user, its sandbox, its directory.
 *
 * The backup wants it, so all hooks start at once, and joins it in an `ExecStartPre=` (see the snippet);
 * `RemainAfterExit=` lets a finished one count as done until then, `StopWhenUnneeded=` makes it run again next time.
 * @see systemd.unit(5) "StopWhenUnneeded="
 */
export function hookService(hook: Hook): Unit {
  const directory = hookDirectory(hook.name);
  const { read = [], write = [], after = [], order = [] } = hook;
  // What the backup waits for too: a hook that is done long before it begins would be none of its run.
  const before = ['network-online.target', ...after, ...order.map(hookUnit)];
  const inHomes = [...read, ...write].some((path) => /^\/(?:home|root)(?:\/|$)/.test(path));
  return {
    path: `${unitDirectory}/${hookUnit(hook.name)}`,
    sections: [
      {
        name: 'Unit',
        directives: [
          set('Description', line(hook.description)),
          set('After', before.join(' ')),
          set('StartLimitIntervalSec', '0'),
          set('PartOf', backupService, 'Stopping the backup stops the hook.'),
          set('StopWhenUnneeded', 'true', 'Done once for each backup, and again for the next.'),
        ],
      },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('RemainAfterExit', 'true'),
          set('ExecStart', hook.command.map(argument).join(' ')),
          ...Object.entries(hook.environment ?? {}).map(([name, value]) => set('Environment', word(value, `${name}=`))),
          ...Object.entries(hook.credentials ?? {}).map(([name, file]) => set('LoadCredential', `${name}:${line(file)}`)),
          set('User', line(hook.user)),
          ...(hook.group === undefined ? [] : [set('Group', line(hook.group))]),
          set('TimeoutStartSec', line(hook.timeLimit), 'A hung hook would block every later backup.'),
          ...background(),
          // Never RemoveIPC= here: when the unit stops it would destroy the shared memory of a daemon with the same user.
          ...loosened(
            sandbox({
              capabilities: [],
              home: inHomes ? 'empty' : 'hidden',
              users: 'hidden',
              writable: [directory, ...write.map((path) => word(path))],
              network: hook.network ?? false,
            }),
            hook.loosened ?? [],
          ),
          set(
            'TemporaryFileSystem',
            ['/backup', ...hiddenDirectories].map((path) => `${path}:ro`).join(' '),
            'Of /backup it sees only its own directory, of these others only what it is given.',
          ),
          set('BindPaths', [directory, ...write.map((path) => word(path))].join(' ')),
          ...(read.length === 0 ? [] : [set('BindReadOnlyPaths', read.map((path) => word(path)).join(' '))]),
        ],
      },
    ],
  };
}

/** The service that removes a dump which was saved: as the hook's user, with nothing in sight but its directory. */
export function hookCleanup(hook: Hook): Unit {
  const directory = hookDirectory(hook.name);
  return {
    path: `${unitDirectory}/${cleanupUnit(hook.name)}`,
    sections: [
      { name: 'Unit', directives: [set('Description', line(`Cleanup after hook ${hook.name} of the backup`)), set('StartLimitIntervalSec', '0')] },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('ExecStart', `/usr/bin/find ${directory} -mindepth 1 -delete`),
          set('User', line(hook.user)),
          ...(hook.group === undefined ? [] : [set('Group', line(hook.group))]),
          set('TimeoutStartSec', line(hook.timeLimit)),
          ...background(),
          ...sandbox({ capabilities: [], home: 'hidden', users: 'hidden', writable: [directory], network: false }),
          set('TemporaryFileSystem', ['/backup', ...hiddenDirectories].map((path) => `${path}:ro`).join(' ')),
          set('BindPaths', directory),
        ],
      },
    ],
  };
}

const hookUnit = (name: string): string => `backup-${name}.service`;
const cleanupUnit = (name: string): string => hookUnit(`${name}-cleanup`);

/** The snippet that injects the hook into the backup. */
export function hookSnippet({ name, description, required = true, cleanup = false }: Pick<Hook, 'name' | 'description' | 'required' | 'cleanup'>): Unit {
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
            ? [set('ExecStartPost', `-!/bin/systemctl start ${cleanupUnit(name)}`, 'Everything was saved, so a failure is one of the cleanup alone.')]
            : []),
          set('ExecStopPost', `-!/bin/systemctl stop ${service}`, 'Over before the backup is: a next one that starts at once would take what is left of it for done.'),
        ],
      },
    ],
  };
}
