import { access, cp, mkdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { temporary } from './collection.ts';
import { run } from './process.ts';

const cache = join(process.env['ROOTLESS_BACKUP_CACHE'] ?? '/var/cache/rootless.backup', 'files');

/**
 * A file of a Debian package of this machine's release, which need not be installed: fetched once, and kept in the cache.
 * @returns where it is.
 */
export async function debianFile(name: string, path: string): Promise<string> {
  const kept = join(cache, `${name}-${basename(path)}`);
  if (
    await access(kept).then(
      () => false,
      () => true,
    )
  ) {
    const directory = await temporary();
    await run('apt-get', ['download', '--quiet=2', name], { cwd: directory });
    await run('bash', ['-c', 'dpkg-deb --extract ./*.deb tree'], { cwd: directory });
    await mkdir(cache, { recursive: true });
    // By rename: two tests may fetch it at once.
    await cp(join(directory, 'tree', path), `${kept}.${process.pid}`);
    await rename(`${kept}.${process.pid}`, kept);
  }
  return kept;
}
