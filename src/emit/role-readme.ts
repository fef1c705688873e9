import { wrap } from '../render/wrap.ts';
import type { RoleSchema } from '../schema/schema.ts';
import { mark, type GeneratedFile } from './generated.ts';
import { settingsTable } from './settings.ts';

/** What Galaxy shows of a role. */
export function roleReadme(schema: RoleSchema): GeneratedFile {
  const { role, summary, description, engine = role } = schema;
  return {
    path: `roles/${role}/README.md`,
    content: `<!-- ${mark}schema/${role}.ts. Do not edit. -->

# rootless.backup.${role}: ${summary}

${description.map((text) => `${wrap(text, 118).join('\n')}\n`).join('\n')}
\`\`\`yaml
- hosts: all
  become: true
  roles:
    - rootless.backup.${engine}
\`\`\`

## Settings

${settingsTable(schema)}`,
  };
}
