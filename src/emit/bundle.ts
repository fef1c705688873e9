import { Ajv2020 } from 'ajv/dist/2020.js';
import standaloneCode from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { hookOptions } from '../schema/hook.ts';
import { mark, type GeneratedFile } from './generated.ts';
import { toJsonSchema } from './json-schema.ts';

/** The planner of `rootless.backup.hook` as one file that needs Node 18 and nothing else. Reads `src/module` and ajv. */
export async function hookBundle(): Promise<GeneratedFile> {
  // Types differ by the version of Ansible ("5" or 5), so what is meant is made of what is given.
  const ajv = new Ajv2020({ allErrors: true, verbose: true, useDefaults: true, coerceTypes: 'array', strict: false, code: { source: true } });
  const validator = (standaloneCode as unknown as { default: typeof standaloneCode }).default(ajv, ajv.compile(toJsonSchema(hookOptions)));
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
