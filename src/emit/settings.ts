import { yamlDocument } from '../render/yaml.ts';
import { mapValues, toJsonSchema } from './json-schema.ts';
import { wrap } from '../render/wrap.ts';
import { table } from '../render/markdown.ts';
import { allowed } from '../schema/allowed.ts';
import type { RoleSchema, Schema } from '../schema/schema.ts';
import { markComment, mark, type GeneratedFile } from './generated.ts';

/** Everything about a role's settings that is derived from their schema. */
export function settingsFiles(schema: RoleSchema): GeneratedFile[] {
  const source = `schema/${schema.role}.ts`;
  const role = `roles/${schema.role}`;
  return [
    { path: `${role}/defaults/main.yml`, content: defaults(schema, source) },
    {
      path: `${role}/meta/argument_specs.yml`,
      content: `${markComment(source)}${yamlDocument(argumentSpecs(schema))}`,
    },
    { path: `${role}/meta/settings.schema.json`, content: `${JSON.stringify(jsonSchema(schema, source), null, 2)}\n` },
    {
      path: `${role}/meta/settings.rules.json`,
      content: `${JSON.stringify({ '#': `${mark}${source}. Do not edit.`, ...rules(schema) }, null, 2)}\n`,
    },
    // The frame has no task: an engine has its settings checked with its own.
    ...(schema.engine !== undefined || schema.deployed === true
      ? []
      : [
          {
            path: `${role}/tasks/settings.yml`,
            content: `${markComment(source)}${yamlDocument([settingsTask(schema)])}`,
          },
        ]),
  ];
}

function defaults(schema: RoleSchema, source: string): string {
  const entries = Object.entries(schema.settings).map(([name, setting]) => {
    const description = setting.description
      .flatMap((text) => wrap(text, 118))
      .map((line) => `# ${line}\n`)
      .join('');
    return `\n${description}${yamlDocument({ [name]: setting.default }).slice('---\n'.length)}`;
  });
  return `${markComment(source)}---${entries.join('')}`.replace('---\n#', '---\n#');
}

const argumentTypes = { string: 'str', integer: 'int', boolean: 'bool', array: 'list', object: 'dict' } as const;

/**
 * The role's argument specification, which documents its settings. Not under `main`: before the tasks of that entry point ansible-core checks
 * types in a task of its own, which costs each host as much as `ping`, and the action of the role checks all of it anyway.
 * @see https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_reuse_roles.html#role-argument-validation
 */
export function argumentSpecs(schema: RoleSchema): object {
  return {
    argument_specs: {
      settings: {
        short_description: schema.summary,
        description: schema.description.map(ansibleMarkup),
        // Without `no_log`: with `tasks_from: settings` ansible-core 2.14 would fail on a value of `!vault` that is to be hidden.
        options: Object.fromEntries(
          Object.entries(schema.settings).map(([name, { writeOnly: _, ...setting }]) => [name, argument(setting)]),
        ),
      },
    },
  };
}

/** One option, as Ansible's argument specs and module documentation have it. */
export function argument(setting: Schema): object {
  return {
    description: [
      ...setting.description,
      ...(setting.allowed === undefined ? [] : [`Allowed is ${setting.allowed}.`]),
    ].map(ansibleMarkup),
    type: argumentTypes[setting.type],
    ...(setting.default === undefined ? {} : { default: setting.default }),
    ...(setting.enum === undefined ? {} : { choices: setting.enum }),
    ...(setting.writeOnly === true ? { no_log: true } : {}),
    ...(setting.items === undefined
      ? {}
      : { elements: setting.items.alternative === undefined ? argumentTypes[setting.items.type] : 'raw' }),
    ...(setting.items?.properties === undefined ? {} : { options: options(setting.items) }),
  };
}

const options = ({ properties = {}, required = [] }: Schema): object =>
  Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [
      name,
      { ...argument(schema), ...(required.includes(name) ? { required: true } : {}) },
    ]),
  );

