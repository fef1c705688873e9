import type { Unit } from '../render/unit.ts';
import { jinja } from '../render/value.ts';
import { backup } from '../schema/backup.ts';
import { mark, programs, rest, tasks, unitDirectory } from '../schema/host.ts';
import { drillUnits } from './drill.ts';
import { restoreDirectory } from './hook.ts';
import { failureReport, reportsEnd, reportUnits } from './report.ts';
import { requestUnit } from './request.ts';
import { templateSettings, type SettingsOf } from './settings.ts';
import { backupService, restService, taskService } from './task.ts';
import { timer } from './timer.ts';
import { set, withDirectives } from './unit.ts';

/** The settings as the role's templates take them. */
export const backupTemplateSettings = templateSettings(backup);

/** All units of role `backup`, the frame. What an engine needs in them comes as drop-ins of its own role. */
export const backupUnits = (settings: SettingsOf<typeof backup>): Unit[] => [
  ...saving(settings),
  ...checking(settings),
  ...drillUnits(settings),
  taskService({
    name: 'backup-stage@',
    description: 'Lay down what is to be restored of hook %i of the backup',
    command: `${programs}/backup-dumps stage %i`,
    after: [backupService],
    timeLimit: settings.backup_time_limit,
    archivesOnly: true,
    urgent: true,
    writable: [`-${restoreDirectory('%i')}`],
  }),
  ...reportUnits(settings),
  ...Object.values(tasks).map(requestUnit),
];

/**
 * `backup.service`: who runs and in which sandbox. What it runs comes from drop-ins. If a hook failed it fails before anything is saved, and
 * `backup-rest.service` saves what is there; the report waits for that, and the next run for both.
 */
const saving = (settings: SettingsOf<typeof backup>): Unit[] => [
  withDirectives(
    taskService({
      name: tasks.run,
      description: 'Backup of this machine',
      after: [restService, failureReport(tasks.run)],
      timeLimit: settings.backup_time_limit,
    }),
    { Unit: [set('OnFailure', restService, 'What is there is saved all the same, if nothing was yet.')] },
  ),
  taskService({
    name: rest,
    description: 'Save what is there after a run of the backup whose hooks failed',
    timeLimit: settings.backup_time_limit,
  }),
  markDropIn(),
  timer({
    name: tasks.run,
    description: 'Backup of this machine',
    // A time within `backup_window`, if there is one.
    calendar: jinja('_backup_start'),
    randomizedDelay: jinja('_backup_start_delay'),
  }),
];

const checking = (settings: SettingsOf<typeof backup>): Unit[] => {
  const description = 'Check the repositories for damage';
  // Behind a running backup, without its own time running out meanwhile.
  const service = taskService({
    name: tasks.check,
    description,
    after: [backupService],
    timeLimit: settings.backup_time_limit,
  });
  return [
    withDirectives(service, { Unit: reportsEnd(tasks.check) }),
    timer({
      name: tasks.check,
      description,
      calendar: settings.backup_check_schedule,
      randomizedDelay: settings.backup_randomized_delay,
    }),
  ];
};

/**
 * The mark that monitoring looks at. A drop-in of its own, named to sort behind all others, so that
 * it is made after the last command of every other drop-in; root, since `/` is nobody else's to write.
 */
const markDropIn = (): Unit => ({
  path: `${unitDirectory}/${backupService}.d/zz-last.conf`,
  sections: [
    {
      name: 'Service',
      directives: [
        set(
          'ExecStartPost',
          `+/usr/bin/touch ${mark}`,
          'Last of all: reached only when everything before it succeeded.',
        ),
      ],
    },
  ],
});
