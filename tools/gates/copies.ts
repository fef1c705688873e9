import { existsSync } from 'node:fs';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildTarball, copyTree, temporary } from '../../tests/lab/collection.ts';
import { run } from '../../tests/lab/process.ts';
import { Toolbox } from './toolbox.ts';

/** What the gates look at, where Ansible expects a collection: in `ansible_collections/rootless/backup`. */
export interface Copies {
  /** Everything that is in version control, or would be. */
  readonly tree: string;
  /** The files of all roles where they land on a host, as one tree: each role has a part of the Python package. */
  readonly host: string;
  readonly tarball: string;
  /** What is in the tarball. */
  readonly collection: string;
}

let made: Promise<Copies> | undefined;

/** The copies, made once. */
export const copies = (): Promise<Copies> => (made ??= make());

async function make(): Promise<Copies> {
  const toolbox = await Toolbox.open();
  const directory = await temporary();
  const place = async (name: string): Promise<string> => {
    const path = join(directory, name, 'ansible_collections/rootless/backup');
    await mkdir(path, { recursive: true });
    return path;
  };
  const tree = await place('tree');
  await copyTree(tree);
  const host = join(directory, 'host');
  await mkdir(host);
  for (const role of (await readdir(join(tree, 'roles'))).filter((name) =>
    existsSync(join(tree, 'roles', name, 'files')),
  ))
    await cp(join(tree, 'roles', role, 'files'), host, { recursive: true });
  const tarball = await buildTarball(tree, directory, toolbox.path);
  const collection = await place('collection');
  await run('tar', ['--extract', '--file', tarball, '--directory', collection]);
  return { tree, host, tarball, collection };
}
