/**
 * What is wrong with the backups of a host, and what its administrator can do about it: in the same words on the host (mails,
 * `backupctl status`) and on the page of all hosts. `%s` and `%d` are filled in, as in Python.
 */
import { tasks } from './host.ts';

/** What people call the last run of a task. */
export const titles = {
  [tasks.run]: 'The last backup',
  [tasks.check]: 'The last check',
  [tasks.drill]: 'The last drill',
} as const;

/** A title, and what failed first. */
export const failed = '%s failed: %s';
/** A title, and what failed that is not required. */
export const optionalFailures = '%s is good, but failed: %s';
export const notNeeded = 'The backup does not need it, so it went on; what is saved of it is of an earlier time.';
/** A title, and what has to be known of a good run all the same. */
export const told = '%s: %s';
/** A title, and `Result=` of systemd. */
export const unreported = '%s failed (%s), and its report is not there, or not yet.';
export const never = 'There is no good backup yet.';
/** How many hours. */
export const missing = 'There is no good backup for longer than %d hours.';
/** Of a timer. */
export const stopped = '%s is not running.';

/** Units, with ` -u ` between them. */
export const mend = 'Mend what is said above; more is in `journalctl -u %s`.';
/** The unit that failed. */
export const again = 'Then run `systemctl start %s`; what was saved before is still there.';
/** A unit, as the shell takes it. */
export const look = 'Run `journalctl -u %s`.';
export const first = 'Run `backupctl run`.';
/** Where files of a lost host are still to come back. */
export const firstLater = 'Run `backupctl run` when all is back.';
/** A timer. */
export const enable = 'Run `systemctl enable --now %s`.';
export const restart = 'Run `systemctl enable --now backup.timer; systemctl start backup.service`.';
/** A unit, its `LoadState=`, and the unit. */
export const unusable = '%s cannot be used (%s): apply the role again; `systemctl status %s` says more.';
