import type { Unit } from '../render/unit.ts';
import { Verbatim, jinja, jinjaList, type Expression } from '../render/value.ts';
import { borg } from '../schema/borg.ts';
import { backupFrame, engineSnippet, engineTask, markSnippet, type Engine } from './backup.ts';
import { drillUnits } from './drill.ts';
import { restoreDirectory } from './hook.ts';
import { nothing, sandbox, smallMemory } from './sandbox.ts';
import { templateSettings, type SettingsOf } from './settings.ts';
import { timer } from './timer.ts';
import { requestable, requestUnit } from './request.ts';
import { reportsEnd, reportUnits } from './report.ts';
import { programs, set, unitDirectory, withDirectives } from './unit.ts';

/** The settings as the role's templates take them. */
export const borgTemplateSettings = templateSettings(borg);

const remote = jinja('_borg_remote');

/**
 * What every unit tells Borg. Some hold a capability, and what is kept as the user borg, code of that user may have written:
 * none takes Python modules, or the settings of any other program, from there.
 */
export const engineEnvironment: Readonly<Record<string, string>> = {
  BORG_BASE_DIR: '/var/lib/borg',
  BORG_CACHE_DIR: '/var/cache/borg',
  BORG_EXIT_CODES: 'modern',
  LANG: 'C.UTF-8',
  HOME: '/nonexistent',
  PYTHONNOUSERSITE: '1',
  PYTHONSAFEPATH: '1',
  PYTHONDONTWRITEBYTECODE: '1',
};

const engine: Engine = {
  user: 'borg',
  network: remote,
  program: `${programs}/backup-borg`,
  environment: {
    // Without a network uuid.getnode(3) is random: a lock of a killed run would look like another host's, for ever.
    // With the hostname, since clones of a machine may have the same id, and must not break each other's locks.
    BORG_HOST_ID: new Verbatim('%m-%H'),
    ...engineEnvironment,
  },
  credentials: [
    { name: 'borg.passphrase', file: '/etc/credstore/borg.passphrase' },
    { name: 'borg.ssh-key', file: '/etc/credstore/borg.ssh-key', when: remote },
    {
      name: 'host.mounts',
      file: '/proc/1/mountinfo',
      why: 'What the host really has mounted, so that the program can tell what a sandbox hides from it.',
    },
    { name: 'host.users', file: '/proc/1/uid_map' },
  ],
  state: 'borg',
  repositories: jinjaList('_borg_local_repositories'),
};

/** All units of role `borg`. */
export function borgUnits(settings: SettingsOf<typeof borg>): Unit[] {
  return [
    backupFrame(engine, settings.borg_time_limit),
    engineSnippet(engine),
    markSnippet(),
    timer({
      name: 'backup',
      description: 'Backup of this machine',
      calendar: settings.borg_schedule,
      randomizedDelay: settings.borg_randomized_delay,
    }),
    withDirectives(
      engineTask(engine, {
        name: 'borg-init',
        description: 'Initialise the Borg repositories that do not exist yet',
        command: ['init'],
        timeLimit: '10min',
      }),
      {
        Unit: [
          set(
            'Requires',
            'borg-secrets.service',
            'Credentials are read before the first command, so they have to be there by then.',
          ),
          set('After', 'borg-secrets.service'),
        ],
      },
    ),
    secretsService(),
    withDirectives(
      engineTask(engine, {
        name: 'borg-check',
        description: 'Check the Borg repositories for damage',
        command: ['check'],
        timeLimit: checkTimeLimit(settings),
      }),
      { Unit: reportsEnd('borg-check') },
    ),
    timer({
      name: 'borg-check',
      description: 'Check the Borg repositories for damage',
      calendar: settings.borg_check_schedule,
      randomizedDelay: settings.borg_randomized_delay,
    }),
    ...drillUnits(engine, settings),
    engineTask(engine, {
      name: 'backup-stage@',
      description: 'Lay down what is to be restored of hook %i of the backup',
      program: `${programs}/backup-dumps`,
      command: ['stage', new Verbatim('%i')],
      timeLimit: settings.borg_time_limit,
      archivesOnly: true,
      urgent: true,
      writable: [`-${restoreDirectory('%i')}`],
    }),
    ...reportUnits(settings),
    ...requestable.map(requestUnit),
  ];
}

/** Each repository has its time; a margin for opening it. */
function checkTimeLimit(settings: SettingsOf<typeof borg>): Expression {
  const { borg_check_duration: duration, borg_lock_wait: wait, borg_repositories: repositories } = settings;
  return jinja(`(${duration.source} | int + ${wait.source} | int + 300) * (${repositories.source} | length)`);
}

/** What `borg-init` cannot do itself: it may not write where the credentials are. */
function secretsService(): Unit {
  return {
    path: `${unitDirectory}/borg-secrets.service`,
    sections: [
      {
        name: 'Unit',
        directives: [set('Description', 'Make the passphrase and SSH key of the backup where there are none')],
      },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('ExecStart', `${programs}/borg-secrets`),
          set('TimeoutStartSec', '1min'),
          ...sandbox({ ...nothing, writable: ['/etc/credstore'], memory: smallMemory }),
          set('ReadWritePaths', '/etc/credstore'),
        ],
      },
    ],
  };
}
