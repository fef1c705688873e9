import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { temporary } from '../../tests/lab/collection.ts';
import { run as runProgram, type Result } from '../../tests/lab/process.ts';
import { writeCommandLine } from './command-line.ts';
import { copies } from './copies.ts';
import { sanity } from './sanity.ts';
import { Toolbox } from './toolbox.ts';

/** On a machine that does much else, what takes half a minute may take long. */
const run = (program: string, args: readonly string[]): Promise<Result> =>
  runProgram(program, args, { timeoutSeconds: 1800 });

/** Throws with what it found. */
export type Gate = () => Promise<unknown>;

/** Every static gate, by the name that `npm run check -- NAME …` takes; the slowest first. No gate has an ignore, a skip or an exclude. */
export const gates: Readonly<Record<string, Gate>> = {
  /** `ansible-test sanity`: all its tests, on what is in the tarball. */
  sanity: async () => sanity((await copies()).collection, await Toolbox.open()),

  /** The tarball, the documentation: see tests/collection. */
  collection: () =>
    run('node_modules/.bin/vitest', ['run', '--config', 'tests/collection.config.ts', '--reporter=dot']),

  /** Ansible's practices, in the strictest profile. */
  'ansible-lint': async () => {
    const { tree } = await copies();
    const env = { ANSIBLE_COLLECTIONS_PATH: join(tree, '../../..') };
    return (await Toolbox.open()).run('ansible-lint', [], { cwd: tree, env });
  },

  /** What Galaxy asks of a tarball that is uploaded; what it warns of fails too. */
  galaxy: async () => {
    const { tarball } = await copies();
    const { stdout, stderr } = await (
      await Toolbox.open()
    ).run('python', ['-m', 'galaxy_importer.main', basename(tarball)], { cwd: dirname(tarball) });
    const complaints = `${stdout}${stderr}`.split('\n').filter((line) => /^(WARNING|ERROR)/.test(line));
    if (complaints.length > 0 || !/importer processing completed successfully/i.test(`${stdout}${stderr}`))
      throw new Error(`${stdout}${stderr}`);
  },

  /** TypeScript, by typescript-eslint's strictest rules. */
  eslint: () => run('node_modules/.bin/eslint', ['--max-warnings=0', 'src', 'tests', 'tools']),

  /** TypeScript looks as Prettier writes it. */
  format: () => run(process.execPath, ['tools/run.mjs', 'format', '--check']),

  types: () => run('node_modules/.bin/tsc', ['--noEmit']),

  /** What is generated is what `src/` gives. */
  drift: () => run(process.execPath, ['tools/run.mjs', 'build', '--check']),

  /** Completion, the man page and `docs/commands.md` are what the commands of `backupctl` give. */
  'command-line': async () => {
    const made = join(await temporary(), 'command-line');
    for (const path of await writeCommandLine(made))
      await run('diff', ['--unified', path, join(made, path)]).catch((error: unknown) => {
        throw new Error(`${path}: run \`npm run commands\` and commit the result\n${String(error)}`);
      });
  },

  yamllint: async () => (await Toolbox.open()).run('yamllint', ['--strict', '.'], { cwd: (await copies()).tree }),

  shellcheck: async () => (await Toolbox.open()).run('shellcheck', await programs(/^#!.*\b(?:ba)?sh\b/)),

  /** Python: plugins, the programs on the host, which have no suffix, and their package; tests and gates. */
  ruff: async () =>
    (await Toolbox.open()).run('ruff', ['check', '--no-cache', ...python, ...(await programs(/^#!.*\bpython/))]),

  /** The package on the host, its programs and its tests look as ruff writes them. */
  'python-format': () => formatPython('--diff'),

  /** The types of the package, in which all roles have a part, and of what the plugins share, by mypy's strictest rules. */
  'python-types': async () => {
    const toolbox = await Toolbox.open();
    const settings = [`--config-file=${resolve('tools/gates/mypy.ini')}`, `--cache-dir=${join(toolbox.home, 'mypy')}`];
    const env = { MYPYPATH: resolve('tools/gates/stubs') };
    const strictly = (cwd: string, name: string): Promise<unknown> =>
      toolbox.run('mypy', [...settings, '--package', name], { cwd, env });
    const { tree, host } = await copies();
    await strictly(join(host, 'usr/local/lib/backup'), 'rootless_backup');
    for (const part of ['plugin_utils', 'module_utils'])
      await strictly(join(tree, '../../..'), `ansible_collections.rootless.backup.plugins.${part}`);
  },

  /** No function of the package is longer than 60 lines, no program longer than 30. */
  'python-size': async () => {
    const modules = (await versioned()).filter((name) => name.startsWith('roles/') && name.endsWith('.py'));
    return (await Toolbox.open()).run('python', ['tools/gates/size.py', ...modules, ...(await hostPrograms())]);
  },

  /** The unit tests of the package. */
  pytest: async () =>
    (await Toolbox.open()).run('python', ['-B', '-m', 'pytest', '-c', 'tests/python/pytest.ini', 'tests/python']),

  /** Common mistakes of spelling, wherever people read; `spelling.txt` has words that only look like one. */
  spelling: async () =>
    (await Toolbox.open()).run('codespell', [
      '--ignore-words=tools/gates/spelling.txt',
      ...(await versioned()).filter((name) => name !== 'package-lock.json' && !/\.(?:svg|cjs)$/.test(name)),
    ]),

  /** Every file says whose it is and under which licence. @see https://reuse.software/spec-3.3 */
  licences: async () => (await Toolbox.open()).run('reuse', ['lint'], { cwd: (await copies()).tree }),

  /** The fragments, the releases, and that CHANGELOG.md is what they give. */
  changelog: async () => {
    const toolbox = await Toolbox.open();
    const generated = join(await temporary(), 'CHANGELOG.md');
    await toolbox.run('antsibull-changelog', ['lint']);
    await toolbox.run('antsibull-changelog', ['lint-changelog-yaml', 'changelogs/changelog.yaml']);
    await toolbox.run('antsibull-changelog', ['generate', '--output', generated, '--output-format', 'md']);
    await run('diff', ['--unified', 'CHANGELOG.md', generated]);
  },
};

/** Where Python is, beside the programs. */
const python = ['plugins', 'roles', 'tests/python', 'tools/gates'];

/** Writes the package on the host, its programs and its tests as ruff does; with `--diff` it throws with what it would write. */
export const formatPython = async (...options: string[]): Promise<unknown> =>
  (await Toolbox.open()).run('ruff', [
    'format',
    '--no-cache',
    ...options,
    ...python.slice(1),
    ...(await hostPrograms()),
  ]);

/** The files of the repository, and what would be. */
async function versioned(): Promise<string[]> {
  const listed = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z']);
  return listed.stdout.split('\0').filter((name) => name !== '' && existsSync(name));
}

/** The files of the repository whose first line names an interpreter. */
async function programs(shebang: RegExp): Promise<string[]> {
  const firstLine = (name: string): string => readFileSync(name, 'utf8').slice(0, 100).split('\n')[0] ?? '';
  return (await versioned()).filter((name) => shebang.test(firstLine(name)));
}

/** The programs in Python that are laid down on a host. */
const hostPrograms = async (): Promise<string[]> =>
  (await programs(/^#!.*\bpython/)).filter((name) => name.startsWith('roles/'));
