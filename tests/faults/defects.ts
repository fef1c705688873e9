/** A defect that systems of this kind have had, and the test that keeps it out. */
export interface Defect {
  readonly defect: string;
  /** What happens here. */
  readonly here: string;
  /** The file below `tests/`, and how the title of the test begins. */
  readonly test: readonly [file: string, title: string];
}

export const defects: readonly Defect[] = [
  {
    defect: 'A failure ends the script before the line that would tell of it.',
    here: 'systemd starts the report when the unit has ended.',
    test: ['host/reports.test.ts', 'of a hook that fails come by mail'],
  },
  {
    defect: 'A file that changed while it was read fails the run.',
    here: 'It is reported, and the run goes on.',
    test: ['host/completeness.test.ts', 'reports a file that changes while it is read'],
  },
  {
    defect: 'A file that cannot be read is taken for a warning.',
    here: 'It is an error; nothing is pruned.',
    test: ['faults/machine.test.ts', 'unreadable'],
  },
  {
    defect: 'A mail that fails makes a good backup a failure; a mail is sent before the last step.',
    here: 'The report is a unit of its own, started when all is over.',
    test: ['host/reports.test.ts', 'reach a URL and a command too'],
  },
  {
    defect: 'Silence looks like success.',
    here: 'A timer of its own reports that there is no good backup for too long.',
    test: ['host/reports.test.ts', 'is silent while there is a good backup'],
  },
  {
    defect: 'The sandbox hides a directory and the archive lacks it.',
    here: 'What is mounted inside is compared with what is mounted outside.',
    test: ['faults/machine.test.ts', 'unit hides data'],
  },
  {
    defect: 'A half written dump is saved as if it were whole.',
    here: 'A dump gets its name when it is whole; a hook that fails, fails the backup.',
    test: ['host/hooks.test.ts', 'and fails, fails the backup'],
  },
  {
    defect: 'The directory of the dumps is not among what is saved.',
    here: 'It is always saved, and proven to be in the archive.',
    test: ['host/completeness.test.ts', 'fails when a path is missing'],
  },
  {
    defect: 'A hook that ends destroys the shared memory of the server.',
    here: 'No hook removes the IPC objects of its user.',
    test: ['host/postgres.test.ts', 'is dumped with every connectable database'],
  },
  {
    defect: 'Databases are left out by a part of their names; odd names break the run.',
    here: 'Names are compared whole and go through the environment.',
    test: ['host/postgres.test.ts', 'is dumped with every connectable database'],
  },
  {
    defect: 'The new dump is written over the last good one.',
    here: 'It is written beside it and renamed.',
    test: ['faults/hooks.test.ts', 'staging full'],
  },
  {
    defect: 'Dumps of dropped databases stay for ever.',
    here: 'They go after the next good run.',
    test: ['host/postgres.test.ts', 'loses the dump of a dropped database'],
  },
  {
    defect: 'Roles and tablespaces are not saved.',
    here: 'They are in a dump of their own.',
    test: ['host/postgres.test.ts', 'comes back equal from the archive on another server'],
  },
  {
    defect: 'Prune deletes the archives of another host.',
    here: 'It matches the whole name, with its date.',
    test: ['host/runs.test.ts', 'prune touches only archives of exactly this host'],
  },
  {
    defect: 'The repository only grows.',
    here: 'Every good run ends in compact, and dumps are not compressed, so that Borg finds again what it has.',
    test: ['faults/kill.test.ts', 'kill in compact'],
  },
  {
    defect: 'The live files of a database are saved, inconsistent.',
    here: 'Its role leaves them out.',
    test: ['host/postgres.test.ts', 'has its dumps for its own eyes only'],
  },
  {
    defect: 'Hooks share a directory, and one can take what another left.',
    here: 'Each has its own, 0700, and sees no other.',
    test: ['host/hook.test.ts', 'is in the next backup, sees only what it was given'],
  },
  {
    defect: 'Dumps and logs can be read by everybody; secrets are on command lines, in diffs, in the journal.',
    here: 'Secrets are credentials; modes are 0700 and 0600.',
    test: ['host/secrets.test.ts', 'are in no argument'],
  },
  {
    defect: 'The key of the backup can delete every archive.',
    here: 'The printed line is append-only: it delays deletions, and you can take them back until somebody writes there without `--append-only`; docs/server.md says how.',
    test: ['host/remote.test.ts', 'with the line that was printed outlives'],
  },
  {
    defect: 'A path in the unit that does not exist keeps it from starting.',
    here: 'The unit starts and says what is missing.',
    test: ['faults/repository.test.ts', 'missing'],
  },
  {
    defect: 'A missed run is never made up; all hosts start at once; the network is not up yet.',
    here: 'The timer is persistent and randomised; the unit waits for the network.',
    test: ['host/convergence.test.ts', 'make the timer persistent'],
  },
  {
    defect: 'Something hangs and blocks every later run; what is stopped leaves its hooks running.',
    here: 'Everything has a limit, and hooks are part of the backup.',
    test: ['faults/hooks.test.ts', 'hook hangs'],
  },
  {
    defect: 'Two runs of one minute collide; local time is ambiguous.',
    here: 'Names hold the second, in UTC.',
    test: ['host/runs.test.ts', 'two backups right after each other'],
  },
  {
    defect: 'The lock of a killed run stops all later ones, or that of another host is broken.',
    here: 'The first is known as stale by the host’s id, the second is left alone.',
    test: ['faults/kill.test.ts', 'kill of all'],
  },
  {
    defect: 'Values break out of units and scripts.',
    here: 'Each is quoted for where it stands, and read back by systemd in a test.',
    test: ['host/convergence.test.ts', 'take quotes, percent signs'],
  },
  {
    defect: 'Check mode fails on a fresh host, or a second run changes something; units stay behind.',
    here: 'All three are tests.',
    test: ['host/convergence.test.ts', 'change nothing in check mode on a fresh host'],
  },
];
