import type { Unit } from '../render/unit.ts';
import { programs } from '../schema/host.ts';
import { postgres } from '../schema/postgres.ts';
import { hookDrill, hookRestore, hookService, hookDropIn, type Hook } from './hook.ts';
import { templateSettings, type SettingsOf } from './settings.ts';

/** The settings as the role's templates take them. */
export const postgresTemplateSettings = templateSettings(postgres);

const program = `${programs}/backup-postgresql`;

/** The hook that dumps PostgreSQL. */
export const postgresHook = (settings: SettingsOf<typeof postgres>): Hook => ({
  name: 'postgresql',
  description: 'Dump of the PostgreSQL databases',
  user: settings.postgres_dump_user,
  command: [program],
  restore: [program, 'restore'],
  waits: true,
  prove: [program, 'prove'],
  apart: true,
  prepare: [program, 'prepare'],
  environment: { LANG: 'C.UTF-8' },
  timeLimit: settings.postgres_time_limit,
  after: ['postgresql.service'],
});

/** All units of role `postgres`. */
export function postgresUnits(settings: SettingsOf<typeof postgres>): Unit[] {
  const hook = postgresHook(settings);
  return [hookService(hook), hookDropIn(hook), hookRestore(hook), hookDrill(hook)].filter((unit) => unit !== undefined);
}
