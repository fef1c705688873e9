import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Where the labs have their directories, named by the process that opened them. */
export const base = '/run/rootless.backup-lab';
/** Where hosts have their disks that are not in memory, below the name of their lab. */
export const disks = '/var/tmp/rootless.backup-lab';

/**
 * Ends what runs in the namespaces and the cgroups of a lab, by number, and removes both.
 * A host's cgroup holds its nspawn too, and the control namespace Ansible's SSH connections.
 */
const end = `
shopt -s nullglob
groups=(/sys/fs/cgroup/"$0"-*/ /sys/fs/cgroup/*/"$0"-*/)
namespaces=(/run/netns/"$0" /run/netns/"$0"-*)
for try in {1..50}; do
  pids=$({
    [[ \${#groups[@]} == 0 ]] || find "\${groups[@]}" -name cgroup.procs -exec cat {} +
    for namespace in "\${namespaces[@]}"; do ip netns pids "\${namespace##*/}"; done
  } 2> /dev/null | grep -x '[1-9][0-9]*' | sort -u)
  [[ $pids ]] || break
  kill -KILL $pids 2> /dev/null
  sleep 0.02
done
[[ \${#groups[@]} == 0 ]] || find "\${groups[@]}" -depth -type d -exec rmdir {} + 2> /dev/null
for namespace in "\${namespaces[@]}"; do ip netns delete "\${namespace##*/}"; done
`;

/** Takes down whatever is there of a lab; synchronous, since it also runs when this process ends. */
export function takeDown(id: string): void {
  const directory = join(base, id);
  spawnSync('bash', ['-c', end, id]);
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  const own = [`${directory}/`, `/run/systemd/nspawn/unix-export/${id}-`];
  for (const path of mounts.filter((mount) => own.some((start) => mount.startsWith(start))).reverse())
    spawnSync('umount', ['--lazy', path]);
  rmSync(directory, { recursive: true, force: true });
  rmSync(join(disks, id), { recursive: true, force: true });
}

/** Takes down what a process left that could not do it itself. */
export function sweep(): void {
  if (!existsSync(base)) return;
  for (const id of readdirSync(base)) {
    const pid = /^rb(\d+)-/.exec(id)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) takeDown(id);
  }
}
