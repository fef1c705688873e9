/**
 * A value knows whether it is a literal or a Jinja expression, and quotes itself for where it stands.
 * The same unit function thus gives a role's template at build time and a host's unit at run time.
 */
export type Value = string | number | Expression | Verbatim;

/** A Jinja expression, without its braces. `list` says that it yields a list of words. */
export class Expression {
  constructor(
    readonly source: string,
    readonly list = false,
  ) {}
}

/** Text that is already what the unit file shall hold, such as a specifier. @see systemd.unit(5) "Specifiers" */
export class Verbatim {
  constructor(readonly text: string) {}
}

/** An expression that yields one value. */
export const jinja = (source: string): Expression => new Expression(source);

/** An expression that holds where one of these does. */
export const anyOf = (...expressions: readonly Expression[]): Expression =>
  jinja(expressions.map(({ source }) => source).join(' or '));

/** An expression that yields a list, each element a word of its own. */
export const jinjaList = (source: string): Expression => new Expression(source, true);

type Replacement = readonly [from: string, to: string];

/** A specifier begins with `%` everywhere in a unit. @see systemd.unit(5) "Specifiers" */
const specifier: Replacement = ['%', '%%'];
/** Inside double quotes a backslash escapes. @see systemd.syntax(7) "Quoting" */
const quotes: readonly Replacement[] = [
  ['\\', '\\\\'],
  ['"', '\\"'],
];
/** Only command lines expand variables. @see systemd.service(5) "Command lines" */
const variable: Replacement = ['$', '$$'];

/**
 * A whole value without words, such as `Description=` or `OnCalendar=`.
 * @throws on what no unquoted value can hold: blanks around it, or a backslash, which goes on with the next line, at its end.
 */
export function line(value: Value): string {
  if (typeof value === 'string' && /^\s|[\s\\]$/.test(value))
    throw new Error(`an unquoted value cannot hold the end of ${JSON.stringify(value)}`);
  return place(value, [specifier], ['', '']);
}

/** One word of a list; `prefix` is what stands before the value inside the word: `-` for a path, `NAME=` for an assignment. */
export const word = (value: Value, prefix = ''): string => place(value, [...quotes, specifier], [`"${prefix}`, '"']);

/** One argument of a command line. */
export const argument = (value: Value): string => place(value, [...quotes, specifier, variable], ['"', '"']);

function place(value: Value, replacements: readonly Replacement[], [open, close]: readonly [string, string]): string {
  if (value instanceof Verbatim) return `${open}${value.text}${close}`;
  if (!(value instanceof Expression)) {
    const text = String(value);
    // A line break would begin another directive: the caller has to refuse it with the setting's name.
    if (/[\0-\x1f\x7f]/u.test(text))
      throw new Error(`a unit file cannot hold the control character in ${JSON.stringify(text)}`);
    const quoted = replacements.reduce((done, [from, to]) => done.replaceAll(from, () => to), text);
    const plain = /^[A-Za-z0-9_./:@=+,-]+$/.test(text);
    return plain ? `${open.slice(1)}${quoted}` : `${open}${quoted}${close}`;
  }
  // A filter binds tighter than any operator.
  const source = /^[\w.]+$/.test(value.source) ? value.source : `(${value.source})`;
  if (!value.list) {
    const filters = replacements.map(([from, to]) => ` | replace(${jinjaString(from)}, ${jinjaString(to)})`).join('');
    return `${open}{{ ${source} | string${filters} }}${close}`;
  }
  const filters = replacements
    .map(([from, to]) => ` | map('replace', ${jinjaString(from)}, ${jinjaString(to)})`)
    .join('');
  const joined = `${jinjaString(open)} ~ ${source}${filters} | join(${jinjaString(`${close} ${open}`)}) ~ ${jinjaString(close)}`;
  // An expression, not a block: Ansible's trim_blocks would swallow the line break behind it.
  return `{{ (${joined}) if ${source} else '' }}`;
}

/** A string literal of Jinja, whose escapes are Python's. */
export function jinjaString(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
