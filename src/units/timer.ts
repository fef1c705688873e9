import type { Unit } from '../render/unit.ts';
import { line, type Value } from '../render/value.ts';
import { unitDirectory } from '../schema/host.ts';
import { set } from './unit.ts';

export interface Timer {
  readonly name: string;
  readonly description: string;
  readonly calendar: Value;
  readonly randomizedDelay: Value;
}

/** A timer that starts a unit so long after the boot, and again and again so long after it has ended. @see systemd.timer(5) */
export const every = (name: string, description: string, boot: string, after: string): Unit => ({
  path: `${unitDirectory}/${name}.timer`,
  sections: [
    { name: 'Unit', directives: [set('Description', description)] },
    {
      name: 'Timer',
      directives: [
        set('OnBootSec', boot, 'Not by the calendar: a clock that was set wrong must not silence it.'),
        set('OnUnitInactiveSec', after),
      ],
    },
    { name: 'Install', directives: [set('WantedBy', 'timers.target')] },
  ],
});

/** A timer that makes up for a missed run and spreads the hosts. @see systemd.timer(5) */
export function timer({ name, description, calendar, randomizedDelay }: Timer): Unit {
  return {
    path: `${unitDirectory}/${name}.timer`,
    sections: [
      { name: 'Unit', directives: [set('Description', line(description))] },
      {
        name: 'Timer',
        directives: [
          set('OnCalendar', line(calendar)),
          set('Persistent', 'true', 'A run that was missed while the machine was off is made up.'),
          set('RandomizedDelaySec', line(randomizedDelay)),
          set('FixedRandomDelay', 'true'),
        ],
      },
      { name: 'Install', directives: [set('WantedBy', 'timers.target')] },
    ],
  };
}
