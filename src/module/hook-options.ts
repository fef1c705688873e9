import { allowed } from '../schema/allowed.ts';
import { commandOptions, type HookOptions } from '../schema/hook.ts';
import type { Schema } from '../schema/schema.ts';
import { hiddenDirectories } from '../units/hook.ts';
import { closest } from './closest.ts';
import { words } from './words.ts';

/** One error of ajv. @see https://ajv.js.org/api.html#error-objects */
interface AjvError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Of an error that is about a key; another error, `propertyNames`, tells the same of the mapping. */
  readonly propertyName?: string;
}

/** The validator that the build compiles from the schema; it fills defaults in and makes types right. */
export interface Validator {
  (value: unknown): boolean;
  errors?: readonly AjvError[] | null;
}

/** What is wrong with the options, a message each, for the author of the task. */
export class OptionsError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/**
 * The options, checked.
 * @throws OptionsError with a message for each option that is wrong: which, what was given, what is allowed.
 */
export function hookOptionsFrom(
  given: Readonly<Record<string, unknown>>,
  schema: Schema,
  validate: Validator,
): HookOptions {
  // Ansible hands an option that was left out by `default(omit)` over as nothing, but one that is null as null.
  const options: Record<string, unknown> = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== null),
  );
  const problems: string[] = [];
  for (const [name, { type }] of Object.entries(schema.properties ?? {}))
    if (type === 'boolean' && Object.hasOwn(options, name)) options[name] = truth(options[name]);
  for (const name of commandOptions) {
    const text = options[name];
    if (typeof text !== 'string') continue;
    try {
      options[name] = words(text);
    } catch (error) {
      problems.push(`${name}: ${JSON.stringify(text)} is not allowed, since ${(error as Error).message}.`);
      // Told already: the validator has nothing to say of it.
      options[name] = undefined;
    }
  }
  if (!validate(options))
    problems.push(
      ...(validate.errors ?? [])
        .filter(({ propertyName }) => propertyName === undefined)
        .map((error) => message(error, schema, options)),
    );
  const checked = options as unknown as HookOptions;
  if (problems.length === 0) problems.push(...together(checked));
  if (problems.length > 0) throw new OptionsError([...new Set(problems)]);
  return checked;
}

/** What has to hold between options that are each right. */
function together(options: HookOptions): string[] {
  const { name, state, user, command, script, credentials, secrets, order, read, write, required, exclude } = options;
  if (state === 'absent') return [];
  return [
    ...(user === undefined ? ['user: it is missing. Name the user that the hook runs as.'] : []),
    ...(command === undefined && script === undefined ? ['command, script: both are missing. Give one of them.'] : []),
    ...(command !== undefined && script !== undefined ? ['command, script: both are given. Give one of them.'] : []),
    ...(!required && exclude.length > 0
      ? [
          'exclude: the hook is not required. If it fails, what is left out would not be saved at all. Make it required, or leave nothing out.',
        ]
      : []),
    ...commandOptions.flatMap((option) =>
      program(option, options[option]?.[0], option === 'prove' ? [] : [...read, ...write]),
    ),
    ...Object.keys(secrets)
      .filter((key) => Object.hasOwn(credentials, key))
      .map((key) => `secrets.${key}: there is one of this name in credentials. Give it another name.`),
    ...(order.includes(name) ? [`order: ${JSON.stringify(name)} is the hook itself. Name other hooks.`] : []),
  ];
}

/** What is wrong with a program: below a hidden directory it is not there for the hook, unless it is given to read. */
function program(option: string, path: string | undefined, given: readonly string[]): string[] {
  if (path === undefined) return [];
  const program = `${option}: the program ${JSON.stringify(path)}`;
  if (!/^\/(?!.*\/\.{1,2}(?:\/|$)).+/.test(path))
    return [`${program} is not allowed. Use an absolute path, without . and .. in it.`];
  const hidden = [...hiddenDirectories, '/home', '/root'].find((directory) => path.startsWith(`${directory}/`));
  if (hidden === undefined || given.some((place) => path === place || path.startsWith(`${place.replace(/\/+$/, '')}/`)))
    return [];
  if (option === 'prove')
    return [
      `${program} is below ${hidden}, of which the restore test sees nothing. Put it elsewhere, such as into /usr/local/lib.`,
    ];
  return [`${program} is below ${hidden}, of which a hook sees nothing. Add ${JSON.stringify(path)} to read.`];
}

/** What is said of a directive that is none of the sandbox's, but has an option of its own. */
const instead: Readonly<Record<string, string>> = {
  ReadWritePaths: 'write',
  BindPaths: 'write',
  ReadOnlyPaths: 'read',
  BindReadOnlyPaths: 'read',
  User: 'user',
  Group: 'group',
  LoadCredential: 'credentials',
  Environment: 'environment',
  TimeoutStartSec: 'timeout',
  After: 'after',
  ExecStart: 'command',
  SetCredential: 'secrets',
};

function message({ instancePath, keyword, params }: AjvError, schema: Schema, options: unknown): string {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const name = path.reduce(
    (done, part) => (/^\d+$/.test(part) ? `${done}[${part}]` : done === '' ? part : `${done}.${part}`),
    '',
  );
  const below = (key: unknown): string => (name === '' ? String(key) : `${name}.${String(key)}`);
  const at = schemaAt(schema, path);
  const data = path.reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], options);
  const shown = (value: unknown): string =>
    at?.writeOnly === true ? 'its value (a secret, not shown)' : JSON.stringify(value);
  switch (keyword) {
    case 'additionalProperties': {
      const known = Object.keys(at?.properties ?? {});
      const option = at?.noun === 'directive' ? instead[String(params['additionalProperty'])] : undefined;
      if (option !== undefined)
        return `${below(params['additionalProperty'])}: unknown directive. Use the option ${option} of the hook.`;
      const close = closest(String(params['additionalProperty']), known);
      return `${below(params['additionalProperty'])}: unknown ${at?.noun ?? 'option'}. ${close === undefined ? `Use one of ${known.join(', ')}.` : `Did you mean ${close}?`}`;
    }
    case 'required':
      return `${below(params['missingProperty'])}: it is missing. Use ${schemaAt(schema, [...path, String(params['missingProperty'])])?.allowed ?? 'any text'}.`;
    case 'propertyNames':
      return `${name}: the key ${JSON.stringify(params['propertyName'])} is not allowed. Use ${at?.allowedNames}.`;
  }
  return `${name}: ${shown(data)} is not allowed. Use ${at === undefined ? 'something else' : allowed(at)}.`;
}

function schemaAt(schema: Schema, path: readonly string[]): Schema | undefined {
  return path.reduce<Schema | undefined>(
    (at, part) => at?.items ?? at?.properties?.[part] ?? at?.additionalProperties,
    schema,
  );
}

/** Ansible's words for a truth value, as the text that ajv makes one of. @see ansible.module_utils.parsing.convert_bool */
function truth(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (/^(?:y|yes|on|1|true|t)$/i.test(value)) return true;
  return /^(?:n|no|off|0|false|f)$/i.test(value) ? false : value;
}
