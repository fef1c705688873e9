import { allowed } from '../schema/allowed.ts';
import type { Schema } from '../schema/schema.ts';
import { closest } from './closest.ts';
import { words } from './words.ts';

/** The options of a hook as its author gave them, complete and checked. */
export interface HookOptions {
  readonly name: string;
  readonly state: 'present' | 'absent';
  readonly user?: string;
  readonly group?: string;
  readonly command?: readonly string[];
  readonly script?: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly credentials: Readonly<Record<string, string>>;
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly network: 'none' | 'local' | 'any';
  readonly timeout: string;
  readonly required: boolean;
  readonly after: readonly string[];
}

/** One error of ajv, with `verbose`. @see https://ajv.js.org/api.html#error-objects */
interface AjvError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly data?: unknown;
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
export function hookOptionsFrom(given: Readonly<Record<string, unknown>>, schema: Schema, validate: Validator): HookOptions {
  // Ansible hands an option that was left out by `default(omit)` over as nothing, but one that is null as null.
  const options: Record<string, unknown> = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  const problems: string[] = [];
  if (typeof options['command'] === 'string') {
    try {
      options['command'] = words(options['command']);
    } catch (error) {
      problems.push(`command: given is ${JSON.stringify(options['command'])}, but ${(error as Error).message}`);
      delete options['command'];
    }
  }
  if (!validate(options)) problems.push(...(validate.errors ?? []).map((error) => message(error, schema)));
  const checked = options as unknown as HookOptions;
  if (problems.length === 0) problems.push(...together(checked));
  if (problems.length > 0) throw new OptionsError([...new Set(problems)]);
  return checked;
}

/** What has to hold between options that are each right. */
function together({ state, user, command, script }: HookOptions): string[] {
  if (state === 'absent') return [];
  return [
    ...(user === undefined ? ['user: it is missing; name the user that the hook runs as'] : []),
    ...((command === undefined) === (script === undefined) ? ['command, script: give one of them'] : []),
    ...(command?.[0] !== undefined && !/^\/(?!.*\/\.{1,2}(?:\/|$)).+/.test(command[0])
      ? [`command: given is the program ${JSON.stringify(command[0])}; allowed is an absolute path without . or ..`]
      : []),
  ];
}

function message({ instancePath, keyword, params, data }: AjvError, schema: Schema): string {
  const path = instancePath.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const name = path.reduce((done, part) => (/^\d+$/.test(part) ? `${done}[${part}]` : done === '' ? part : `${done}.${part}`), '');
  const below = (key: unknown): string => (name === '' ? String(key) : `${name}.${String(key)}`);
  const at = schemaAt(schema, path);
  switch (keyword) {
    case 'additionalProperties': {
      const known = Object.keys(at?.properties ?? {});
      const close = closest(String(params['additionalProperty']), known);
      return `${below(params['additionalProperty'])}: there is no such option; ${close === undefined ? `allowed are ${known.join(', ')}` : `did you mean ${close}?`}`;
    }
    case 'required':
      return `${below(params['missingProperty'])}: it is missing`;
    case 'pattern':
    case 'propertyNames':
      // The pattern of a key is reported with the mapping that holds it.
      if (at?.type === 'object') return `${name}: the key ${JSON.stringify(params['propertyName'] ?? data)} is not allowed; allowed are letters, digits and underscores`;
      break;
  }
  return `${name}: given is ${JSON.stringify(data)}; allowed is ${at === undefined ? 'something else' : allowed(at)}`;
}

function schemaAt(schema: Schema, path: readonly string[]): Schema | undefined {
  return path.reduce<Schema | undefined>((at, part) => (/^\d+$/.test(part) ? at?.items : undefined) ?? at?.properties?.[part] ?? at?.additionalProperties, schema);
}
