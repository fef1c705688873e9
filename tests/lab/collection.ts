import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, mkdir, cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from './process.ts';

let built: Promise<string> | undefined;

/** The tarball of this working tree, as `ansible-galaxy collection build` makes it of a clean clone; built once. */
export const buildCollection = (): Promise<string> => (built ??= build());

async function build(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rootless.backup-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const clone = join(directory, 'clone');
  const files = (await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'])).stdout.split('\0').filter(Boolean);
  // A file that was deleted and not yet committed so is still in the index.
  for (const file of files.filter((name) => existsSync(name))) {
    await mkdir(dirname(join(clone, file)), { recursive: true });
    await cp(file, join(clone, file));
  }
  const env = { ...process.env, PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', HOME: directory };
  const { stdout } = await run('ansible-galaxy', ['collection', 'build', '--output-path', directory], { cwd: clone, env });
  const tarball = /(\S+\.tar\.gz)/.exec(stdout)?.[1];
  if (tarball === undefined) throw new Error(`ansible-galaxy named no tarball: ${stdout}`);
  return tarball;
}
