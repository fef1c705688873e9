import { jinja, type Expression } from '../render/value.ts';
import type { RoleSchema } from '../schema/schema.ts';

/** The settings of a role as its units hold them. */
export type SettingsOf<Role> = Role extends RoleSchema<infer Name> ? Readonly<Record<Name, Expression>> : never;

/** The settings as the role's templates take them: each is the variable of its name. */
export function templateSettings<Name extends string>({
  settings,
}: RoleSchema<Name>): Readonly<Record<Name, Expression>> {
  const names = Object.keys(settings) as Name[];
  return Object.fromEntries(names.map((name) => [name, jinja(name)])) as Record<Name, Expression>;
}
