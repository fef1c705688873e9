import { line, type Value } from '../render/value.ts';
import { engineTask, type Engine } from './backup.ts';
import { drillParts, drillService, drillState, drillTold } from './hook.ts';
import { reportsEnd } from './report.ts';
import { background, loosened, sandbox } from './sandbox.ts';
import { timer } from './timer.ts';
import { programs, set, unitDirectory, withDirectives, type Unit } from './unit.ts';

/** The values of role `borg`'s settings that the units of the drill hold. */
export interface DrillSettings {
  readonly randomizedDelay: Value;
  readonly drillSchedule: Value;
  readonly drillTimeLimit: Value;
  readonly drillMemory: Value;
}

const program = `${programs}/backup-drill`;

/**
 * The drill: restores from the archives and compares. `backup-drill.service` holds what opens the repositories and lays down what
 * was saved; each hook's proof runs in `backup-prove@NAME.service`, where there is nothing to be had: loading a dump runs code that
 * is in it, such as the functions of an index. Of a hook whose databases have owners who do not trust each other each is proven by
 * itself, in `backup-prove@NAME:NUMBER.service`. A hook's snippet starts its proof; the last snippet judges.
 */
export function drillUnits(engine: Engine, settings: DrillSettings): Unit[] {
  const drill = engineTask(engine, {
    name: 'backup-drill',
    description: 'Prove the backups by restoring them',
    program,
    command: ['stage'],
    timeLimit: settings.drillTimeLimit,
    archivesOnly: true,
    writable: [drillState],
  });
  return [
    withDirectives(drill, {
      Unit: reportsEnd('backup-drill'),
      Service: [
        set('RuntimeDirectory', drillParts, 'For root, who starts the proofs and has no capability here: how many there are.'),
        set('RuntimeDirectoryMode', '0755'),
        set('ExecStopPost', '-!/bin/systemctl stop backup-prove@*.service', 'However it ended, it leaves nothing behind.'),
        set('ExecStopPost', `-/usr/bin/chmod --recursive --silent u+rwX ${drillState}`, 'A directory comes back as it was, which may be read-only.'),
        set('ExecStopPost', `/usr/bin/find ${drillState} -mindepth 1 -delete`),
        set('ExecStopPost', `+/usr/bin/find ${drillTold} -mindepth 1 -delete`),
      ],
    }),
    {
      path: `${unitDirectory}/${drillService}.d/zz-judge.conf`,
      sections: [{ name: 'Service', directives: [set('ExecStart', `${program} judge`, 'Behind the proofs of all hooks, whose snippets sort before it.')] }],
    },
    proof(settings),
    timer({ name: 'backup-drill', description: 'Prove the backups by restoring them', calendar: settings.drillSchedule, randomizedDelay: settings.randomizedDelay }),
  ];
}

/** Runs a hook's proof of what was restored of it. */
function proof({ drillTimeLimit, drillMemory }: DrillSettings): Unit {
  const staged = `${drillState}/staged/%i`;
  return {
    path: `${unitDirectory}/backup-prove@.service`,
    sections: [
      { name: 'Unit', directives: [set('Description', 'Proof of what the backup saved of hook %i'), set('StartLimitIntervalSec', '0')] },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('ExecStart', `${program} prove %i`),
          set('Environment', 'LANG=C.UTF-8'),
          set('User', 'backup-prove', 'Nobody else is: what is in a dump could do as much harm as its user.'),
          set('Group', 'backup-prove'),
          set('StandardOutput', `append:${drillTold}/%i`, 'Told by the drill, in one place, which only root writes to: systemd opens it as root.'),
          set('TimeoutStartSec', line(drillTimeLimit)),
          ...background(),
          set('RemoveIPC', 'true'),
          ...loosened(sandbox({ capabilities: [], home: 'hidden', users: 'hidden', writable: [], network: false, memory: { all: line(drillMemory), each: line(drillMemory) } }), [
            set('UMask', '0022', 'So that the drill can read what it says; nobody else can enter the directory.'),
            set('NoExecPaths', '/tmp /var/tmp', 'Nothing can be run from a place that can be written to. Named here, /dev/shm would stay that of the host: systemd drops the tmpfs then.'),
          ]),
          set(
            'TemporaryFileSystem',
            '/backup:ro /srv:ro /mnt:ro /media:ro /var/lib:ro /run:ro /dev/shm:mode=1777,noexec',
            'It sees what was restored, and of the machine its programs; no socket of the host, and no place where it could leave something.',
          ),
          set('BindReadOnlyPaths', `${staged}:/var/lib/backup-prove`),
        ],
      },
    ],
  };
}
