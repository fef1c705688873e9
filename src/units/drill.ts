import type { Directive, Unit } from '../render/unit.ts';
import { line } from '../render/value.ts';
import type { backup } from '../schema/backup.ts';
import {
  drillParts,
  drillPrepared,
  drillState,
  drillTold,
  dumps,
  programs,
  proveUser,
  tasks,
  unitDirectory,
} from '../schema/host.ts';
import { drillService } from './hook.ts';
import { reportsEnd } from './report.ts';
import { background, loosened, nothing, sandbox } from './sandbox.ts';
import type { SettingsOf } from './settings.ts';
import { backupService, taskService } from './task.ts';
import { timer } from './timer.ts';
import { set, triedAtOnce, withDirectives } from './unit.ts';

const program = `${programs}/backup-drill`;

/**
 * The drill: restores from the archives and compares. `backup-drill.service` holds what opens the repositories and lays down what
 * was saved; each hook's proof runs in `backup-prove@NAME.service`, where there is nothing to be had: loading a dump runs code that
 * is in it, such as the functions of an index. Of a hook whose databases have owners who do not trust each other each is proven by
 * itself, in `backup-prove@NAME:NUMBER.service`. A hook's drop-in starts its proof; the last drop-in judges.
 */
export function drillUnits(settings: SettingsOf<typeof backup>): Unit[] {
  const drill = taskService({
    name: tasks.drill,
    description: 'Prove the backups by restoring them',
    command: `${program} stage`,
    // Behind a running backup, without its own time running out meanwhile.
    after: [backupService],
    timeLimit: settings.backup_drill_time_limit,
    archivesOnly: true,
    writable: [drillState],
  });
  return [
    withDirectives(drill, {
      Unit: reportsEnd(tasks.drill),
      Service: [
        set(
          'RuntimeDirectory',
          drillParts,
          'For root, who starts the proofs and has no capability here: how many there are.',
        ),
        set('RuntimeDirectoryMode', '0755'),
        set(
          'ExecStopPost',
          '-!/bin/systemctl stop backup-prove@*.service',
          'However it ended, it leaves nothing behind.',
        ),
        set(
          'ExecStopPost',
          `-/usr/bin/chmod --recursive --silent u+rwX ${drillState}`,
          'A directory comes back as it was, which may be read-only.',
        ),
        set('ExecStopPost', `/usr/bin/find ${drillState} -mindepth 1 -delete`),
        set('ExecStopPost', `+/usr/bin/find ${drillTold} -mindepth 1 -delete`),
      ],
    }),
    {
      path: `${unitDirectory}/${drillService}.d/zz-judge.conf`,
      sections: [
        {
          name: 'Service',
          directives: [
            set('ExecStart', `${program} judge`, 'Behind the proofs of all hooks, whose drop-ins sort before it.'),
          ],
        },
      ],
    },
    proof(settings),
    preparation(settings),
    timer({
      name: tasks.drill,
      description: 'Prove the backups by restoring them',
      calendar: settings.backup_drill_schedule,
      randomizedDelay: settings.backup_randomized_delay,
    }),
  ];
}

/** Runs a hook's proof of what was restored of it. */
function proof(settings: SettingsOf<typeof backup>): Unit {
  return nobodys(settings, {
    name: 'backup-prove@',
    description: 'Proof of what the backup saved of hook %i',
    command: 'prove %i',
    writable: [],
    loose: [set('UMask', '0022', 'So that the drill can read what it says; nobody else can enter the directory.')],
    sees: 'what was restored, and of the machine its programs; no socket of the host, and no place where it could leave something',
    directives: [
      set(
        'StandardOutput',
        `append:${drillTold}/%i`,
        'Told by the drill, in one place, which only root writes to: systemd opens it as root.',
      ),
      set('BindReadOnlyPaths', `${drillState}/staged/%i:/var/lib/backup-prove`),
    ],
  });
}

/** Makes once what all proofs of a hook only read: nothing that was saved is in sight, so nothing of it can be in there. */
function preparation(settings: SettingsOf<typeof backup>): Unit {
  return nobodys(settings, {
    name: 'backup-prepare@',
    description: 'Preparation of the proofs of hook %i',
    command: 'prepare %i',
    writable: [`/var/cache/${drillPrepared}/%i`],
    loose: [],
    sees: 'the programs of the machine, and nothing that was saved',
    directives: [set('CacheDirectory', `${drillPrepared}/%i`, 'Read-only for the proofs, who are the same user.')],
  });
}

interface Nobodys {
  readonly name: string;
  readonly description: string;
  /** Arguments of the program. */
  readonly command: string;
  readonly writable: readonly string[];
  /** What takes the place of directives of the sandbox. */
  readonly loose: readonly Directive[];
  readonly sees: string;
  readonly directives: readonly Directive[];
}

/** A service of the drill's which runs as nobody who could do harm. */
function nobodys(
  settings: SettingsOf<typeof backup>,
  { name, description, command, writable, loose, sees, directives }: Nobodys,
): Unit {
  const memory = line(settings.backup_drill_memory);
  return {
    path: `${unitDirectory}/${name}.service`,
    sections: [
      { name: 'Unit', directives: [set('Description', description), triedAtOnce] },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('ExecStart', `${program} ${command}`),
          set('Environment', 'LANG=C.UTF-8'),
          set('User', proveUser, 'Nobody else is: what is in a dump could do as much harm as its user.'),
          set('Group', proveUser),
          set('TimeoutStartSec', line(settings.backup_drill_time_limit)),
          ...background(),
          set('RemoveIPC', 'true'),
          ...loosened(sandbox({ ...nothing, writable, memory: { all: memory, each: memory } }), [
            ...loose,
            set(
              'NoExecPaths',
              ['/tmp', '/var/tmp', ...writable].join(' '),
              'Nothing can be run from a place that can be written to. Named here, /dev/shm would stay that of the host: systemd drops the tmpfs then.',
            ),
          ]),
          set(
            'TemporaryFileSystem',
            `${dumps}:ro /srv:ro /mnt:ro /media:ro /var/lib:ro /run:ro /dev/shm:mode=1777,noexec`,
            `It sees ${sees}.`,
          ),
          ...directives,
        ],
      },
    ],
  };
}
