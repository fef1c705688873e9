import { managedBy } from '../render/header.ts';
import type { RoleSchema, Schema } from '../schema/schema.ts';
import { mark, type GeneratedFile } from './generated.ts';

/** What a program has to know that is no setting: by file, entries of JSON, each an expression of Jinja. */
const further: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  report: { host: 'inventory_hostname | string | to_json' },
};

/**
 * The settings of a role that reach its programs, as templates of `/etc/backup/FILE.json`: no quoting of a shell or of a unit is in
 * the way. Which they are the schema says.
 */
export function programSettings({ role, prefix, settings }: RoleSchema): GeneratedFile[] {
  const marked = Object.entries(settings).flatMap(([name, setting]) =>
    setting.json === undefined
      ? []
      : [{ file: setting.json.file, key: keyOf(prefix, name, setting), expression: asJson(name, setting) }],
  );
  return [...new Set(marked.map(({ file }) => file))].map((file) => {
    const entries = [
      ...Object.entries(further[file] ?? {}),
      ...marked.filter((setting) => setting.file === file).map(({ key, expression }) => [key, expression] as const),
    ];
    const lines = [
      `"#": ${JSON.stringify(managedBy(`role ${role}`))}`,
      ...entries.map(([key, expression]) => `${JSON.stringify(key)}: {{ ${expression} }}`),
    ];
    return {
      path: `roles/${role}/templates/etc/backup/${file}.json.j2`,
      content: `{# ${mark}schema/${role}.ts. Do not edit. #}\n{\n${lines.map((line) => `  ${line}`).join(',\n')}\n}\n`,
    };
  });
}

function keyOf(prefix: string, name: string, { json }: Schema): string {
  const short = name.slice(prefix.length);
  const ofFile = `${json?.file ?? ''}_`;
  return json?.key ?? (short.startsWith(ofFile) ? short.slice(ofFile.length) : short);
}

/** Writes a setting as JSON. Ansible hands numbers and booleans over as strings too, depending on its version. */
function asJson(name: string, { json, type, items, writeOnly, enum: choices }: Schema): string {
  if (json?.value !== undefined) return `(${json.value}) | to_json`;
  // The secret itself comes as a credential.
  if (writeOnly === true) return `(${name} | string | length > 0) | to_json`;
  // What the check has matched against a choice is a string.
  if (choices !== undefined) return `${name} | to_json`;
  if (type === 'string') return `${name} | string | to_json`;
  if (type === 'integer') return `${name} | int`;
  if (type === 'boolean') return `${name} | bool | to_json`;
  return items?.type === 'string' ? `${name} | map('string') | list | to_json` : `${name} | to_json`;
}
