import type { RoleSchema, Schema } from '../schema/schema.ts';
import { mark, type GeneratedFile } from './generated.ts';
import { mapValues, toJsonSchema } from './json-schema.ts';

/**
 * The settings of all roles as one JSON Schema, for editors: what a file of `group_vars`, `host_vars` or a play's `vars` may hold.
 * Other variables may stand beside them; a name with the prefix of a role that is no setting of it is a misspelling.
 */
export function variablesSchema(schemas: readonly RoleSchema[]): GeneratedFile {
  const settings = Object.fromEntries(schemas.flatMap((schema) => Object.entries(schema.settings)));
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $comment: `${mark}schema/. Do not edit.`,
    title: 'Variables of the collection rootless.backup',
    type: 'object',
    properties: mapValues(settings, variable),
    propertyNames: {
      anyOf: [
        { enum: Object.keys(settings) },
        { not: { pattern: `^(?:${schemas.map(({ prefix }) => prefix).join('|')})` } },
      ],
    },
  };
  return { path: 'meta/variables.schema.json', content: `${JSON.stringify(schema, null, 2)}\n` };
}

/** A variable may also hold an expression that gives the value. */
function variable(setting: Schema): object {
  const {
    description,
    default: fallback,
    ...value
  } = toJsonSchema(setting) as { description: string; default?: unknown };
  return {
    description,
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [value, { type: 'string', pattern: '\\{\\{[^]*\\}\\}' }],
  };
}
