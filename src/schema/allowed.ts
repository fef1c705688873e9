import type { Schema } from './schema.ts';

/** What is allowed, in words: the end of the sentence "Use …". */
export function allowed(setting: Schema): string {
  if (setting.allowed !== undefined) return setting.allowed;
  if (setting.enum !== undefined) return `one of ${setting.enum.join(', ')}`;
  switch (setting.type) {
    case 'boolean':
      return 'true or false';
    case 'integer':
      return `a whole number from ${setting.minimum} to ${setting.maximum}`;
    case 'array':
      return `a list${setting.minItems === undefined ? '' : ` of at least ${setting.minItems}`}${setting.items?.allowed === undefined ? '' : `, each ${setting.items.allowed}`}`;
    case 'object':
      return setting.properties === undefined
        ? 'a mapping'
        : `a mapping with the keys ${Object.keys(setting.properties).join(', ')}`;
    case 'string':
      return 'a string';
  }
}
