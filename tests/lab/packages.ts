import { mkdir, readFile, writeFile, access } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { temporary } from './collection.ts';
import { run } from './process.ts';

const cache = join(process.env['ROOTLESS_BACKUP_CACHE'] ?? '/var/cache/rootless.backup', 'files');

/** A file of a Debian package of this machine's release, which need not be installed: fetched once, and kept in the cache. */
export async function debianFile(name: string, path: string): Promise<Buffer> {
  const kept = join(cache, `${name}-${basename(path)}`);
  if (await access(kept).then(() => false, () => true)) {
    const directory = await temporary();
    await run('apt-get', ['download', '--quiet=2', name], { cwd: directory });
    await run('bash', ['-c', 'dpkg-deb --extract ./*.deb tree'], { cwd: directory });
    await mkdir(cache, { recursive: true });
    await writeFile(kept, await readFile(join(directory, 'tree', path)), { mode: 0o755 });
  }
  return readFile(kept);
}
