/**
 * The part of JSON Schema (draft 2020-12) that a setting is declared with.
 * Everything a user meets of a setting (default, type check, message, docs) is derived from this one declaration.
 * @see https://json-schema.org/draft/2020-12/json-schema-validation
 */
export interface Schema {
  readonly type: 'string' | 'integer' | 'boolean' | 'array' | 'object';
  /** One paragraph an element; Markdown's backticks are turned into each format's own. */
  readonly description: readonly string[];
  /** A string default may hold a Jinja expression; Ansible evaluates it on the control node. */
  readonly default?: unknown;
  readonly enum?: readonly string[];
  /** Anchored at both ends where it is used; only syntax that ECMAScript and Python's `re` share. */
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  /** Of a mapping with free keys: the pattern of a key, and what each value is. */
  readonly propertyNames?: string;
  /** What its keys may be, in words. */
  readonly allowedNames?: string;
  readonly additionalProperties?: Schema;
  /** What its keys are called in messages; "option" if not given. */
  readonly noun?: string;
  /** Another form that a value may have: a mapping, where this says what a text has to be. */
  readonly alternative?: Schema;
  /** What is allowed, in words: the end of the sentence "Use …" in an error message. */
  readonly allowed?: string;
  /** A secret: never shown in a message, a diff or a log. */
  readonly writeOnly?: boolean;
  /** It decides something on the control node: nothing that a host says may have a part in it. */
  readonly control?: boolean;
  readonly examples?: readonly unknown[];
  readonly json?: ProgramSetting;
}

/** A setting that a program on the host reads, in `/etc/backup/FILE.json`. How it is written there follows from what it is. */
export interface ProgramSetting {
  readonly file: string;
  /** Its key, if it is not the setting's name without the prefix of the role, and of the file. */
  readonly key?: string;
  /** What the program gets in place of the setting as it is: an expression of Jinja. */
  readonly value?: string;
}

/**
 * The type of a value that a declaration lets through, when defaults are filled in.
 * The declaration has to be `as const satisfies Schema`: what is only a `Schema` says nothing of its keys.
 */
export type ValueOf<S> = S extends { readonly enum: readonly (infer One)[] }
  ? One
  : S extends { readonly type: 'string' }
    ? string
    : S extends { readonly type: 'integer' }
      ? number
      : S extends { readonly type: 'boolean' }
        ? boolean
        : S extends { readonly type: 'array'; readonly items: infer Item }
          ? readonly ValueOf<Item>[]
          : S extends { readonly additionalProperties: infer Each }
            ? Readonly<Record<string, ValueOf<Each>>>
            : S extends { readonly properties: infer Of }
              ? { readonly [Key in Given<S, Of>]: ValueOf<Of[Key]> } & {
                  readonly [Key in Exclude<Extract<keyof Of, string>, Given<S, Of>>]?: ValueOf<Of[Key]>;
                }
              : unknown;

/** The keys that are always there: required, with a default, or free. */
type Given<S, Of> = {
  [Key in keyof Of]: string extends Key
    ? Key
    : Of[Key] extends { readonly default: unknown }
      ? Key
      : S extends { readonly required: readonly (infer Name)[] }
        ? Extract<Key, Name>
        : never;
}[keyof Of];

/** The settings of one role, and the texts about it. */
export interface RoleSchema<Name extends string = string> {
  readonly role: string;
  /** What every setting's name begins with; another name with this prefix is taken for a misspelling. */
  readonly prefix: string;
  readonly summary: string;
  readonly description: readonly string[];
  readonly settings: { readonly [Key in Name]: Schema };
  /** Of the frame: the role of an engine, which brings it along, checks its settings with its own, and is the one to include. */
  readonly engine?: string;
  /** Of an engine: whether it brings the frame along. */
  readonly frame?: boolean;
  /** Whether no task checks its settings alone: `deploy` does, when it lays the role's tree down. */
  readonly deployed?: boolean;
  /** What settings were called before: a name of the old kind is an error that says the new one. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** Names with the prefix that other people's roles have: none is taken for a misspelling. */
  readonly others?: readonly string[];
}

/** The same, with the names of its settings in its type. */
export const roleSchema = <Name extends string>(schema: RoleSchema<Name>): RoleSchema<Name> => schema;
