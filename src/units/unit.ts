import type { Directive, Section, Unit } from '../render/unit.ts';
import type { Expression } from '../render/value.ts';

/** A directive from its name and its rendered value, with an optional reason. */
export function set(name: string, value: string, why?: string): Directive {
  return why === undefined ? { name, value } : { name, value, why };
}

/** The unit with further directives in sections that it has. */
export function withDirectives(
  unit: Unit,
  more: Partial<Readonly<Record<Section['name'], readonly Directive[]>>>,
): Unit {
  return {
    ...unit,
    sections: unit.sections.map((section) => ({
      ...section,
      directives: [...section.directives, ...(more[section.name] ?? [])],
    })),
  };
}

/** The same directives, there only where `when` holds. */
export function only(when: Expression, directives: readonly Directive[]): Directive[] {
  return directives.map((directive) => ({ ...directive, when }));
}

/** Who tries a service again after a failure is not told to wait. @see systemd.unit(5) */
export const triedAtOnce = set('StartLimitIntervalSec', '0', 'Who tries again after a failure is not told to wait.');
