/** Compiled by the build from `src/schema/hook.ts`. */
declare module 'hook-validator' {
  const validate: import('./hook-options.ts').Validator;
  export default validate;
}
