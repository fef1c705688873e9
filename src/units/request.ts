import type { Unit } from '../render/unit.ts';
import { set, unitDirectory } from './unit.ts';

/** Whose members may touch the pipes in it; each asks for the unit of its name. Pipes, since nothing can be left in one: files could fill /run. */
export const requestDirectory = '/run/backup-requests';

/** The units that may be asked for by somebody who is not root. */
export const requestable = ['backup', 'borg-check', 'backup-drill'] as const;

/**
 * `NAME.path`: starts `NAME.service` when its pipe is touched, so that who may ask needs no privilege, and gets none.
 * @see systemd.path(5) "PathModified="
 */
export function requestUnit(name: (typeof requestable)[number]): Unit {
  return {
    path: `${unitDirectory}/${name}.path`,
    sections: [
      {
        name: 'Unit',
        directives: [set('Description', `Start ${name}.service when a member of the group asks for it`)],
      },
      { name: 'Path', directives: [set('PathModified', `${requestDirectory}/${name}`)] },
      { name: 'Install', directives: [set('WantedBy', 'paths.target')] },
    ],
  };
}