/** Backticks as Ansible's own markup. @see https://docs.ansible.com/ansible/latest/dev_guide/ansible_markup.html */
const ansibleMarkup = (text: string): string => text.replaceAll(/`([^`]*)`/g, 'C($1)');

/** The JSON Schema, for editors: what a vars file may hold. */
export function jsonSchema(schema: RoleSchema, source: string): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $comment: `${mark}${source}. Do not edit.`,
    title: `Settings of role rootless.backup.${schema.role}`,
    type: 'object',
    properties: mapValues(schema.settings, toJsonSchema),
  };
}

/** One thing that a value has to be, decided here so that the control node only has to match it. */
export interface Rule {
  /** JSON types; Ansible hands numbers and booleans over as strings too, depending on its version. */
  readonly type: Schema['type'];
  /** Python's `re.fullmatch` of the value as text. */
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  /** The end of the sentence "Use …". */
  readonly allowed: string;
  readonly secret?: true;
  readonly items?: Rule;
  /** What a mapping has to be, where all else has to be a text. */
  readonly alternative?: Rule;
  readonly minItems?: number;
  readonly properties?: Readonly<Record<string, Rule>>;
  readonly required?: readonly string[];
}

/** What is asked of the names and the values of a role's settings. */
export interface Rules extends Pick<RoleSchema, 'prefix' | 'renamed' | 'others'> {
  /** Settings of which a host may say nothing, see `Schema.control`. */
  readonly control: readonly string[];
  readonly settings: Readonly<Record<string, Rule>>;
}

/** The rules of all settings of a role, as `rootless.backup.settings` reads them. */
export function rules({ prefix, renamed, others, ...schema }: RoleSchema): Rules {
  return {
    prefix,
    ...(renamed === undefined ? {} : { renamed }),
    ...(others === undefined ? {} : { others }),
    control: Object.keys(schema.settings).filter((name) => schema.settings[name]?.control === true),
    settings: mapValues(schema.settings, rule),
  };
}

function rule(setting: Schema): Rule {
  const pattern = setting.pattern ?? (setting.enum === undefined ? undefined : setting.enum.join('|'));
  return {
    type: setting.type,
    allowed: allowed(setting),
    ...(pattern === undefined ? {} : { pattern }),
    ...(setting.minimum === undefined ? {} : { minimum: setting.minimum }),
    ...(setting.maximum === undefined ? {} : { maximum: setting.maximum }),
    ...(setting.writeOnly === true ? { secret: true as const } : {}),
    ...(setting.items === undefined ? {} : { items: rule(setting.items) }),
    ...(setting.alternative === undefined ? {} : { alternative: rule(setting.alternative) }),
    ...(setting.minItems === undefined ? {} : { minItems: setting.minItems }),
    ...(setting.properties === undefined ? {} : { properties: mapValues(setting.properties, rule) }),
    ...(setting.required === undefined ? {} : { required: setting.required }),
  };
}

function settingsTask(schema: RoleSchema): object {
  return {
    name: 'Check the settings before anything on the host is touched',
    'rootless.backup.settings': {
      rules: '{{ role_path }}/meta/settings.rules.json',
      ...(schema.frame === true ? { frame: true } : {}),
    },
  };
}

/** The settings as a Markdown table, for the role's README. */
export function settingsTable(schema: RoleSchema): string {
  return table(
    ['Setting', 'Default', 'Meaning'],
    Object.entries(schema.settings).map(([name, setting]) => [
      `\`${name}\``,
      `\`${JSON.stringify(setting.default)}\``,
      [
        ...setting.description,
        ...(setting.items?.properties === undefined
          ? []
          : [
              `Keys: ${Object.entries(setting.items.properties)
                .map(
                  ([key, of]) =>
                    `\`${key}\` (${allowed(of)}${of.default === undefined ? '' : `; default \`${of.default as string | number}\``})`,
                )
                .join(', ')}.`,
            ]),
        ...(setting.enum === undefined && setting.allowed === undefined && setting.items?.allowed === undefined
          ? []
          : [`Allowed: ${allowed(setting)}.`]),
        ...(setting.examples ?? []).map((example) => `Example: \`${JSON.stringify(example)}\`.`),
      ].join(' '),
    ]),
  );
}
