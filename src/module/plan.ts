import { managedBy } from '../render/header.ts';
import { renderUnit, comment } from '../render/unit.ts';
import { programs } from '../units/borg.ts';
import { hookDirectory, hookService, hookSnippet, type Hook } from '../units/hook.ts';
import type { HookOptions } from './hook-options.ts';

/** What `rootless.backup.transaction` makes true on a host, or leaves the host as it was. */
export interface Plan {
  /** Whose files these are. */
  readonly name: string;
  readonly state: 'present' | 'absent';
  readonly files: readonly { readonly path: string; readonly content: string; readonly mode: number; readonly sensitive: boolean }[];
  /** What the host has to have before anything is written; a message for each, if not. */
  readonly needs: readonly Need[];
  /** With `absent`: further paths to remove; one that ends in a slash only if it is empty. */
  readonly remove: readonly string[];
  /** The service whose exposure level is told. */
  readonly exposure?: string;
}

export interface Need {
  readonly option: string;
  readonly kind: 'user' | 'group' | 'program' | 'path';
  readonly value: string;
}

/** The plan of a hook: its service, its snippet, its directory, its script. Pure. */
export function planHook(options: HookOptions): Plan {
  const { name, state, user = '', group, script } = options;
  const header = managedBy('module hook');
  const scriptPath = `${programs}/hook-${name}`;
  const command = script === undefined ? (options.command ?? []) : [scriptPath];
  const hook: Hook = {
    name,
    description: `Hook ${name} of the backup`,
    user,
    ...(group === undefined ? {} : { group }),
    command,
    environment: options.environment,
    credentials: options.credentials,
    read: options.read,
    write: options.write,
    network: { none: false, local: 'local', any: true }[options.network] as boolean | 'local',
    timeLimit: options.timeout,
    after: options.after,
    required: options.required,
  };
  const file = (path: string, content: string, mode = 0o644) => ({ path, content, mode, sensitive: false });
  return {
    name: `hook-${name}`,
    state,
    files:
      state === 'absent'
        ? []
        : [
            ...[hookService(hook), hookSnippet(hook)].map((unit) => file(unit.path, renderUnit(unit, header))),
            file(`/etc/tmpfiles.d/backup-${name}.conf`, `${comment(header)}d ${hookDirectory(name)} 0700 ${user} ${group ?? '-'}\n`),
            ...(script === undefined ? [] : [file(scriptPath, script.endsWith('\n') ? script : `${script}\n`, 0o755)]),
          ],
    needs:
      state === 'absent'
        ? []
        : [
            { option: 'user', kind: 'user', value: user },
            ...(group === undefined ? [] : [{ option: 'group', kind: 'group' as const, value: group }]),
            ...(script === undefined && command[0] !== undefined ? [{ option: 'command', kind: 'program' as const, value: command[0] }] : []),
            ...(['read', 'write'] as const).flatMap((option) => options[option].map((value) => ({ option, kind: 'path' as const, value }))),
            ...Object.entries(options.credentials).map(([key, value]) => ({ option: `credentials.${key}`, kind: 'path' as const, value })),
          ],
    remove: [hookDirectory(name)],
    ...(state === 'absent' ? {} : { exposure: `backup-${name}.service` }),
  };
}
