import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { run } from './process.ts';

let built: Promise<string> | undefined;

/** The tarball of this working tree, built once, by the distribution's `ansible-galaxy`; once for all processes of a run of tests. */
export const buildCollection = (): Promise<string> => (built ??= ofThisRun() ?? build());

/** The variable that names a link to it. */
const shared = 'ROOTLESS_BACKUP_TARBALL';

/** Has all processes that this one starts from now on use one tarball, which is built by `buildCollection` here. */
export function shareCollection(): void {
  // Only root can put something in its place there.
  process.env[shared] ??= `/run/rootless.backup-tarball-${process.pid}`;
}

function ofThisRun(): Promise<string> | undefined {
  const link = process.env[shared];
  return link !== undefined && existsSync(link) ? realpath(link) : undefined;
}

async function build(): Promise<string> {
  const directory = await temporary();
  await copyTree(join(directory, 'clone'));
  const tarball = await buildTarball(join(directory, 'clone'), directory);
  const link = process.env[shared];
  if (link?.endsWith(`-${process.pid}`) === true) {
    process.on('exit', () => rmSync(link, { force: true }));
    await symlink(tarball, link);
  }
  return tarball;
}

/** Whether a commit is in this clone, which may be shallow. */
export const isKnown = (commit: string): boolean =>
  spawnSync('git', ['cat-file', '-e', `${commit}^{commit}`]).status === 0;

const former = new Map<string, Promise<string>>();

/** The tarball of the collection as a commit has it. */
export function formerCollection(commit: string): Promise<string> {
  const make = async (): Promise<string> => {
    const directory = await temporary();
    const clone = join(directory, 'clone');
    await mkdir(clone);
    await run('git', ['archive', '--output', join(directory, 'former.tar'), commit]);
    await run('tar', ['--extract', '--file', join(directory, 'former.tar'), '--directory', clone]);
    return buildTarball(clone, directory);
  };
  const made = former.get(commit) ?? make();
  former.set(commit, made);
  return made;
}

/** A directory that goes when this process ends. */
export async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rootless.backup-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** This working tree as a clean clone would be if all of it were committed. */
export async function copyTree(to: string): Promise<void> {
  const files = (await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'])).stdout
    .split('\0')
    .filter(Boolean);
  // A file that was deleted and not yet committed so is still in the index.
  for (const file of files.filter((name) => existsSync(name))) {
    await mkdir(dirname(join(to, file)), { recursive: true });
    await cp(file, join(to, file));
  }
}

/**
 * Builds the tarball of a clone. The same files give the same bytes: `ansible-galaxy` writes the times and the order in which it
 * finds them, so they are packed again, sorted and at one time.
 * @param path where `ansible-galaxy` is found.
 * @returns where it is. @see https://reproducible-builds.org/docs/archives/
 */
export async function buildTarball(clone: string, to: string, path = '/usr/sbin:/usr/bin:/sbin:/bin'): Promise<string> {
  const work = await mkdtemp(join(resolve(to), 'build-'));
  const env = { PATH: path, LC_ALL: 'C.UTF-8', HOME: work };
  await run('ansible-galaxy', ['collection', 'build', '--output-path', work], { cwd: clone, env });
  const [name = ''] = (await run('find', [work, '-name', '*.tar.gz'])).stdout.split('\n').filter(Boolean);
  const tree = join(work, 'tree');
  await mkdir(tree);
  await run('tar', ['--extract', '--preserve-permissions', '--file', name, '--directory', tree]);
  await sortManifest(tree);
  const others = (
    await run(
      'find',
      ['.', '-mindepth', '1', '!', '-name', 'MANIFEST.json', '!', '-name', 'FILES.json', '-printf', '%P\\0'],
      { cwd: tree },
    )
  ).stdout;
  const input = ['MANIFEST.json', 'FILES.json', ...others.split('\0').filter(Boolean).sort()].join('\0');
  const tarball = join(resolve(to), basename(name));
  await run(
    'tar',
    [
      '--create',
      `--file=${tarball}`,
      '--use-compress-program=gzip -9 -n',
      '--format=ustar',
      `--mtime=@${await buildTime()}`,
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '--no-recursion',
      '--null',
      '--files-from=-',
    ],
    { cwd: tree, input },
  );
  await rm(work, { recursive: true });
  return tarball;
}

/** The time that everything in the tarball has: the last commit's. @see https://reproducible-builds.org/specs/source-date-epoch/ */
const buildTime = async (): Promise<string> =>
  process.env['SOURCE_DATE_EPOCH'] ?? (await run('git', ['log', '-1', '--format=%ct'])).stdout.trim();

/** FILES.json lists files in the order in which the file system had them; MANIFEST.json holds its checksum. */
async function sortManifest(tree: string): Promise<void> {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(tree, name), 'utf8'));
  const listed = read('FILES.json') as { files: { name: string }[] };
  listed.files.sort((a, b) => (a.name < b.name ? -1 : 1));
  await writeFile(join(tree, 'FILES.json'), JSON.stringify(listed, null, 1));
  const manifest = read('MANIFEST.json') as { file_manifest_file: { chksum_sha256: string } };
  manifest.file_manifest_file.chksum_sha256 = createHash('sha256')
    .update(await readFile(join(tree, 'FILES.json')))
    .digest('hex');
  await writeFile(join(tree, 'MANIFEST.json'), JSON.stringify(manifest, null, 1));
}
