import type { Directive, Unit } from '../render/unit.ts';
import { line, word, type Expression, type Value } from '../render/value.ts';
import { account, cache, rest, tasks, unitDirectory } from '../schema/host.ts';
import { networkOpened } from './sandbox.ts';
import { only, set } from './unit.ts';

/**
 * What makes archives, as the units of the frame need to know it: it stands in drop-ins of theirs, so that none of them names it.
 * What its programs have to do is said in `rootless_backup/engine.py`.
 */
export interface Engine {
  /** Names its drop-ins. */
  readonly name: string;
  /** Saves with the argument `create`, what is there after hooks failed with `rest`, and looks for damage with `check`. */
  readonly program: string;
  /** How long looking for damage may take. */
  readonly checkTimeLimit: Value;
  readonly environment: Readonly<Record<string, Value>>;
  /** Credential name → the file that systemd reads it from; a leading `-` is not possible, so `when` makes one optional. */
  readonly credentials: readonly { readonly name: string; readonly file: string; readonly when?: Expression }[];
  /** Local repositories: beside its state and its cache the only places that it may write to. */
  readonly repositories: Value;
  /** Whether a repository is remote. */
  readonly remote: Expression;
}

/** The drop-ins of every task of the frame that opens repositories. */
export const engineDropIns = (engine: Engine): Unit[] => [
  dropIn(engine, tasks.run, [set('ExecStart', `${engine.program} create`)]),
  dropIn(engine, rest, [set('ExecStart', `${engine.program} rest`)]),
  dropIn(engine, tasks.check, [
    set('ExecStart', `${engine.program} check`),
    set('TimeoutStartSec', line(engine.checkTimeLimit), 'Each repository has its time.'),
  ]),
  dropIn(engine, tasks.drill, []),
  dropIn(engine, 'backup-stage@', []),
];

const dropIn = (engine: Engine, task: string, more: readonly Directive[]): Unit => ({
  // First of all, so that no administrator's drop-in is taken back by it.
  path: `${unitDirectory}/${task}.service.d/00-${engine.name}.conf`,
  sections: [{ name: 'Service', directives: [...more, ...opensRepositories(engine)] }],
});

/** What a task needs to open the repositories of an engine. */
export function opensRepositories({ environment, credentials, repositories, remote }: Engine): Directive[] {
  const places = word(repositories, '-');
  return [
    ...Object.entries(environment).map(([name, value]) => set('Environment', word(value, `${name}=`))),
    ...credentials.map(({ name, file, when }) => ({
      ...set('LoadCredential', `${name}:${file}`),
      ...(when === undefined ? {} : { when }),
    })),
    set('CacheDirectory', account),
    set('CacheDirectoryMode', '0700'),
    set('NoExecPaths', `${cache} ${places}`, 'Nothing can be run from a place that can be written to.'),
    set(
      'ReadWritePaths',
      // Never empty, which would begin the list anew.
      `${cache} ${places}`,
      'A repository that is not there must not stop the unit from starting: the program says so in words.',
    ),
    ...only(remote, networkOpened()),
  ];
}
