/** A row of the fault matrix: what goes wrong, and what has to come of it. The tests hold it against real hosts; docs/faults.md shows it. */
export interface Fault {
  readonly group: string;
  readonly what: string;
  /** `Result=` of the unit, or several joined by `or`. @see systemd.service(5) */
  readonly result: string;
  /** The unit that meets the fault, if not `backup`. */
  readonly unit?: string;
  /** The subject of the mail, without `backup of HOST: `; `…` is another each time. None: nobody has to do anything. */
  readonly told?: string;
  /** Whether the mail comes only when the fault has ended. */
  readonly late?: true;
  /** The command that the report names, where the next run is good only after it. */
  readonly hand?: string;
  /** For the reader. */
  readonly note?: string;
}

const repository = { group: 'The repository', result: 'exit-code' };
const killed = { group: 'A sudden end' };
const dumps = { group: 'Hooks and databases', result: 'exit-code' };
const machine = { group: 'The machine and its settings', result: 'exit-code' };
const reports = { group: 'Reports' };

export const faults = {
  'disk full': { ...repository, what: 'its disk is full', told: 'FAILED: …No space left on device…' },
  'disk stays full': {
    ...repository,
    what: 'its disk is full, and stays so',
    told: 'FAILED: …No space left on device…',
    hand: 'backupctl make-room',
    note: 'It removes what `backup_keep_*` does not keep. The reserve of the repository is the room for that.',
  },
  'read-only': { ...repository, what: 'its disk is read-only', told: 'FAILED: …Read-only file system…' },
  missing: { ...repository, what: 'it was moved away', told: 'FAILED: Repository /mnt/repository does not exist.' },
  unmounted: {
    ...repository,
    what: 'its disk is not mounted',
    told: 'FAILED: Repository /mnt/repository does not exist.',
    note: 'Nothing is written below the empty mount point.',
  },
  another: {
    ...repository,
    what: 'another repository is in its place',
    told: 'FAILED: /mnt/repository: this is another repository (…',
  },
  'older copy': {
    ...repository,
    what: 'an older copy of it is put in its place',
    told: 'FAILED: Cache, or information obtained from the security directory is newer than repository…',
    hand: 'rm /var/lib/borg/.config/borg/security/*/manifest-timestamp; rm -r /var/cache/borg/*',
    note: 'It could be an attack: Borg goes on only when the administrator says that it is not.',
  },
  corrupted: {
    ...repository,
    what: 'a segment of it is damaged',
    unit: 'backup-check',
    told: 'backup-check FAILED: …ntegrity…',
    hand: 'backup-borg check --repair',
    note: 'The weekly check finds it. The next backup saves what was damaged again, if it is still on the machine.',
  },
  'lock of another host': {
    ...repository,
    what: 'another host uses it for longer than this one waits',
    told: 'FAILED: Failed to create/acquire the lock …(timeout).',
  },
  'lock of a dead host': {
    ...repository,
    what: 'another host died and left its lock',
    told: 'FAILED: Failed to create/acquire the lock …(timeout).',
    hand: 'backup-borg break-lock',
  },

  'index cut off': { ...repository, what: 'its index is cut off', result: 'success', note: 'Borg makes it anew.' },
  'index missing': { ...repository, what: 'its index and its hints are not there', result: 'success' },
  'configuration empty': {
    ...repository,
    what: 'its configuration is empty, as after a power failure',
    told: 'FAILED: …/mnt/repository…',
  },
  'not of borg': {
    ...repository,
    what: 'root wrote into it, and its files belong to root',
    told: 'FAILED: …Permission denied…',
  },
  'no inodes': { ...repository, what: 'its disk has no inodes left', told: 'FAILED: …No space left on device…' },
  'segment missing': {
    ...repository,
    what: 'a segment of it is missing',
    unit: 'backup-check',
    told: 'backup-check FAILED: …Index object count mismatch…',
    hand: 'backup-borg check --repair',
    note: 'Only a check of the whole repository at once finds that: see `borg_check_duration`.',
  },

  'kill in create': {
    ...killed,
    what: 'Borg is killed while it creates an archive',
    result: 'exit-code',
    told: 'FAILED: …borg create failed with exit code -9',
  },
  'kill in prune': {
    ...killed,
    what: 'Borg is killed while it prunes',
    result: 'exit-code',
    told: 'FAILED: …borg prune failed with exit code -9',
  },
  'kill in compact': {
    ...killed,
    what: 'Borg is killed while it compacts',
    result: 'exit-code',
    told: 'FAILED: …borg compact failed with exit code -9',
  },
  'kill of all': {
    ...killed,
    what: 'the whole unit is killed, as when memory runs out',
    result: 'signal',
    told: 'FAILED: backup.service was ended by signal',
    note: 'Borg knows the lock that stays for a stale one of this host.',
  },
  'power loss': {
    ...killed,
    what: 'the power fails in the middle of a run',
    result: 'success',
    note: 'The next run that the timer starts is good. If there is none, `backup-watch.timer` reports that.',
  },
  stopped: {
    ...killed,
    what: 'an administrator stops the run',
    result: 'exit-code or signal',
    told: 'FAILED: backup.service…',
    note: 'Its hooks stop with it.',
  },

  'staging full': {
    ...dumps,
    what: '`/backup` is full in the middle of a dump',
    told: 'FAILED: backup-postgresql.service (exit-code): …',
    note: 'The last good dump is still there, and whole.',
  },
  'database down': { ...dumps, what: 'the database is down', told: 'FAILED: backup-postgresql.service (exit-code): …' },
  'database refuses': {
    ...dumps,
    what: 'the database refuses the connection',
    told: 'FAILED: backup-postgresql.service (exit-code): …',
  },
  'database locked': {
    ...dumps,
    what: 'a table is locked for ever',
    told: 'FAILED: backup-postgresql.service (exit-code): …',
  },
  'database hangs': { ...dumps, what: 'the database hangs', told: 'FAILED: backup-postgresql.service (timeout)…' },
  'hook hangs': { ...dumps, what: 'a hook hangs', told: 'FAILED: backup-wiki.service (timeout)…' },
  'hook crashes': { ...dumps, what: 'a hook crashes', told: 'FAILED: backup-wiki.service (signal)…' },
  'hook forks': {
    ...dumps,
    what: 'a hook leaves a process behind',
    result: 'success',
    note: 'The process ends with the backup.',
  },

  'hook without user': {
    ...dumps,
    what: 'the user of a hook is gone',
    told: 'FAILED: backup-wiki.service (exit-code)…',
  },
  'hook without program': {
    ...dumps,
    what: 'the program of a hook is gone',
    told: 'FAILED: backup-wiki.service (exit-code)…',
  },
  'hook without directory': {
    ...dumps,
    what: 'the directory of a hook in `/backup` was removed',
    told: 'FAILED: backup-wiki.service (exit-code)…',
    note: 'Applying the role, or a reboot, makes it anew.',
  },
  'hook shouts': {
    ...dumps,
    what: 'a hook that fails says 20,000 lines, with a terminal’s commands',
    told: 'FAILED: backup-wiki.service (exit-code)…',
  },
  'hook masked': { ...dumps, what: 'the unit of a hook is masked', told: 'FAILED: …backup-wiki.service…' },
  'drop-in of nothing': {
    ...dumps,
    what: 'a drop-in starts a unit that is not there',
    told: 'FAILED: …backup-none.service…',
  },
  'drop-in nonsense': {
    ...dumps,
    what: 'a drop-in has a line that systemd does not know',
    result: 'success',
  },

  unreadable: {
    ...machine,
    what: 'a directory cannot be read in spite of the capability',
    told: 'FAILED: …/srv/closed…',
  },
  'many entries': {
    ...machine,
    what: 'a directory has a hundred thousand entries',
    result: 'success',
    note: 'A million in `npm run test:long`.',
  },
  'clock back': {
    ...machine,
    what: 'the clock is set back by three days',
    result: 'success',
    told: 'ok, but …: of the files there are archives of a time to come…',
    note: 'They count as older than all others, and no other archive goes because of them.',
  },
  'no memory': { ...machine, what: 'Borg gets no memory', told: 'FAILED: …borg create failed with exit code …' },
  'unit hides data': {
    ...machine,
    what: 'the unit was edited and hides a directory',
    told: 'FAILED: the sandbox hides /srv/private from the backup…',
  },
  'unit broken': {
    ...machine,
    what: 'the unit was edited and cannot be loaded',
    unit: 'backup-watch',
    result: 'success',
    told: 'MISSING, last good …',
    note: '`backup-watch.timer` reports it; applying the role mends it.',
  },
  'timer off': {
    ...machine,
    what: 'the timer is switched off',
    unit: 'backup-watch',
    result: 'success',
    told: 'MISSING, last good …',
    note: '`backup-watch.timer` reports it.',
  },
  'timer missed': {
    ...machine,
    what: 'the machine was off at the time of the backup',
    result: 'success',
    note: 'The missed run starts after the next boot.',
  },
  'too slow': {
    ...machine,
    what: 'a run takes longer than its limit',
    result: 'timeout',
    told: 'FAILED: backup.service…',
  },
  'few files': { ...machine, what: 'Borg may open no more files', told: 'FAILED: …' },
  'clock ahead': {
    ...machine,
    what: 'the clock was ten years ahead for one run',
    result: 'success',
    told: 'ok, but …of a time to come…',
    note: 'What that run saved never counts as newer than what is saved now.',
  },
  'cache gone': { ...machine, what: 'Borg’s cache is gone', result: 'success' },
  'chunks damaged': {
    ...machine,
    what: 'Borg’s index of chunks on this machine is damaged',
    result: 'success',
    note: 'Borg makes it anew once; the log and `backupctl status` say so.',
  },
  'files cache damaged': { ...machine, what: 'Borg’s cache of files is damaged', result: 'success' },
  'state empty': {
    ...machine,
    what: 'files of state are empty after a power failure',
    result: 'success',
    told: 'ok, but what was known of earlier runs…',
    note: 'They count as absent.',
  },
  'path missing': { ...machine, what: 'a path that is to be saved is not there', told: 'FAILED: …/var/data…' },
  'path linked': {
    ...machine,
    what: 'a path that is to be saved became a link to another disk',
    result: 'success',
    note: 'Both are saved.',
  },
  'too deep': {
    ...machine,
    what: 'directories lie deeper than Borg can go',
    told: 'FAILED: …/srv/deep/…',
    note: 'The rest is saved, in an archive whose name ends in `.incomplete`.',
  },
  leased: { ...machine, what: 'a program holds a lease on a file', result: 'success' },
  'file grows': { ...machine, what: 'a file grows while it is read', result: 'success' },
  'no user': { ...machine, what: 'the user borg is gone', told: 'FAILED: backup.service: …' },
  'no Borg': { ...machine, what: 'Borg was removed', told: 'FAILED: …borg…' },
  'settings empty': { ...machine, what: 'the settings on the host are empty', told: 'FAILED: …/etc/backup/…' },
  'credential missing': {
    ...machine,
    what: 'the passphrase is missing on the host',
    told: 'FAILED: backup.service: Failed to set up credentials: …',
  },
  'credential wrong': {
    ...machine,
    what: 'the passphrase on the host is wrong',
    told: 'FAILED: passphrase supplied in … is incorrect.',
  },

  'postfix down': {
    ...reports,
    what: 'postfix is down when a hook fails',
    result: 'exit-code',
    told: 'FAILED: backup-wiki.service (exit-code)…',
    late: true,
    note: 'The mail waits and goes out when postfix is up again.',
  },
  'URL hangs': {
    ...reports,
    what: 'the report’s URL hangs when a hook fails',
    result: 'exit-code',
    told: 'FAILED: backup-wiki.service (exit-code)…',
    note: 'The mail is sent all the same; the unit of the report fails, so that it is seen.',
  },
  'URL fails': {
    ...reports,
    what: 'the report’s URL answers with an error when a hook fails',
    result: 'exit-code',
    told: 'FAILED: backup-wiki.service (exit-code)…',
  },
  'report without state': { ...reports, what: 'all that was known of earlier runs is gone', result: 'success' },
} satisfies Record<string, Fault>;
