import { backup } from '../schema/backup.ts';
import { borg } from '../schema/borg.ts';
import { mariadb } from '../schema/mariadb.ts';
import { postgres } from '../schema/postgres.ts';
import { repository } from '../schema/repository.ts';
import { sqlite } from '../schema/sqlite.ts';
import type { GeneratedFile } from './generated.ts';
import { hostFacts } from './host.ts';
import { hookDocs } from './module-docs.ts';
import { monitoring } from './monitoring.ts';
import { programSettings } from './program-settings.ts';
import { roleReadme } from './role-readme.ts';
import { settingsFiles } from './settings.ts';
import { backupTemplates, borgTemplates, postgresTemplates, repositoryTemplates, transientUnits } from './templates.ts';
import { variablesSchema } from './variables-schema.ts';

/** The roles, in the order in which their settings are listed. */
const roles = [backup, borg, postgres, mariadb, sqlite, repository];

/** Every generated file of the repository, of a version of the collection; pure, so that the same input gives the same bytes. */
export function files(version: string): GeneratedFile[] {
  return [
    ...roles.flatMap(settingsFiles),
    ...roles.flatMap(programSettings),
    ...backupTemplates(),
    ...borgTemplates(),
    transientUnits(),
    ...hostFacts(version),
    ...monitoring(version),
    ...postgresTemplates(),
    ...repositoryTemplates(),
    ...roles.map(roleReadme),
    variablesSchema(roles),
    hookDocs(),
  ];
}
