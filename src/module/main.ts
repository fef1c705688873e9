/**
 * The bundle that `plugins/action/hook.py` runs on the control node: options as JSON on standard input,
 * `{plan}` or `{problems}` as JSON on standard output. Only ASCII: Ansible cannot read raw U+2028 or U+0085.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import validate from 'hook-validator';
import { hookOptions } from '../schema/hook.ts';
import { hookOptionsFrom, OptionsError } from './hook-options.ts';
import { planHook } from './plan.ts';

const ascii = (value: unknown): string =>
  JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

function answer(): object {
  try {
    return {
      plan: planHook(
        hookOptionsFrom(JSON.parse(readFileSync(0, 'utf8')) as Record<string, unknown>, hookOptions, validate),
      ),
    };
  } catch (error) {
    if (error instanceof OptionsError) return { problems: error.problems };
    throw error;
  }
}

// Not process.stdout: making that stream takes as long as making the plan.
writeFileSync(1, `${ascii(answer())}\n`);
