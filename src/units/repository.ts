import type { Unit } from '../render/unit.ts';
import { word } from '../render/value.ts';
import { repository } from '../schema/repository.ts';
import { repositoryKeys, repositoryState, unitDirectory } from '../schema/host.ts';
import { background, loosened, nothing, sandbox, smallMemory } from './sandbox.ts';
import { templateSettings, type SettingsOf } from './settings.ts';
import { set } from './unit.ts';

/** The settings as the role's templates take them. */
export const repositoryTemplateSettings = templateSettings(repository);

/** Whom the server lets in: laid down of what the control node says, and read anew by sshd. */
const accountsService = (): Unit => ({
  path: `${unitDirectory}/repository-accounts.service`,
  sections: [
    { name: 'Unit', directives: [set('Description', 'Let in the machines that save to this server')] },
    {
      name: 'Service',
      directives: [
        set('Type', 'oneshot'),
        set('ExecStart', '/usr/local/sbin/repositoryctl accounts'),
        set(
          'ExecStartPost',
          '+/usr/bin/systemctl try-reload-or-restart ssh.service',
          'It tests its settings first, and goes on with the old ones if they are wrong.',
        ),
        set('TimeoutStartSec', '5min'),
        ...sandbox({ ...nothing, writable: [repositoryKeys, repositoryState], memory: smallMemory }),
        set('ReadWritePaths', `${repositoryKeys} ${repositoryState}`),
      ],
    },
  ],
});

/** Generations: made of what changed, at most hourly; expired; whoever takes too much is refused. */
function keepService({ repository_path: path }: SettingsOf<typeof repository>): Unit {
  const places = [word(path), repositoryKeys, repositoryState];
  return {
    path: `${unitDirectory}/repository-keep.service`,
    sections: [
      { name: 'Unit', directives: [set('Description', 'Keep what machines delete from their repositories')] },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('ExecStart', '/usr/local/sbin/repositoryctl keep'),
          set('TimeoutStartSec', '6h'),
          ...background(),
          ...loosened(
            sandbox({
              // It reads what is the accounts', gives it a second name, and takes it.
              capabilities: ['CAP_DAC_READ_SEARCH', 'CAP_FOWNER', 'CAP_CHOWN'],
              home: 'hidden',
              users: 'visible',
              writable: places,
              network: false,
              memory: smallMemory,
            }),
            [
              set('SystemCallFilter', '@system-service'),
              set('SystemCallFilter', '~@privileged @resources'),
              set('SystemCallFilter', '@chown', 'What is kept becomes of root: @privileged has chown(2) in it.'),
            ],
          ),
          set('ReadWritePaths', places.join(' ')),
        ],
      },
    ],
  };
}

const keepTimer = (): Unit => ({
  path: `${unitDirectory}/repository-keep.timer`,
  sections: [
    { name: 'Unit', directives: [set('Description', 'Keep what machines delete from their repositories')] },
    {
      name: 'Timer',
      directives: [
        set('OnBootSec', '5min', 'Not by the calendar: a clock that was set wrong must not silence it.'),
        set('OnUnitInactiveSec', '15min'),
      ],
    },
    { name: 'Install', directives: [set('WantedBy', 'timers.target')] },
  ],
});

/** All units of role `repository`. */
export const repositoryUnits = (settings: SettingsOf<typeof repository>): Unit[] => [
  accountsService(),
  keepService(settings),
  keepTimer(),
];
