import type { Unit } from '../render/unit.ts';
import { repositoryKeys, repositoryState, unitDirectory } from '../schema/host.ts';
import { nothing, sandbox, smallMemory } from './sandbox.ts';
import { set } from './unit.ts';

/** Whom the server lets in: laid down of what the control node says, and read anew by sshd. */
const accountsService = (): Unit => ({
  path: `${unitDirectory}/repository-accounts.service`,
  sections: [
    { name: 'Unit', directives: [set('Description', 'Let in the machines that save to this server')] },
    {
      name: 'Service',
      directives: [
        set('Type', 'oneshot'),
        set('ExecStart', '/usr/local/sbin/repositoryctl accounts'),
        set(
          'ExecStartPost',
          '+/usr/bin/systemctl try-reload-or-restart ssh.service',
          'It tests its settings first, and goes on with the old ones if they are wrong.',
        ),
        set('TimeoutStartSec', '5min'),
        ...sandbox({ ...nothing, writable: [repositoryKeys, repositoryState], memory: smallMemory }),
        set('ReadWritePaths', `${repositoryKeys} ${repositoryState}`),
      ],
    },
  ],
});

/** All units of role `repository`. */
export const repositoryUnits = (): Unit[] => [accountsService()];
