import { argument, line, word, type Value } from '../render/value.ts';
import { backupService } from './backup.ts';
import { background, sandbox } from './sandbox.ts';
import { set, unitDirectory, type Unit } from './unit.ts';

/** What one piece of software wants done before every backup. */
export interface Hook {
  /** Names `backup-NAME.service` and `/backup/NAME`. */
  readonly name: string;
  readonly description: string;
  readonly user: Value;
  /** Program and arguments. */
  readonly command: readonly Value[];
  readonly environment?: Readonly<Record<string, Value>>;
  readonly timeLimit: Value;
  /** Units that have to be up first. */
  readonly after?: readonly string[];
}

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
  return {
    path: `${unitDirectory}/backup-${hook.name}.service`,
    sections: [
      {
        name: 'Unit',
        directives: [
          set('Description', line(hook.description)),
          ...(hook.after === undefined ? [] : [set('After', hook.after.join(' '))]),
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
          set('User', line(hook.user)),
          set('TimeoutStartSec', line(hook.timeLimit), 'A hung hook would block every later backup.'),
          ...background(),
          // Never RemoveIPC= here: when the unit stops it would destroy the shared memory of a daemon with the same user.
          ...sandbox({ capabilities: [], home: 'hidden', users: 'hidden', writable: [directory], network: false }),
          set('TemporaryFileSystem', '/backup:ro', 'Of /backup it sees only its own directory.'),
          set('BindPaths', directory),
        ],
      },
    ],
  };
}

/** The snippet that injects the hook into the backup. */
export function hookSnippet({ name, description }: Pick<Hook, 'name' | 'description'>): Unit {
  const service = `backup-${name}.service`;
  return {
    path: `${unitDirectory}/${backupService}.d/${name}.conf`,
    sections: [
      { name: 'Unit', directives: [set('Wants', service, `${description}: started with all other hooks at once.`)] },
      {
        name: 'Service',
        directives: [set('ExecStartPre', `!/bin/systemctl start ${service}`, 'Waited for; if it fails, the backup fails.')],
      },
    ],
  };
}
