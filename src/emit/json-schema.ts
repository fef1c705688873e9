import type { Schema } from '../schema/schema.ts';

/** What JSON Schema takes from a declaration as it is; all else is a word of ours, or is written in another way. */
const asItIs = ['type', 'default', 'enum', 'minimum', 'maximum', 'minItems', 'required', 'writeOnly', 'examples'];

/** A declaration as plain JSON Schema, for ajv and for editors. */
export function toJsonSchema({ alternative, ...schema }: Schema): object {
  if (alternative !== undefined) return { anyOf: [toJsonSchema(schema), toJsonSchema(alternative)] };
  const { allowed, description, pattern, items, properties, propertyNames, additionalProperties } = schema;
  return {
    ...Object.fromEntries(Object.entries(schema).filter(([key]) => asItIs.includes(key))),
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

/**
 * The same schema for a validator's eyes: no texts, and what occurs more than once stands once, in `$defs`; so does what has
 * properties of its own, since each of `$defs` becomes a function, which costs nothing where it is not called.
 */
export function compact(schema: object): object {
  const seen = new Map<string, number>();
  const count = (node: unknown): void => {
    if (node === null || typeof node !== 'object') return;
    if (canMove(node)) seen.set(JSON.stringify(node), (seen.get(JSON.stringify(node)) ?? 0) + 1);
    Object.values(node).forEach(count);
  };
  const $defs: Record<string, object> = {};
  const names = new Map<string, string>();
  const shared = (node: unknown, top = false): unknown => {
    if (node === null || typeof node !== 'object') return node;
    if (Array.isArray(node)) return node;
    const key = JSON.stringify(node);
    if (!top && canMove(node) && ((seen.get(key) ?? 0) > 1 || 'properties' in node)) {
      if (!names.has(key)) {
        names.set(key, `shared${names.size}`);
        $defs[names.get(key) ?? ''] = shared(node, true) as object;
      }
      return { $ref: `#/$defs/${names.get(key)}` };
    }
    return mapValues(node as Record<string, unknown>, (value) => shared(value));
  };
  const plain = withoutTexts(schema) as object;
  count(plain);
  return { ...(shared(plain, true) as object), $defs };
}

/** A default is only seen where the property stands. */
const canMove = (node: object): boolean => isSchema(node) && !('default' in node);
const isSchema = (node: object): boolean => typeof (node as { type?: unknown }).type === 'string';

function withoutTexts(node: unknown): unknown {
  if (node === null || typeof node !== 'object' || Array.isArray(node)) return node;
  const texts = isSchema(node) ? ['description', 'examples', 'writeOnly'] : [];
  return Object.fromEntries(
    Object.entries(node)
      .filter(([key]) => !texts.includes(key))
      .map(([key, value]) => [key, withoutTexts(value)]),
  );
}

/** The same keys with other values. */
export const mapValues = <From, To>(
  record: Readonly<Record<string, From>>,
  change: (value: From) => To,
): Record<string, To> => Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
