/**
 * What both sides know of a managed host: the build, and the programs there, which get it as `rootless_backup/host.py`.
 * Each fact stands here and nowhere else.
 */

/** As whom the backup runs, whichever engine makes the archives; the first one's was there first, and what is its own has to stay it. */
export const account = 'borg';

/** Where the tasks of the backup keep what they know, and what can be made again. */
export const state = `/var/lib/${account}`;
export const cache = `/var/cache/${account}`;

/** Where hooks leave their dumps. */
export const dumps = '/backup';
/** What monitoring looks at: touched when everything was saved. */
export const mark = '/backup.last';

/** The directory that the administrator's units live in. */
export const unitDirectory = '/etc/systemd/system';
/** Where the programs of the collection are. */
export const programs = '/usr/local/lib/backup';
/** What the programs are told. */
export const settingsDirectory = '/etc/backup';
/** Which engine the host has. */
export const engineWord = `${settingsDirectory}/engine.json`;
/** The sandboxes of transient units, as the build made them. */
export const sandboxes = `${programs}/sandboxes.json`;

/** The tasks of the frame: each is a service, has a timer, is told of by the report, and may be asked for by a member of the group. */
export const tasks = { run: 'backup', check: 'backup-check', drill: 'backup-drill' } as const;
/** What saves the rest when the hooks of a run failed; no task of its own: its report is that of the run. */
export const rest = 'backup-rest';
/** What tasks were called by an earlier version; what is known of their runs goes on under the name of today. */
export const formerTasks: Readonly<Record<string, string>> = { [`${account}-check`]: tasks.check };
/** What notices that nothing ran. */
export const watch = 'backup-watch';

/** Whose members may touch the pipes in it; each asks for the unit of its name. Pipes, since nothing can be left in one: files could fill /run. */
export const requestDirectory = '/run/backup-requests';
/** Where `backupctl restore-db` lays down what a hook's restore step is to load. */
export const restoreState = '/var/lib/backup-restore';
/** Where the report keeps what it knows of the runs, for `backupctl status` and for monitoring. */
export const reportState = '/var/lib/backup-report';
/** What the report knows of the runs, and a line for each of the last ones. */
export const status = `${reportState}/status.json`;
export const history = `${reportState}/history.jsonl`;
/** Where the drill lays down what it restores, and where systemd writes down what the proofs say. */
export const drillState = '/var/lib/backup-drill';
export const drillTold = '/var/lib/backup-told';
/** Where the drill says in how many parts a hook's dump is proven, below `/run`; what proofs were prepared with, below `/var/cache`. */
export const drillParts = 'backup-drill';
export const drillPrepared = 'backup-prove';
/** Where hooks say which program proves what was saved of them, and what is to be left out. */
export const proofs = `${settingsDirectory}/prove.d`;
export const excludes = `${settingsDirectory}/exclude.d`;

/** As whom what is restored is laid down, and what is in a dump is run. */
export const restoreUser = 'backup-restore';
export const proveUser = 'backup-prove';
export const reportUser = 'backup-report';

/** On a server of repositories: whom it lets in, as the control node says; a file of authorized_keys for each account; what the server knows. */
export const repositoryAccounts = `${settingsDirectory}/repository-accounts.json`;
export const repositoryKeys = `${settingsDirectory}/repository-keys`;
export const repositoryState = '/var/lib/backup-repository';
/** Whose group the accounts of a server are members of. */
export const repositoryGroup = 'backup-repository';
/** The program of a server's administrator. */
export const repositoryctl = '/usr/local/sbin/repositoryctl';
/** What makes and keeps generations there, verifies them, and notices what is wrong. */
export const repositoryKeep = 'repository-keep';
export const repositoryCheck = 'repository-check';
export const repositoryWatch = 'repository-watch';
/** What is set for the slice of each account, which has a link to it. */
export const repositorySlice = `${settingsDirectory}/repository-slice.d`;
