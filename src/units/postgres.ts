import { jinja, type Value } from '../render/value.ts';
import { hookService, hookSnippet, type Hook } from './hook.ts';
import { programs, type Unit } from './unit.ts';

/** The values of role `postgres`'s settings that its units hold. */
export interface PostgresSettings {
  readonly user: Value;
  readonly timeLimit: Value;
}

/** The settings as the role's templates take them. */
export const postgresTemplateSettings: PostgresSettings = {
  user: jinja('postgres_user'),
  timeLimit: jinja('postgres_time_limit'),
};

/** All units of role `postgres`. */
export function postgresUnits({ user, timeLimit }: PostgresSettings): Unit[] {
  const hook: Hook = {
    name: 'postgresql',
    description: 'Dump of the PostgreSQL databases',
    user,
    command: [`${programs}/backup-postgresql`],
    environment: { LANG: 'C.UTF-8' },
    timeLimit,
    after: ['postgresql.service'],
  };
  return [hookService(hook), hookSnippet(hook)];
}
