import { Ajv } from 'ajv';
import standaloneCode from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';
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
    plugins: [
      {
        name: 'hook-validator',
        setup(build) {
          build.onResolve({ filter: /^hook-validator$/ }, () => ({ path: 'hook-validator', namespace: 'compiled' }));
          build.onLoad({ filter: /.*/, namespace: 'compiled' }, () => ({
            contents: validator,
            resolveDir: process.cwd(),
          }));
        },
      },
    ],
  });
  return { path: 'plugins/plugin_utils/hook.cjs', content: outputFiles[0]?.text ?? '' };
}

/** Who wrote it, and ajv's own notice. @see https://reuse.software/spec-3.3 */
function banner(): string {
  const licence = readFileSync('node_modules/ajv/LICENSE', 'utf8');
  const tag = (name: string, value: string): string => `// SPDX-${name}: ${value}\n`;
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
