import { cp, mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { copies } from '../../tools/gates/copies.ts';
import { Toolbox } from '../../tools/gates/toolbox.ts';
import { buildTarball, copyTree, temporary } from '../lab/collection.ts';
import { run } from '../lab/process.ts';

let toolbox: Toolbox;
let tarball = '';
let directory = '';
beforeAll(async () => {
  toolbox = await Toolbox.open();
  ({ tarball } = await copies());
  directory = await temporary();
});

const contents = async (file: string): Promise<string> => (await run('tar', ['--list', '--file', file])).stdout;

/** A change of this list is shown in the review: `npm run test:collection -- --update` writes it. */
it('the tarball holds what the list says, and nothing else', async () => {
  const files = (await contents(tarball)).split('\n').filter((name) => name !== '' && !name.endsWith('/'));
  await expect(`${files.sort().join('\n')}\n`).toMatchFileSnapshot('contents.txt');
});

it('two builds of two clones, made at other times, by another umask and in another order, are the same bytes', async () => {
  const [one, two] = [join(directory, 'one'), join(directory, 'two')];
  await copyTree(one);
  await cp(one, join(directory, 'again'), { recursive: true });
  // Other directories list their files in another order.
  await mkdir(two);
  for (const name of (await run('ls', ['-A', '--reverse', one])).stdout.trim().split('\n'))
    await cp(join(one, name), join(two, name), { recursive: true });
  await run('chmod', ['-R', 'g+w,o-r', two]);
  await utimes(join(two, 'README.md'), 1, 1);
  await mkdir(join(directory, 'first'));
  await mkdir(join(directory, 'second'));
  const first = await buildTarball(one, join(directory, 'first'), toolbox.path);
  const second = await buildTarball(two, join(directory, 'second'), toolbox.path);
  expect(await readFile(first)).toEqual(await readFile(second));
});

it('a changed file changes the bytes', async () => {
  const clone = join(directory, 'changed');
  await copyTree(clone);
  await writeFile(join(clone, 'README.md'), 'changed\n', { flag: 'a' });
  const changed = await buildTarball(clone, directory, toolbox.path);
  expect(await readFile(changed)).not.toEqual(await readFile(tarball));
  await rm(changed);
});

it('ansible-galaxy installs it and finds every checksum right, from the file and from git', async () => {
  const repository = join(directory, 'repository');
  await copyTree(repository);
  const git = (...args: string[]): Promise<unknown> =>
    run('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-C', repository, ...args]);
  await git('init', '--quiet');
  await git('add', '--all');
  await git('commit', '--quiet', '--message', 'all');
  for (const [name, source] of [
    ['file', tarball],
    ['git', `git+file://${repository}`],
  ] as const) {
    const to = join(directory, name);
    await toolbox.run('ansible-galaxy', ['collection', 'install', source, '-p', to]);
    const installed = join(to, 'ansible_collections/rootless/backup');
    const files = (await run('find', ['.', '-type', 'f', '-printf', '%P\\n'], { cwd: installed })).stdout
      .split('\n')
      .filter(Boolean)
      .sort();
    const listed = (await contents(tarball))
      .split('\n')
      .filter((line) => line !== '' && !line.endsWith('/'))
      .sort();
    expect([name, files]).toEqual([name, listed]);
    await toolbox.run('ansible-galaxy', ['collection', 'verify', '--offline', 'rootless.backup', '-p', to]);
  }
});

it('an execution environment gets what the control node needs', async () => {
  const { collection } = await copies();
  const { stdout } = await toolbox.run('ansible-builder', ['introspect', '--sanitize', join(collection, '../../..')]);
  expect(stdout).toMatch(/nodejs.*rootless\.backup/);
});
