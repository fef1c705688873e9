import type { Directive, Unit } from '../render/unit.ts';
import { anyOf, line } from '../render/value.ts';
import type { backup } from '../schema/backup.ts';
import { cache, dumps, programs, reportState, reportUser, state, tasks, unitDirectory, watch } from '../schema/host.ts';
import { sandbox, smallMemory } from './sandbox.ts';
import type { SettingsOf } from './settings.ts';
import { backupService, restService } from './task.ts';
import { every } from './timer.ts';
import { only, set, triedAtOnce } from './unit.ts';

const silence = 'Notice that there is no good backup for too long';

/** What tells of a failure of a unit. */
export const failureReport = (unit: string): string => `backup-report@${unit}:failure.service`;

/**
 * What reports the end of a unit, whichever it was. Two instances, since systemd tells one that has two reasons to start
 * nothing of either. @see systemd.unit(5) "OnFailure=", systemd.exec(5) "$MONITOR_SERVICE_RESULT"
 */
export const reportsEnd = (unit: string): Directive[] => [
  set(
    'OnFailure',
    failureReport(unit),
    'Told to the administrator by a unit of its own, which cannot change the result.',
  ),
  set('OnSuccess', `backup-report@${unit}:success.service`),
];

/** The units that tell how backups went: `backup-report@UNIT.service`, the watch that notices silence, the drop-in of the frame. */
export function reportUnits(settings: SettingsOf<typeof backup>): Unit[] {
  return [
    reportService(settings, {
      file: 'backup-report@.service',
      description: 'Report of %i',
      command: `${programs}/backup-report ended %i`,
      more: [set('After', restService, 'It tells of that too.')],
    }),
    reportService(settings, {
      file: `${watch}.service`,
      description: silence,
      command: `${programs}/backup-report watch`,
    }),
    every(watch, silence, '15min', '1h'),
    {
      path: `${unitDirectory}/${backupService}.d/report.conf`,
      sections: [
        { name: 'Unit', directives: reportsEnd(tasks.run) },
        {
          name: 'Service',
          directives: only(settings.backup_report_url, [
            set(
              'ExecStartPre',
              '-!/bin/systemctl start --no-block backup-report@backup:begun.service',
              'A dead man switch is told that a run began.',
            ),
          ]),
        },
      ],
    },
  ];
}

/** A service that tells of something: `command` finds out what. */
interface ReportService {
  readonly file: string;
  readonly description: string;
  readonly command: string;
  /** Directives of its section `[Unit]`. */
  readonly more?: readonly Directive[];
}

function reportService(
  settings: SettingsOf<typeof backup>,
  { file, description, command, more = [] }: ReportService,
): Unit {
  const { backup_report_url: url, backup_mail_smtp: smtp, backup_report_command: program } = settings;
  return {
    path: `${unitDirectory}/${file}`,
    sections: [
      {
        name: 'Unit',
        directives: [set('Description', line(description).replaceAll('%%i', '%i')), triedAtOnce, ...more],
      },
      {
        name: 'Service',
        directives: [
          set('Type', 'oneshot'),
          set('ExecStart', command),
          set('Environment', 'LANG=C.UTF-8'),
          ...only(url, [set('LoadCredential', 'report.url:/etc/credstore/backup-report.url')]),
          ...only(smtp, [set('LoadCredential', 'report.msmtprc:/etc/credstore/backup-report.msmtprc')]),
          set(
            'User',
            reportUser,
            'A member of systemd-journal, to read why a run failed, and of postdrop, to hand mail to postfix.',
          ),
          set('Group', reportUser),
          set('OOMPolicy', 'continue', 'What reads the journal is a process of its own, and may end alone.'),
          set('TimeoutStartSec', '10min', 'A mail server or a URL that hangs ends here.'),
          ...sandbox({
            capabilities: [],
            home: 'hidden',
            users: 'visible',
            writable: [reportState, '-/var/spool/postfix/maildrop'],
            // Whether a report leaves the machine by itself, rather than by its mail server.
            network: anyOf(url, smtp, program),
            netlink: true,
            memory: smallMemory,
          }),
          set('ReadWritePaths', `${reportState} -/var/spool/postfix/maildrop`),
          set(
            'InaccessiblePaths',
            `-${state} -${cache} -${dumps} -/etc/credstore -/srv`,
            'Nothing of what is saved, nor of what opens it.',
          ),
        ],
      },
    ],
  };
}
