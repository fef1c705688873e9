/** A wrong use of `backupctl`: what is typed behind it, the exit code, and what has to be said. */
export interface WrongUse {
  readonly words: readonly string[];
  readonly code: 1 | 2 | 3;
  readonly says: string;
  /** As whom, if not root. */
  readonly user?: string;
}

const misspelt = [
  ['stauts', 'status'],
  ['runn', 'run'],
  ['lst', 'list'],
  ['restor', 'restore'],
  ['restore_db', 'restore-db'],
  ['checkpaths', 'check-paths'],
  ['makeroom', 'make-room'],
  ['remove-keep', 'remove-kept'],
  ['restore-account', 'restore-accounts'],
  ['restore-package', 'restore-packages'],
  ['restore-service', 'restore-services'],
  ['comparr', 'compare'],
] as const;

const commands = [
  'status',
  'run',
  'check',
  'drill',
  'check-paths',
  'restore-accounts',
  'restore-packages',
  'restore-services',
  'remove-kept',
  'restored',
  'make-room',
] as const;
/** Of a lost machine: each looks into an archive first, and nothing is begun if there is none. */
const ofFiles = ['restore-accounts', 'restore-packages', 'restore-services', 'compare'] as const;

const root = (words: string, says: string, code: 1 | 2 = 2): WrongUse => ({
  words: words.split(' ').filter(Boolean),
  code,
  says,
});

export const wrongUses: readonly WrongUse[] = [
  ...misspelt.map(([word, meant]) => root(word, `there is no command ${word} (did you mean ${meant}?)`)),
  ...commands.map((command) => root(`${command} now`, `backupctl ${command}: now is one word too many`)),
  ...commands.map((command) => root(`${command} --forse`, `backupctl ${command}: there is no option --forse`)),
  root('', 'usage: backupctl'),
  root('reboot', 'there is no command reboot. See `backupctl --help`'),
  root('--version=2', '--version takes no value'),
  root('--verbose', 'COMMAND is missing'),
  root('status --jsn', 'there is no option --jsn (did you mean --json?)'),
  root('status --js', 'there is no option --js (did you mean --json?)'),
  root('list latest latest', 'backupctl list: latest is one word too many'),
  root('list --repository', '--repository needs a value'),
  root('list --repository 7', 'backupctl list: there is no repository 7; there are 1 (/var/lib/borg/repository)'),
  root('list --repository -1', 'backupctl list: there is no repository -1; there are 1'),
  root('list --repository /srv/none', 'there is no repository /srv/none'),
  root('list nosuch', '`backupctl list` shows the archives', 1),
  root('find', 'PATTERN is missing'),
  root('find a b', 'b is one word too many'),
  root('find --archive nosuch x', 'Archive nosuch does not exist', 1),
  root('find nothing-is-called-so', 'nothing in the archives matches nothing-is-called-so', 1),
  root('show', 'ARCHIVE is missing'),
  root('show latest /etc /srv', '/srv is one word too many'),
  root('show latest /no/such/place', 'holds no /no/such/place', 1),
  root('diff', 'OLDER, NEWER is missing'),
  root('diff latest', 'NEWER is missing'),
  root('diff latest nosuch', 'Archive nosuch does not exist', 1),
  root('log weekly', "TASK: 'weekly' is not allowed"),
  root('restore', 'PATH is missing'),
  root('restore etc', 'PATH: etc is not allowed. Use absolute paths other than /'),
  root('restore /', 'PATH: / is not allowed'),
  root('restore --into', '--into needs a value'),
  root('restore --into /srv/x --in-place /etc', '--in-place and --into exclude each other'),
  root('restore --inplace /etc', 'there is no option --inplace (did you mean --in-place?)'),
  root('restore --archive nosuch /etc', 'there is no archive nosuch', 1),
  root('restore --in-place /nosuch/file', 'make the directory first'),
  root('restore --repository two /etc', 'there is no repository two'),
  root('restore-db', 'HOOK is missing'),
  root('restore-db nosuch shop', 'no hook nosuch says how it is restored'),
  root('restore-db postgresql', 'name what to restore of hook postgresql, or say --all'),
  root('restore-db --all postgresql shop', 'name what to restore of hook postgresql, or say --all, but not both'),
  root('restore-db --into a --over postgresql shop', '--over and --into exclude each other'),
  root('restore-db --strict --partial postgresql shop', '--partial and --strict exclude each other'),
  root('restore-db --into x postgresql a b', '--into gives one new name'),
  root('restore-db --repository 9 postgresql shop', 'there is no repository 9'),
  ...ofFiles.map((command) => root(`${command} --archive`, '--archive needs a value')),
  ...ofFiles.map((command) => root(`${command} --repository 7`, 'there is no repository 7; there are 1')),
  ...ofFiles.map((command) => root(`${command} --archive nosuch`, 'nosuch', 1)),
  root('restore-accounts --lst', 'there is no option --lst (did you mean --list?)'),
  root('restore-packages --instal', 'there is no option --instal (did you mean --install?)'),
  root('restore-services --list --start', '--start and --list exclude each other'),
  root('restore-services --start --keep-stopped', '--keep-stopped and --start exclude each other'),
  root('restore-services --etc', '--etc needs a value'),
  root('restore-services --etc /etc/x --no-etc', '--no-etc and --etc exclude each other'),
  root('compare etc', 'PATH: etc is not allowed. Use absolute paths'),
  root('compare --into /srv', 'there is no option --into'),
  root('restore-db --once postgresql shop', '--once goes with --all'),
  ...['status', 'list', 'run'].map((command) => ({
    words: [command],
    code: 3 as const,
    says: 'only root and the members of the group',
    user: 'nobody',
  })),
  ...[
    'find x',
    'show latest',
    'restore /etc',
    'check-paths',
    'remove-kept',
    'restore-db --all postgresql',
    ...ofFiles,
    'restore-services --start',
  ].map((words) => ({
    words: words.split(' '),
    code: 3 as const,
    says: 'only root may',
    user: 'nobody',
  })),
  { words: ['log'], code: 3, says: 'may read what a backup says', user: 'nobody' },
  { words: ['find', '\u001b[2J', 'x'], code: 2, says: 'x is one word too many' },
  { words: ['\u001b[2Jstatus'], code: 2, says: String.raw`there is no command \x1b[2Jstatus` },
];
