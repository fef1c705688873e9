import { Ajv } from 'ajv';
import standaloneCode from 'ajv/dist/standalone/index.js';
import { build, type Plugin } from 'esbuild';
import { readFileSync } from 'node:fs';
import { hookOptions } from '../schema/hook.ts';
import { mark, type GeneratedFile } from './generated.ts';
import { compact, toJsonSchema } from './json-schema.ts';

/**
 * How the options of a hook are validated. Types differ by the version of Ansible ("5" or 5), so what is meant is made of
 * what is given.
 */
export const hookValidation = {
  options: {
    allErrors: true,
    useDefaults: true,
    coerceTypes: 'array',
    strict: false,
    messages: false,
    inlineRefs: false,
  },
  schema: compact(toJsonSchema(hookOptions)),
} as const;

/** The planner of `rootless.backup.hook` as one file that needs Node 18 and nothing else. Reads `src/module` and ajv. */
export async function hookBundle(): Promise<GeneratedFile> {
  const ajv = new Ajv({ ...hookValidation.options, code: { source: true } });
  const validator = (standaloneCode as unknown as { default: typeof standaloneCode }).default(
    ajv,
    ajv.compile(hookValidation.schema),
  );
  const { outputFiles } = await build({
    entryPoints: ['src/module/main.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node18',
    charset: 'ascii',
    legalComments: 'none',
    banner: { js: banner() },
    plugins: [compiled('hook-validator', { contents: validator })],
  });
  return { path: 'plugins/plugin_utils/hook.cjs', content: outputFiles[0]?.text ?? '' };
}

/** What the page of the fleet is made with: its script and its style. Reads `src/page`. */
export async function fleetMeans(): Promise<{ script: string; style: string }> {
  const made = await Promise.all(
    (['main.ts', 'style.css'] as const).map((name) =>
      build({
        entryPoints: [`src/page/${name}`],
        bundle: true,
        write: false,
        minifyWhitespace: true,
        minifySyntax: true,
        platform: 'browser',
        format: 'iife',
        target: ['es2022', 'chrome105', 'firefox113', 'safari16.4'],
        charset: 'ascii',
        legalComments: 'none',
      }),
    ),
  );
  const [script = '', style = ''] = made.map(({ outputFiles }) => outputFiles[0]?.text.trim());
  return { script, style };
}

/** What makes the files of `rootless.backup.fleet`, as one file that needs Node 18 and nothing else. Reads `src/fleet`. */
export async function fleetBundle(): Promise<GeneratedFile> {
  const { script, style } = await fleetMeans();
  const { outputFiles } = await build({
    entryPoints: ['src/fleet/main.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node18',
    charset: 'ascii',
    legalComments: 'none',
    banner: {
      js: `${tag('FileCopyrightText', 'the authors of rootless.backup')}${tag('License-Identifier', 'GPL-3.0-or-later')}// ${mark}fleet/main.ts. Do not edit.`,
    },
    plugins: [
      compiled('fleet-script', { contents: script, loader: 'text' }),
      compiled('fleet-style', { contents: style, loader: 'text' }),
    ],
  });
  return { path: 'plugins/plugin_utils/fleet.cjs', content: outputFiles[0]?.text ?? '' };
}

/** Has a module of this name be what the build made. */
const compiled = (name: string, made: { contents: string; loader?: 'text' }): Plugin => ({
  name,
  setup(build) {
    build.onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: name, namespace: 'compiled' }));
    build.onLoad({ filter: new RegExp(`^${name}$`), namespace: 'compiled' }, () => ({
      ...made,
      resolveDir: process.cwd(),
    }));
  },
});

const tag = (name: string, value: string): string => `// SPDX-${name}: ${value}\n`;

/** Who wrote it, and ajv's own notice. @see https://reuse.software/spec-3.3 */
function banner(): string {
  const licence = readFileSync('node_modules/ajv/LICENSE', 'utf8');
  return [
    tag('FileCopyrightText', 'the authors of rootless.backup'),
    tag('FileCopyrightText', /Copyright \(c\) (.*)/.exec(licence)?.[1] ?? ''),
    tag('License-Identifier', 'GPL-3.0-or-later AND MIT'),
    `// ${mark}module/main.ts. Do not edit. With parts of ajv, under this licence:\n`,
    commented(licence),
  ].join('');
}

const commented = (text: string): string =>
  text
    .trim()
    .split('\n')
    .map((line) => `// ${line}`.trimEnd())
    .join('\n');
