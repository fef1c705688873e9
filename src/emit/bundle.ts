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
  options: { allErrors: true, useDefaults: true, coerceTypes: 'array', strict: false, messages: false, inlineRefs: false },
  schema: compact(toJsonSchema(hookOptions)),
} as const;

/** The planner of `rootless.backup.hook` as one file that needs Node 18 and nothing else. Reads `src/module` and ajv. */
export async function hookBundle(): Promise<GeneratedFile> {
  const ajv = new Ajv({ ...hookValidation.options, code: { source: true } });
  const validator = (standaloneCode as unknown as { default: typeof standaloneCode }).default(ajv, ajv.compile(hookValidation.schema));
  const { outputFiles } = await build({
    entryPoints: ['src/module/main.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node18',
    charset: 'ascii',
    legalComments: 'none',
    banner: { js: `// ${mark}module/main.ts. Do not edit.\n// GPL-3.0-or-later. With parts of ajv, under this licence:\n${commented(readFileSync('node_modules/ajv/LICENSE', 'utf8'))}` },
    plugins: [
      {
        name: 'hook-validator',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^hook-validator$/ }, () => ({ path: 'hook-validator', namespace: 'compiled' }));
          onLoad({ filter: /.*/, namespace: 'compiled' }, () => ({ contents: validator, resolveDir: process.cwd() }));
        },
      },
    ],
  });
  return { path: 'plugins/plugin_utils/hook.cjs', content: outputFiles[0]?.text ?? '' };
}

const commented = (text: string): string => text.trim().split('\n').map((line) => `// ${line}`.trimEnd()).join('\n');
