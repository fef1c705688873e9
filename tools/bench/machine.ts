import { cpus, release, totalmem } from 'node:os';
import { run } from '../../tests/lab/process.ts';
import { debianRoot, type Release } from '../../tests/lab/root.ts';

/** On what it is measured, and what, in one sentence. */
export async function machine(managed: readonly Release[] = [12]): Promise<string> {
  const version = async (program: string, args: readonly string[]): Promise<string> =>
    (await run(program, args)).stdout.trim();
  const installed = async (name: string, ...of: string[]): Promise<string> =>
    /^[\d.]+/.exec(
      (await version('dpkg-query', [...of, '--show', '--showformat=${Version}', name])).replace(/^\d+:/, ''),
    )?.[0] ?? 'unknown';
  const host = async (debian: Release): Promise<string> => {
    const root = await debianRoot(debian);
    const within = `--admindir=${root}/var/lib/dpkg`;
    return `Debian ${await version('cat', [`${root}/etc/debian_version`])} with Borg ${await installed('borgbackup', within)}, systemd ${await installed('systemd', within)}, PostgreSQL ${await installed('postgresql-[0-9]*', within)}`;
  };
  const commit = await version('git', ['rev-parse', '--short=10', 'HEAD']);
  const changed =
    (await version('git', ['status', '--porcelain', '--untracked-files=no', '--', ':!docs'])) === ''
      ? ''
      : ' with changes';
  return (
    [
      `Measured ${new Date().toISOString().slice(0, 10)} at commit ${commit}${changed}`,
      `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
      `hosts: ${(await Promise.all(managed.map(host))).join(', and ')}`,
      `control node: ansible-core ${await installed('ansible-core')}, Node ${process.version.slice(1)}`,
    ].join('; ') + '.'
  );
}
