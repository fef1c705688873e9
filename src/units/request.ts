import type { Unit } from '../render/unit.ts';
import { requestDirectory, unitDirectory } from '../schema/host.ts';
import { set } from './unit.ts';

/**
 * `NAME.path`: starts `NAME.service` when its pipe is touched, so that who may ask needs no privilege, and gets none.
 * @see systemd.path(5) "PathModified="
 */
export function requestUnit(name: string): Unit {
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
