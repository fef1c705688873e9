import { wrap } from './wrap.ts';

const width = 118;

/** JSON values as block-style YAML 1.2; strings as JSON strings where a plain one could be read as something else. */
export function yaml(value: unknown, indent = ''): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return ' []\n';
    return `\n${value.map((item) => `${indent}-${nested(item, `${indent}  `)}`).join('')}`;
  }
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value);
    if (entries.length === 0) return ' {}\n';
    return `\n${entries.map(([key, item]) => `${indent}${scalar(key)}:${yaml(item, `${indent}  `)}`).join('')}`;
  }
  const text = scalar(value);
  return typeof value === 'string' && indent.length + text.length > width && foldable(value)
    ? ` >-\n${wrap(value, width - indent.length)
        .map((line) => `${indent}${line}\n`)
        .join('')}`
    : ` ${text}\n`;
}

/** A folded scalar gives back single spaces only. @see https://yaml.org/spec/1.2.2/#folded-style */
const foldable = (text: string): boolean => !/^ |  | $|[\0-\x1f]/.test(text);

/** A mapping or list that is itself an element of a list begins on the line of its dash. */
function nested(item: unknown, indent: string): string {
  const text = yaml(item, indent);
  return text.startsWith('\n') ? ` ${text.slice(1 + indent.length)}` : text;
}

function scalar(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  const plain =
    /^[A-Za-z_/][A-Za-z0-9_ /.,()-]*$/.test(value) &&
    !/^(?:true|false|yes|no|on|off|y|n|null)$/i.test(value) &&
    !value.endsWith(' ');
  return plain ? value : JSON.stringify(value);
}

/** A whole YAML document. */
export const yamlDocument = (value: unknown): string => `---${yaml(value)}`;
