import type { Expression } from './value.ts';

/** One assignment of a unit file. `value` is already quoted for where it stands. */
export interface Directive {
  readonly name: string;
  readonly value: string;
  /** Why it is there, as a comment above it. */
  readonly why?: string;
  /** The directive is there only where this holds. */
  readonly when?: Expression;
}

export interface Section {
  readonly name: 'Unit' | 'Service' | 'Timer' | 'Path' | 'Install';
  readonly directives: readonly Directive[];
}

/** A unit, or a drop-in of one. @see systemd.unit(5) */
export interface Unit {
  /** Its path on the host. */
  readonly path: string;
  readonly sections: readonly Section[];
}

/** The text of a unit file or drop-in, or of its template if it holds expressions. @see systemd.syntax(7) */
export function renderUnit(unit: Unit, header: string): string {
  return `${comment(header)}\n${unit.sections.map(renderSection).join('\n')}`;
}

function renderSection(section: Section): string {
  return `[${section.name}]\n${section.directives.map(renderDirective).join('')}`;
}

function renderDirective({ name, value, why, when }: Directive): string {
  const text = `${why === undefined ? '' : comment(why)}${name}=${value}\n`;
  return when === undefined ? text : `{% if ${when.source} %}\n${text}{% endif %}\n`;
}

/** A comment of a unit or configuration file, a line for each line of `text`. */
export const comment = (text: string): string =>
  text
    .split('\n')
    .map((line) => `# ${line}\n`)
    .join('');
