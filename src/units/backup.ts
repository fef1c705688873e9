import type { Directive, Unit } from '../render/unit.ts';
import { argument, line, word, type Expression, type Value } from '../render/value.ts';
import { background, sandbox } from './sandbox.ts';
import { set, unitDirectory } from './unit.ts';

/** The one unit that every hook injects itself into. */
export const backupService = 'backup.service';

/** What runs in the frame: an engine such as Borg. */
export interface Engine {
  readonly user: string;
  /** Whether a repository is remote. */
  readonly network: boolean | Expression;
  readonly program: string;
  readonly environment: Readonly<Record<string, Value>>;
  /** Credential name → the file that systemd reads it from; a leading `-` is not possible, so `when` makes one optional. */
  readonly credentials: readonly {
    readonly name: string;
    readonly file: string;
    readonly why?: string;
    readonly when?: Expression;
  }[];
  /** Name below /var/lib and /var/cache. */
  readonly state: string;
  /** Local repositories: the only other places that may be written to. */
  readonly repositories: Value;
}

/** Who may run for how long, and what it may do. */
interface Frame {
  readonly timeLimit: Value;
  /** A task that reads no files of the host is given no capability for it; false if not given. */
  readonly archivesOnly?: boolean;
  /** Somebody waits for it, so it does not stand back behind what else the machine does; false if not given. */
  readonly urgent?: boolean;
  /** What it may write to beside the engine's own. */
  readonly writable?: readonly string[];
}

/** What runs in a frame. */
interface Run {
  /** The engine's program, if not given. */
  readonly program?: string;
  readonly command: readonly Value[];
  readonly writable?: readonly string[];
}

interface Task extends Frame, Run {
  readonly name: string;
  readonly description: string;
}

/** `backup.service`: who runs and in which sandbox. What it runs comes from a snippet. */
export function backupFrame(engine: Engine, timeLimit: Value): Unit {
  return {
    path: `${unitDirectory}/${backupService}`,
    sections: [unitSection('Backup of this machine'), { name: 'Service', directives: frame(engine, { timeLimit }) }],
  };
}

/** The engine's own snippet: what runs in the frame, what it reads and what it may write. */
export function engineSnippet(engine: Engine): Unit {
  return {
    path: `${unitDirectory}/${backupService}.d/borg.conf`,
    sections: [{ name: 'Service', directives: runs(engine, { command: ['create'] }) }],
  };
}

/**
 * The mark that monitoring looks at. A snippet of its own, named to sort behind all others, so that
 * it is made after the last command of every other snippet; root, since `/` is nobody else's to write.
 */
export function markSnippet(): Unit {
  return {
    path: `${unitDirectory}/${backupService}.d/zz-last.conf`,
    sections: [
      {
        name: 'Service',
        directives: [
          set(
            'ExecStartPost',
            '+/usr/bin/touch /backup.last',
            'Last of all: reached only when everything before it succeeded.',
          ),
        ],
      },
    ],
  };
}

/** Another task of the same engine (initialise, check) in the same sandbox, as a unit of its own. */
export function engineTask(engine: Engine, task: Task): Unit {
  const { name, description } = task;
  return {
    path: `${unitDirectory}/${name}.service`,
    sections: [
      // Behind a running backup, without its own time running out meanwhile.
      unitSection(description, backupService),
      { name: 'Service', directives: [...frame(engine, task), ...runs(engine, task)] },
    ],
  };
}

const unitSection = (description: string, ...after: readonly string[]) =>
  ({
    name: 'Unit',
    directives: [
      set('Description', line(description).replaceAll('%%i', '%i')),
      set('StartLimitIntervalSec', '0', 'Who tries again after a failure is not told to wait.'),
      set('Wants', 'network-online.target'),
      set('After', ['network-online.target', ...after].join(' ')),
    ],
  }) as const;

function frame(engine: Engine, { timeLimit, archivesOnly = false, urgent = false, writable = [] }: Frame): Directive[] {
  return [
    set('Type', 'oneshot'),
    set('User', engine.user),
    set('Group', engine.user),
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
      writable: [`/var/lib/${engine.state}`, `/var/cache/${engine.state}`, word(engine.repositories, '-'), ...writable],
      network: engine.network,
    }),
  ];
}

function runs(engine: Engine, { program = engine.program, command, writable = [] }: Run): Directive[] {
  return [
    set('ExecStart', [program, ...command.map(argument)].join(' ')),
    ...Object.entries(engine.environment).map(([name, value]) => set('Environment', word(value, `${name}=`))),
    ...engine.credentials.map(({ name, file, why, when }) => ({
      ...set('LoadCredential', `${name}:${file}`, why),
      ...(when === undefined ? {} : { when }),
    })),
    set('StateDirectory', engine.state),
    set('StateDirectoryMode', '0700'),
    set('CacheDirectory', engine.state),
    set('CacheDirectoryMode', '0700'),
    set(
      'ReadWritePaths',
      [word(engine.repositories, '-'), ...writable].join(' '),
      'A repository that is not there must not stop the unit from starting: the program says so in words.',
    ),
  ];
}
