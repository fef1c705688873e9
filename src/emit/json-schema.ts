import type { Schema } from '../schema/schema.ts';

/** A declaration as plain JSON Schema, for ajv and for editors. */
export function toJsonSchema({ allowed, description, pattern, items, properties, propertyNames, additionalProperties, ...rest }: Schema): object {
  return {
    ...rest,
    description: [...description, ...(allowed === undefined ? [] : [`Allowed is ${allowed}.`])].join('\n'),
    ...(pattern === undefined ? {} : { pattern: `^(?:${pattern})$` }),
    ...(items === undefined ? {} : { items: toJsonSchema(items) }),
    ...(propertyNames === undefined ? {} : { propertyNames: { pattern: `^(?:${propertyNames})$` } }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: toJsonSchema(additionalProperties) }),
    ...(properties === undefined
      ? {}
      : { properties: mapValues(properties, toJsonSchema), additionalProperties: false }),
  };
}

/** The same keys with other values. */
export const mapValues = <From, To>(record: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
