import type { Unit } from '../render/unit.ts';
import { jinja, type Value } from '../render/value.ts';
import { hookDrill, hookRestore, hookService, hookSnippet, type Hook } from './hook.ts';
import { programs } from './unit.ts';

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

const program = `${programs}/backup-postgresql`;

/** The hook that dumps PostgreSQL. */
export const postgresHook = ({ user, timeLimit }: PostgresSettings): Hook => ({
  name: 'postgresql',
  description: 'Dump of the PostgreSQL databases',
  user,
  command: [program],
  restore: [program, 'restore'],
  waits: true,
  prove: [program, 'prove'],
  apart: true,
  environment: { LANG: 'C.UTF-8' },
  timeLimit,
  after: ['postgresql.service'],
});

/** All units of role `postgres`. */
export function postgresUnits(settings: PostgresSettings): Unit[] {
  const hook = postgresHook(settings);
  return [hookService(hook), hookSnippet(hook), hookRestore(hook), hookDrill(hook)].filter((unit) => unit !== undefined);
}
