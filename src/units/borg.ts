import type { Unit } from '../render/unit.ts';
import { Verbatim, jinja, jinjaList } from '../render/value.ts';
import { borg } from '../schema/borg.ts';
import { cache, programs, state, unitDirectory } from '../schema/host.ts';
import { engineDropIns, opensRepositories, type Engine } from './engine.ts';
import { nothing, sandbox, smallMemory } from './sandbox.ts';
import { templateSettings, type SettingsOf } from './settings.ts';
import { backupService, taskService } from './task.ts';
import { set, triedAtOnce, withDirectives } from './unit.ts';

/** The settings as the role's templates take them. */
export const borgTemplateSettings = templateSettings(borg);

const remote = jinja('_borg_remote');

/** What Borg is told wherever it runs. */
export const borgEnvironment: Readonly<Record<string, string>> = {
  BORG_BASE_DIR: state,
  BORG_CACHE_DIR: cache,
  BORG_EXIT_CODES: 'modern',
};

const program = `${programs}/backup-borg`;
const credentials = '/etc/credstore';

/** Borg, as the units of the frame need to know it. */
const engine = (settings: SettingsOf<typeof borg>): Engine => {
  const { borg_check_duration: duration, borg_lock_wait: wait, borg_repositories: repositories } = settings;
  return {
    name: 'borg',
    program,
    // Of each repository its time, and a margin for opening it.
    checkTimeLimit: jinja(
      `(${duration.source} | int + ${wait.source} | int + 300) * (${repositories.source} | length)`,
    ),
    environment: {
      // Without a network uuid.getnode(3) is random: a lock of a killed run would look like another host's, for ever.
      // With the hostname, since clones of a machine may have the same id, and must not break each other's locks.
      BORG_HOST_ID: new Verbatim('%m-%H'),
      ...borgEnvironment,
    },
    credentials: [
      { name: 'borg.passphrase', file: `${credentials}/borg.passphrase` },
      { name: 'borg.ssh-key', file: `${credentials}/borg.ssh-key`, when: remote },
    ],
    repositories: jinjaList('_borg_local_repositories'),
    remote,
  };
};

/** All units of role `borg`: its part in those of the frame, and what makes its repositories. */
export const borgUnits = (settings: SettingsOf<typeof borg>): Unit[] => [
  ...engineDropIns(engine(settings)),
  initService(engine(settings)),
  secretsService(),
  changeService(engine(settings), 'passphrase', 'Change the passphrase of the Borg repositories'),
  changeService(engine(settings), 'ssh-key', 'Change the SSH key of the Borg repositories'),
];

function initService(engine: Engine): Unit {
  const service = taskService({
    name: 'borg-init',
    description: 'Initialise the Borg repositories that do not exist yet',
    command: `${program} init`,
    after: [backupService],
    timeLimit: '10min',
  });
  return withDirectives(service, {
    Unit: [
      set(
        'Requires',
        'borg-secrets.service',
        'Credentials are read before the first command, so they have to be there by then.',
      ),
      set('After', 'borg-secrets.service'),
    ],
    Service: opensRepositories(engine),
  });
}

/** What `borg-init` cannot do itself: it may not write where the credentials are. */
function secretsService(): Unit {
  return {
    path: `${unitDirectory}/borg-secrets.service`,
    sections: [
      {
        name: 'Unit',
        directives: [
          set('Description', 'Make the passphrase and SSH key of the backup where there are none'),
          triedAtOnce,
        ],
      },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('ExecStart', `${programs}/borg-secrets`),
          set('TimeoutStartSec', '1min'),
          ...sandbox({ ...nothing, writable: [credentials], memory: smallMemory }),
          set('ReadWritePaths', credentials),
        ],
      },
    ],
  };
}

/** Has something new open the repositories. Only when it opens all of them it takes the place of what did before. */
function changeService(engine: Engine, secret: string, description: string): Unit {
  const next = `borg.${secret}-next`;
  const service = taskService({
    name: `borg-${secret}`,
    description,
    command: `${program} change-${secret}`,
    after: [backupService],
    // Another host may hold a repository for `borg_lock_wait`.
    timeLimit: '30min',
  });
  return withDirectives(service, {
    Service: [
      ...opensRepositories(engine),
      set('LoadCredential', `${next}:${credentials}/${next}`),
      set(
        'ExecStartPost',
        `!${programs}/borg-secrets adopt ${secret}`,
        'As root, to whom the directory belongs; the account of the backup cannot write there.',
      ),
      set('ReadWritePaths', credentials),
      set('NoExecPaths', credentials),
    ],
  });
}
