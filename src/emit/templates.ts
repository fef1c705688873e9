import { managedBy } from '../render/header.ts';
import { proofJson } from '../render/json.ts';
import { renderUnit, type Directive, type Unit } from '../render/unit.ts';
import { backupTemplateSettings, backupUnits } from '../units/backup.ts';
import { borgTemplateSettings, borgUnits } from '../units/borg.ts';
import { hookProof } from '../units/hook.ts';
import { postgresHook, postgresTemplateSettings, postgresUnits } from '../units/postgres.ts';
import { repositoryTemplateSettings, repositoryUnits } from '../units/repository.ts';
import { transientSandboxes } from '../units/restore.ts';
import { mark, type GeneratedFile } from './generated.ts';

/** What is generated of the tree of role `backup`, a picture of the host. What holds no unit lies there already, written by hand. */
export const backupTemplates = (): GeneratedFile[] =>
  unitTemplates('backup', 'units/backup.ts', backupUnits(backupTemplateSettings));

/** The same of role `borg`: what its engine has in the units of the frame, and units of its own. */
export const borgTemplates = (): GeneratedFile[] =>
  unitTemplates('borg', 'units/borg.ts', borgUnits(borgTemplateSettings));

/** The same of role `postgres`. */
export function postgresTemplates(): GeneratedFile[] {
  const proof = hookProof(postgresHook(postgresTemplateSettings));
  return [
    ...unitTemplates('postgres', 'units/postgres.ts', postgresUnits(postgresTemplateSettings)),
    ...(proof === undefined
      ? []
      : [template('postgres', 'units/postgres.ts', proof.path, proofJson(managedBy('role postgres'), proof.proof))]),
  ];
}

/** The same of role `repository`. */
export const repositoryTemplates = (): GeneratedFile[] =>
  unitTemplates('repository', 'units/repository.ts', repositoryUnits(repositoryTemplateSettings));

/** The sandboxes of transient units, for the program that hands them to systemd-run(1). */
export function transientUnits(): GeneratedFile {
  const { path, ...sandboxes } = transientSandboxes();
  const lines = (directives: readonly Directive[]): string[] => directives.map(({ name, value }) => `${name}=${value}`);
  const text = Object.fromEntries(
    Object.entries(sandboxes).map(([kind, { local, remote }]) => [
      kind,
      { local: lines(local), remote: lines(remote) },
    ]),
  );
  return {
    path: `roles/backup/files${path}`,
    content: `${JSON.stringify({ '#': `${managedBy('role backup')} ${mark}units/restore.ts.`, ...text }, undefined, 2)}\n`,
  };
}

const unitTemplates = (role: string, source: string, units: readonly Unit[]): GeneratedFile[] =>
  units.map((unit) => template(role, source, unit.path, renderUnit(unit, managedBy(`role ${role}`))));

const template = (role: string, source: string, path: string, text: string): GeneratedFile => ({
  path: `roles/${role}/templates${path}.j2`,
  content: `{# ${mark}${source}. Do not edit. #}\n${text}`,
});
