import tseslint from 'typescript-eslint';

/** What each room of `src/` may import, beside its own: one way, from the declarations to the files. */
const rooms = {
  schema: [],
  render: [],
  units: ['schema', 'render'],
  emit: ['schema', 'render', 'units'],
  module: ['schema', 'render', 'units'],
  fleet: ['schema'],
  page: ['schema', 'fleet'],
};
/** Who reads, writes or compiles; all else is pure, and needs no package. */
const ends = ['src/emit/bundle.ts', 'src/module/main.ts', 'src/fleet/main.ts'];

const refuse = (regex, message) => ({ 'no-restricted-imports': ['error', { patterns: [{ regex, message }] }] });
const oneWay = Object.entries(rooms).flatMap(([room, allowed]) => {
  const elsewhere = String.raw`^\.\./(?!(?:${[room, ...allowed].join('|')})/)`;
  const message = `src/${room} imports of src/ only ${[room, ...allowed].join(', ')}.`;
  return [
    { files: [`src/${room}/**/*.ts`], rules: refuse(elsewhere, message) },
    {
      files: [`src/${room}/**/*.ts`],
      ignores: ends,
      rules: refuse(String.raw`${elsewhere}|^[^.]`, `${message} It reads nothing, and needs no package.`),
    },
  ];
});

export default tseslint.config(
  {
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
  },
  ...oneWay,
  { files: ['src/*.ts'], rules: refuse(String.raw`^\./(?!emit/)|^\.\./`, 'src/main.ts imports of src/ only emit.') },
  {
    files: ['tools/**/*.ts'],
    rules: refuse(
      String.raw`^(?:\.\./)+tests/(?!lab/|planner\.ts$)`,
      'Of tests/ a tool takes only the lab and the planner.',
    ),
  },
);
