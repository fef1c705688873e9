import type { Directive, Unit } from '../render/unit.ts';
import { word } from '../render/value.ts';
import { repository } from '../schema/repository.ts';
import {
  repositoryctl as program,
  repositoryCheck,
  repositoryKeep,
  repositoryKeys,
  repositoryState,
  repositoryWatch,
  unitDirectory,
} from '../schema/host.ts';
import { reportsEnd } from './report.ts';
import { background, loosened, nothing, sandbox, savingMemory, smallMemory, type Sandbox } from './sandbox.ts';
import { templateSettings, type SettingsOf } from './settings.ts';
import { every, timer } from './timer.ts';
import { set, triedAtOnce } from './unit.ts';

/** The settings as the role's templates take them. */
export const repositoryTemplateSettings = templateSettings(repository);

/** What reads what is the accounts', and ends what they run. */
const ofAccounts = (more: readonly string[], writable: readonly string[]): Sandbox => ({
  capabilities: ['CAP_KILL', ...more],
  home: 'hidden',
  users: 'visible',
  writable,
  network: false,
  memory: smallMemory,
});

const seesProcesses = set(
  'ProtectProc',
  'default',
  'It ends what runs as others: sessions that may not be any more, and what Borg was made to start.',
);

const chowns = (more: string): Directive[] => [
  set('SystemCallFilter', '@system-service'),
  set('SystemCallFilter', '~@privileged @resources'),
  set('SystemCallFilter', more, '@privileged has them in it.'),
];

/** Whom the server lets in: laid down of what the control node says, and read anew by sshd. */
const accountsService = (): Unit => ({
  path: `${unitDirectory}/repository-accounts.service`,
  sections: [
    { name: 'Unit', directives: [set('Description', 'Let in the machines that save to this server'), triedAtOnce] },
    {
      name: 'Service',
      directives: [
        set('Type', 'oneshot'),
        set('ExecStart', `${program} accounts`),
        set(
          'ExecStartPost',
          '+/usr/bin/systemctl try-reload-or-restart ssh.service',
          'It tests its settings first, and goes on with the old ones if they are wrong.',
        ),
        set('TimeoutStartSec', '5min'),
        ...loosened(sandbox(ofAccounts([], [repositoryKeys, repositoryState])), [seesProcesses]),
        set('ReadWritePaths', `${repositoryKeys} ${repositoryState}`),
      ],
    },
  ],
});

/** Generations: made of what changed, at most hourly; expired; whoever takes too much is refused. */
function keepService({ repository_path: path }: SettingsOf<typeof repository>): Unit {
  const places = [word(path), repositoryKeys, repositoryState];
  return {
    path: `${unitDirectory}/${repositoryKeep}.service`,
    sections: [
      {
        name: 'Unit',
        directives: [
          set('Description', 'Keep what machines delete from their repositories'),
          triedAtOnce,
          set('OnFailure', `${repositoryWatch}.service`, 'It knows what is wrong, and tells it once a day.'),
        ],
      },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('ExecStart', `${program} keep`),
          set('TimeoutStartSec', '6h'),
          ...background(),
          ...loosened(
            // It reads what is the accounts', gives it a second name, and takes it.
            sandbox(ofAccounts(['CAP_DAC_READ_SEARCH', 'CAP_FOWNER', 'CAP_CHOWN'], places)),
            [seesProcesses, ...chowns('@chown')],
          ),
          set('ReadWritePaths', places.join(' ')),
        ],
      },
    ],
  };
}

/** What can be verified without a key. Borg itself runs as a user without any of these capabilities. */
function checkUnits({
  repository_path: path,
  repository_check_schedule: schedule,
}: SettingsOf<typeof repository>): Unit[] {
  const places = [word(path), repositoryState];
  const checks = 'Verify what this server keeps, by its checksums';
  return [
    {
      path: `${unitDirectory}/${repositoryCheck}.service`,
      sections: [
        {
          name: 'Unit',
          directives: [
            set('Description', checks),
            triedAtOnce,
            set('OnFailure', `${repositoryWatch}.service`, 'It tells what is damaged.'),
          ],
        },
        {
          name: 'Service',
          directives: [
            set('Type', 'oneshot'),
            set('ExecStart', `${program} check`),
            set('TimeoutStartSec', 'infinity', 'It ends by itself, see repository_check_duration.'),
            ...background(),
            ...loosened(
              sandbox({
                ...ofAccounts(['CAP_DAC_READ_SEARCH', 'CAP_FOWNER', 'CAP_CHOWN', 'CAP_SETUID', 'CAP_SETGID'], places),
                memory: savingMemory,
              }),
              [seesProcesses, ...chowns('@chown @setuid')],
            ),
            set('ReadWritePaths', places.join(' ')),
          ],
        },
      ],
    },
    timer({ name: repositoryCheck, description: checks, calendar: schedule, randomizedDelay: '1h' }),
  ];
}

/** What notices that a machine saves no more, and whatever else is wrong; the report of the frame tells it, once a day. */
const watchService = (): Unit => ({
  path: `${unitDirectory}/${repositoryWatch}.service`,
  sections: [
    {
      name: 'Unit',
      directives: [
        set('Description', 'Notice what is wrong with the repositories of machines'),
        triedAtOnce,
        ...reportsEnd(repositoryWatch),
      ],
    },
    {
      name: 'Service',
      directives: [
        set('Type', 'oneshot'),
        set('ExecStart', `${program} watch`),
        set('TimeoutStartSec', '10min'),
        ...sandbox({ ...nothing, memory: smallMemory }),
      ],
    },
  ],
});

/** All units of role `repository`. */
export const repositoryUnits = (settings: SettingsOf<typeof repository>): Unit[] => [
  accountsService(),
  keepService(settings),
  every(repositoryKeep, 'Keep what machines delete from their repositories', '5min', '15min'),
  ...checkUnits(settings),
  watchService(),
  every(repositoryWatch, 'Notice what is wrong with the repositories of machines', '20min', '1h'),
];
