import { expect, it } from 'vitest';
import { renderUnit } from '../../../src/render/unit.ts';
import { jinja } from '../../../src/render/value.ts';
import { only, set } from '../../../src/units/unit.ts';

it('a unit has its header, its sections, its reasons and its conditions', () => {
  const unit = {
    path: '/etc/systemd/system/x.service',
    sections: [
      { name: 'Unit' as const, directives: [set('Description', 'X')] },
      {
        name: 'Service' as const,
        directives: [set('Type', 'oneshot', 'once\nonly'), ...only(jinja('remote'), [set('A', 'b', 'why')])],
      },
    ],
  };
  expect(renderUnit(unit, 'Managed')).toBe(
    '# Managed\n\n[Unit]\nDescription=X\n\n[Service]\n# once\n# only\nType=oneshot\n{% if remote %}\n# why\nA=b\n{% endif %}\n',
  );
});
