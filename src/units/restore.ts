import type { Directive } from '../render/unit.ts';
import { account, restoreUser, sandboxes, state } from '../schema/host.ts';
import { loosened, sandbox } from './sandbox.ts';
import { environment, stateDirectory } from './task.ts';
import { set } from './unit.ts';

/** The sandboxes of the transient units that open archives by hand, each for local and for remote repositories. */
export interface TransientSandboxes {
  readonly path: string;
  /** What is run by hand on a repository: it reads archives, and writes nothing but the repository. */
  readonly read: Readonly<Record<'local' | 'remote', readonly Directive[]>>;
  /** What restores files, with owners and all else that only root gives: it writes below its target, and nowhere else. */
  readonly restore: Readonly<Record<'local' | 'remote', readonly Directive[]>>;
}

/** What restoring metadata needs, beyond reading nothing and writing only below the target. @see capabilities(7) */
const restoring = ['CAP_CHOWN', 'CAP_FOWNER', 'CAP_DAC_OVERRIDE', 'CAP_FSETID', 'CAP_SETFCAP', 'CAP_MKNOD'];

/** Who runs in it, and what the program is told. A restore has more rights than the account, who could else reach into what it makes, or hold it up. */
const runsAs = (user: string): readonly Directive[] => [
  ...Object.entries(environment).map(([name, value]) => set('Environment', `${name}=${value}`)),
  set('User', user),
  set('Group', user),
];

export function transientSandboxes(): TransientSandboxes {
  const read = (network: boolean): readonly Directive[] => [
    ...sandbox({ capabilities: [], home: 'read-only', users: 'visible', writable: [state], network }),
    ...runsAs(account),
    ...stateDirectory(),
  ];
  const restore = (network: boolean): readonly Directive[] => [
    ...loosened(sandbox({ capabilities: restoring, home: 'read-only', users: 'visible', writable: [], network }), [
      set('RestrictSUIDSGID', 'false', 'A set-user-id program comes back as one.'),
      set('LimitNOFILE', '524288', 'In place over several mounts, of each file with hard links the first stays open.'),
      set('PrivateDevices', 'false', 'Device nodes come back: this and ProtectClock= would forbid mknod(2).'),
      set(
        'DevicePolicy',
        'closed',
        'A node may be made, but not opened: CAP_DAC_OVERRIDE would write to the disk by it.',
      ),
      set('DeviceAllow', 'block-* m'),
      set('DeviceAllow', 'char-* m'),
      // CAP_DAC_OVERRIDE opens every socket of root, such as that of containers. Users whom only sssd knows come back by number.
      ...(network ? [set('RestrictAddressFamilies', 'AF_INET AF_INET6')] : []),
      set('ProtectClock', 'false'),
      set('ReadOnlyPaths', '/run', 'CAP_DAC_OVERRIDE could make units in it; ProtectSystem= leaves it writable.'),
      set(
        'BindReadOnlyPaths',
        '/dev',
        'As well; ReadOnlyPaths=/dev is without effect beside ProtectProc= and the like on systemd 257.',
      ),
      set('SystemCallFilter', '@system-service'),
      set('SystemCallFilter', '~@privileged @resources'),
      // No socket at all; systemd-run(1) refuses RestrictAddressFamilies=none.
      ...(network ? [] : [set('SystemCallFilter', '~@network-io')]),
      set('SystemCallFilter', '@chown', 'Owners come back: @privileged has chown(2) in it.'),
    ]),
    // Nor does it share state with it.
    ...runsAs(restoreUser),
  ];
  return {
    path: sandboxes,
    read: { local: read(false), remote: read(true) },
    restore: { local: restore(false), remote: restore(true) },
  };
}
