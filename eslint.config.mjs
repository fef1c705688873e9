import tseslint from 'typescript-eslint';

export default tseslint.config({
  files: ['**/*.ts'],
  extends: [tseslint.configs.strictTypeChecked],
  languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
  linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true },
  rules: {
    // A number reads as itself, and `() => doIt()` is shorter than `() => { doIt(); }`: neither hides a mistake.
    '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    // `const { left, ...rest } = all` is how a key is left out.
    '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
    '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
  },
});
