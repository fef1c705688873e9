import { managedBy } from '../render/header.ts';
import { comment, renderUnit, type Directive } from '../render/unit.ts';
import { line, word } from '../render/value.ts';
import { proofJson } from '../render/json.ts';
import {
  hookCleanup,
  hookDirectory,
  hookDrill,
  hookProof,
  hookRestore,
  hookService,
  hookDropIn,
  type Hook,
} from '../units/hook.ts';
import { set } from '../units/unit.ts';
import { excludes, programs, proveUser } from '../schema/host.ts';
import { commandOptions, type HookOptions } from '../schema/hook.ts';
import type { Loosened } from '../schema/sandbox.ts';

/** What `rootless.backup.transaction` makes true on a host, or leaves the host as it was. */
export interface Plan {
  /** Whose files these are. */
  readonly name: string;
  readonly state: 'present' | 'absent';
  readonly files: readonly {
    readonly path: string;
    readonly content: string;
    readonly mode: number;
    readonly sensitive: boolean;
  }[];
  /** What the host has to have before anything is written; a message for each, if not. */
  readonly needs: readonly Need[];
  /** With `absent`: further paths to remove; one that ends in a slash only if it is empty. */
  readonly remove: readonly string[];
  /** A directory of the control node, whose files come in addition, and whether the programs' package does. */
  readonly tree?: string;
  readonly package?: boolean;
  /** The service whose exposure level is told. */
  readonly exposure?: string;
}

export interface Need {
  readonly option: string;
  /** A hook that is not there is warned of only: a later task may make it. */
  readonly kind: 'user' | 'group' | 'program' | 'path' | 'credential' | 'hook';
  readonly value: string;
  /** Who has to be able to use it; not for what only the sandbox shows. */
  readonly user?: string;
}

/** The plan of a hook: its services, its drop-in, its directory, its script, its secrets. Pure. */
export function planHook(options: HookOptions): Plan {
  const { name, state } = options;
  const taken: Plan = {
    name: `hook-${name}`,
    state,
    files: [],
    needs: [],
    remove: [hookDirectory(name), secretDirectory(name)],
  };
  if (state === 'absent') return taken;
  const more = {
    ...(options.files === undefined ? {} : { tree: options.files }),
    ...(options.package ? { package: true } : {}),
  };
  return { ...taken, files: files(options), needs: needs(options), ...more, exposure: `backup-${name}.service` };
}

function files(options: HookOptions): Plan['files'] {
  const { name, user = '', group, script, secrets, exclude, cleanup } = options;
  const header = managedBy('module hook');
  const hook = hookFrom(options);
  const file = (path: string, content: string, mode = 0o644, sensitive = false) => ({ path, content, mode, sensitive });
  const proof = hookProof(hook);
  const units = [
    hookService(hook),
    hookDropIn(hook),
    cleanup === 'remove' ? hookCleanup(hook) : undefined,
    hookRestore(hook),
    hookDrill(hook),
  ];
  return [
    ...units.filter((unit) => unit !== undefined).map((unit) => file(unit.path, renderUnit(unit, header))),
    ...(proof === undefined ? [] : [file(proof.path, proofJson(header, proof.proof))]),
    file(
      `/etc/tmpfiles.d/backup-${name}.conf`,
      `${comment(header)}d ${hookDirectory(name)} 0700 ${user} ${group ?? '-'}\n`,
    ),
    ...(script === undefined ? [] : [file(scriptPath(name), script.endsWith('\n') ? script : `${script}\n`, 0o755)]),
    ...(exclude.length === 0
      ? []
      : [file(`${excludes}/${name}`, `${comment(header)}${exclude.map((path) => `${path}\n`).join('')}`)]),
    ...Object.entries(secrets).map(([key, secret]) => file(`${secretDirectory(name)}/${key}`, secret, 0o600, true)),
  ];
}

/** What the host has to have: an earlier task of the play may make it. */
function needs(options: HookOptions): Need[] {
  const { user = '', group, credentials, read, write, order, sandbox } = options;
  const groups = [sandbox?.['SupplementaryGroups']?.value ?? []].flat();
  return [
    { option: 'user', kind: 'user', value: user },
    ...(group === undefined ? [] : [{ option: 'group', kind: 'group' as const, value: group }]),
    ...groups.map((value) => ({ option: 'sandbox.SupplementaryGroups', kind: 'group' as const, value })),
    ...commandOptions.flatMap((option) => programNeeded(option, options)),
    ...Object.entries({ read, write }).flatMap(([option, paths]) =>
      paths.map((value) => ({ option, kind: 'path' as const, value })),
    ),
    ...Object.entries(credentials).map(([key, value]) => ({
      option: `credentials.${key}`,
      kind: 'credential' as const,
      value,
    })),
    ...order.map((value) => ({ option: 'order', kind: 'hook' as const, value })),
  ];
}

/** The program of a command line, for whoever runs it; one that comes with the hook is no need, as the host's side knows. */
function programNeeded(option: (typeof commandOptions)[number], options: HookOptions): Need[] {
  const path = options[option]?.[0];
  if (path === undefined) return [];
  return [{ option, kind: 'program', value: path, user: option === 'prove' ? proveUser : (options.user ?? '') }];
}

function hookFrom(options: HookOptions): Hook {
  const { name, group, restore, prove } = options;
  return {
    name,
    description: `Hook ${name} of the backup`,
    user: options.user ?? '',
    ...(group === undefined ? {} : { group }),
    command: options.script === undefined ? (options.command ?? []) : [scriptPath(name)],
    ...(restore === undefined ? {} : { restore }),
    ...(prove === undefined ? {} : { prove }),
    environment: options.environment,
    credentials: credentialFiles(options),
    read: options.read.map(normal),
    write: options.write.map(normal),
    network: networks[options.network],
    timeLimit: options.timeout,
    cleanup: options.cleanup === 'remove',
    required: options.required,
    order: options.order,
    after: options.after,
    loosened: Object.entries(options.sandbox ?? {}).flatMap(([directive, change]) => directives(directive, change)),
  };
}

const networks = { none: false, local: 'local', any: true } as const;

/** The file that systemd reads each credential from; a secret has one of its own. */
function credentialFiles({ name, credentials, secrets }: HookOptions): Readonly<Record<string, string>> {
  return {
    ...Object.fromEntries(Object.entries(credentials).map(([key, path]) => [key, normal(path)])),
    ...Object.fromEntries(Object.keys(secrets).map((key) => [key, `${secretDirectory(name)}/${key}`])),
  };
}

/** systemd refuses a doubled or trailing slash in some places, with a warning only. */
const normal = (path: string): string => path.replaceAll(/\/+/g, '/').replace(/(.)\/$/, '$1');

/** Of these every element of the list is a line of its own; of others a word. @see systemd.exec(5), systemd.resource-control(5) */
const linewise = ['DeviceAllow', 'SystemCallFilter'];

function directives(name: string, { value, reason }: Loosened): Directive[] {
  const values = [value].flat();
  const lines =
    linewise.includes(name) && values.length > 0
      ? values.map((each) => line(each))
      : [values.map((each) => (name === 'NoExecPaths' ? word(each) : line(each))).join(' ')];
  return lines.map((text, index) => (index === 0 ? set(name, text, reason) : set(name, text)));
}

const scriptPath = (name: string): string => `${programs}/hook-${name}`;
const secretDirectory = (name: string): string => `/etc/credstore/backup-${name}`;
