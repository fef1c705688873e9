import { Ajv } from 'ajv';
import { hookValidation } from '../src/emit/bundle.ts';
import { hookOptionsFrom, OptionsError, type Validator } from '../src/module/hook-options.ts';
import { planHook, type Plan } from '../src/module/plan.ts';
import { hookOptions } from '../src/schema/hook.ts';

const validate = new Ajv(hookValidation.options).compile(hookValidation.schema) as unknown as Validator;

/** The plan of a hook, in this process. @throws OptionsError */
export const plan = (options: object): Plan =>
  planHook(hookOptionsFrom(structuredClone(options) as Record<string, unknown>, hookOptions, validate));

/** What is wrong with the options; nothing if they have a plan. */
export function problems(options: object): readonly string[] {
  try {
    plan(options);
    return [];
  } catch (error) {
    if (error instanceof OptionsError) return error.problems;
    throw error;
  }
}
